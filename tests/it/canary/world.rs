//! A CSP and a VMC of which every text is a canary.
//!
//! Flow: gateway → [`World`]'s port → simulator → its answer with every text replaced → gateway.
//!
//! No list of secret fields is kept here: each text, number, `null` and header of an answer becomes a
//! secret marker that knows its JSON path, and unknown members are added to each object. Only what
//! [`LISTED`](super::listed::LISTED) names stays, or becomes a marker that may be shown in one field of the answers.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, request::Parts};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use sddc_gateway::simulator;
use serde_json::Value;
use support::collector::Collector;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    planted::{Marker, Planted},
    search::Secret,
};
use crate::harness::{Captured, Cloud, Setup, clock};

/// A cloud of canaries; what the gateway is pointed at is [`World::cloud`].
pub struct World {
    pub cloud: Cloud,
    /// Gets the traces of its gateways.
    pub collector: Collector,
    /// Bytes of the log at its begin.
    pub logged: usize,
    /// The app's secret.
    pub client_secret: String,
    front: Arc<Front>,
    _stop: DropGuard,
}

/// Stands between the gateway and the simulator.
struct Front {
    planted: Mutex<Planted>,
    simulator: SocketAddr,
    http: reqwest::Client,
}

/// The connection ends.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends")]
struct Gone;

type Body = UnsyncBoxBody<Bytes, Gone>;

impl World {
    /// Starts one of two organizations and so many SDDCs, with a secret of its own, on a clock that
    /// the test moves.
    pub async fn start(sddcs: usize) -> Self {
        // Neither is part of the other, and no other test's world has them.
        let nonce = || uuid::Uuid::new_v4().simple().to_string()[..10].to_owned();
        let (secret_prefix, shown_prefix) = (format!("zs{}s", nonce()), format!("zw{}w", nonce()));
        // Each character that some encoding changes.
        let client_secret = format!("zc{}c+secret/%:&=\"\\<é>{}", nonce(), nonce());
        let options = simulator::Options {
            orgs: 2,
            sddcs,
            client_secret: client_secret.clone().into(),
            ..simulator::Options::default()
        };
        let mut cloud = Cloud::start(&clock(), options).await;
        let odd = [cloud.simulator.sddc_ids()[1].clone(), cloud.simulator.org_ids()[1].clone()];
        let front = Arc::new(Front {
            planted: Mutex::new(Planted {
                shown_prefix,
                secret_prefix,
                markers: Vec::new(),
                known: HashMap::new(),
                heard: BTreeMap::new(),
                tokens: Vec::new(),
                quoted: vec![client_secret.clone()],
                odd: odd.to_vec(),
                documents_only: false,
            }),
            simulator: cloud.address,
            http: support::http::client()
                .no_gzip()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        });
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        cloud.address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        TaskTracker::new().spawn(front.clone().serve(socket, stop.clone()));
        let logged = Captured::events().len();
        Self {
            cloud,
            collector: Collector::start(),
            logged,
            client_secret,
            front,
            _stop: stop.drop_guard(),
        }
    }

    /// Has a gateway send its traces.
    pub fn traced(&self, setup: Setup) -> Setup {
        let endpoint = format!("{}/v1/traces", self.collector.url()).parse().unwrap();
        setup.with(|config| config.telemetry.otlp_endpoint = Some(endpoint))
    }

    /// A marker of the test's own, which nothing may show.
    pub fn secret(&self, name: &str) -> String {
        self.front.planted().secret(&format!("the test: {name}"), &[])
    }

    /// From now on lists hold nothing without an id, so that a removal is believed.
    pub fn list_documents_only(&self) {
        self.front.planted().documents_only = true;
    }

    /// Takes a secret that no marker is part of: a key, say.
    pub fn keep(&self, name: &str, secret: &str) {
        self.front.planted().heard.insert(secret.to_owned(), name.to_owned());
    }

    /// The same, and tasks' error texts quote it from now on, as they do the token and the app's
    /// secret.
    pub fn quote(&self, name: &str, secret: &str) {
        self.keep(name, secret);
        self.front.planted().quoted.push(secret.to_owned());
    }

    /// All that nothing may show: the markers, the app's secret, what the gateway sent, and what the
    /// test has added. A new kind of secret belongs here, or is kept with [`World::keep`].
    pub fn secrets(&self) -> Vec<Secret> {
        let planted = self.front.planted();
        let mut secrets = vec![
            Secret::new("marked secret", &*planted.secret_prefix),
            Secret::new("client secret", &*self.client_secret),
            Secret::new("simulator's canary", "CANARY-"),
        ];
        for (text, name) in &planted.heard {
            match *text.split('.').collect::<Vec<_>>() {
                // A JWT's payload names the organization, as documents do, and a `CANARY-`.
                [head, _, signature] => {
                    secrets.push(Secret::new(format!("{name}, head"), head));
                    secrets.push(Secret::new(format!("{name}, signature"), signature));
                }
                _ => secrets.push(Secret::new(&**name, &**text)),
            }
        }
        secrets
    }

    /// What may be shown, but only in its own place: for what is left after [`World::without_shown`].
    pub fn shown(&self) -> Secret {
        Secret::new("marked text", &*self.front.planted().shown_prefix)
    }

    /// Where the marker comes from that stands in a text.
    pub fn origin(&self, text: &str) -> Option<Marker> {
        let planted = self.front.planted();
        let found = planted.found_in(text).next()?;
        planted.markers.get(found).cloned()
    }

    /// The markers that were sent.
    pub fn sent(&self) -> Vec<Marker> {
        self.front.planted().markers.iter().filter(|it| it.sent > 0).cloned().collect()
    }

    /// A JSON text of the gateway's without the markers that stand where they may: in their own field
    /// of a document of their own. And how many these were. What is no JSON comes back as it is.
    pub fn without_shown(&self, text: &str) -> (String, usize) {
        let Ok(mut document) = serde_json::from_str::<Value>(text) else {
            return (text.to_owned(), 0);
        };
        let mut count = 0;
        self.front.planted().blank(&mut document, "", &[], &mut count);
        (document.to_string(), count)
    }
}

impl Front {
    fn planted(&self) -> std::sync::MutexGuard<'_, Planted> {
        self.planted.lock().unwrap()
    }

    async fn serve(self: Arc<Self>, socket: TcpListener, stop: CancellationToken) {
        let connections = TaskTracker::new();
        while let Some(Ok((stream, _))) = stop.run_until_cancelled(socket.accept()).await {
            let (front, stop) = (self.clone(), stop.clone());
            connections.spawn(async move { stop.run_until_cancelled(front.drive(stream)).await });
        }
    }

    async fn drive(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request| {
            let front = self.clone();
            async move { front.pass(request).await }
        });
        // What the script breaks ends with an error.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Body>, Gone> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Gone)?.to_bytes();
        self.hear(&head);
        let url = format!("http://{}{}", self.simulator, head.uri);
        let asked = self.http.request(head.method.clone(), url).headers(head.headers.clone());
        let mut answer = asked.body(body).send().await.map_err(|_| Gone)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let (mut body, mut end) = (Vec::new(), None);
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => {
                    end = Some(Err(Gone));
                    break;
                }
            }
        }
        let body = self.planted().body(head.uri.path(), status, &headers, &body);
        self.hear_token(&body);
        let frames = stream::iter([Ok(Frame::data(Bytes::from(body)))]).chain(stream::iter(end));
        let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        self.planted().head(&mut answer);
        Ok(answer)
    }

    /// Keeps what the gateway shows of itself.
    fn hear(&self, head: &Parts) {
        for (name, what) in [("csp-auth-token", "token"), ("authorization", "Basic header")] {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(text) = value {
                let text = text.strip_prefix("Basic ").unwrap_or(text);
                let mut planted = self.planted();
                planted.heard.insert(text.to_owned(), what.to_owned());
                // What is no JWT is one of ours only as long as it is the one in use.
                if what == "token" && text.split('.').count() == 3 {
                    planted.tokens.retain(|known| known != text);
                    planted.tokens.push(text.to_owned());
                }
            }
        }
    }

    fn hear_token(&self, body: &[u8]) {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if let Some(token) = answer["access_token"].as_str().filter(|token| !token.is_empty()) {
            self.planted().heard.insert(token.to_owned(), "token".to_owned());
        }
    }
}
