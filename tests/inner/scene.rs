//! A gateway and the cloud behind it, on a clock that stands still.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::body::Body;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use sddc_gateway::{
    access::{Authenticated, Identity, Policy, RequestIdentity, Settings, Verifiers},
    api::Api,
    clock::Clock,
    config::Config,
    csp::ClientSecret,
    gateway::Gateway,
    simulator::{Options, Simulator},
    telemetry::{AccessLog, Format},
};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A gateway that everyone may ask, with its first reading.
pub struct Scene {
    pub cloud: Simulator,
    pub clock: Clock,
    gateway: Gateway,
    policy: Policy,
}

impl Scene {
    pub fn start(sddcs: usize) -> Self {
        let (cloud, clock, config) = cloud(sddcs);
        let access_log = AccessLog::new(Format::Json, |_| ());
        let start = Gateway::start(&config, clock.clone(), access_log, Counter::default());
        let gateway = Handle::current().block_on(start).expect("it starts");
        let policy = Policy::new(&Settings::Open, Verifiers::default(), clock.clone());
        let scene = Self { cloud, clock, gateway, policy };
        scene.wait_for(scene.request("/sddcs"));
        scene
    }

    pub fn api(&self) -> &Api {
        self.gateway.api()
    }

    /// A plain request, as the edge hands it on.
    pub fn request(&self, target: &str) -> Request<Body> {
        let sender = RequestIdentity {
            policy: self.policy.clone(),
            identity: Identity::Authenticated(self.caller()),
            client: Ipv4Addr::LOCALHOST.into(),
            request_id: HeaderValue::from_static("bench"),
        };
        let request = Request::get(target).extension(sender).body(Body::empty());
        request.expect("a good target")
    }

    /// The same with a header field.
    pub fn request_with(
        &self,
        target: &str,
        name: HeaderName,
        value: HeaderValue,
    ) -> Request<Body> {
        let mut request = self.request(target);
        request.headers_mut().insert(name, value);
        request
    }

    pub fn caller(&self) -> Authenticated {
        match self.policy.identify(&http::HeaderMap::new(), None, true) {
            Some(Identity::Authenticated(caller)) => caller,
            _ => unreachable!("access is open"),
        }
    }

    /// The answer, which waits for nothing.
    pub fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.api().answer(request).now_or_never().expect("it is made from the snapshot")
    }

    /// The answer, which waits for a reading.
    pub fn wait_for(&self, request: Request<Body>) -> Response<Body> {
        let answer = Handle::current().block_on(self.api().answer(request));
        assert_eq!(answer.status(), StatusCode::OK);
        answer
    }
}

/// A cloud that listens, its clock, and the settings of a gateway in front of it.
pub fn cloud(sddcs: usize) -> (Simulator, Clock, Config) {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let wall = clock.clone();
    let options = Options { sddcs, ..Options::default() };
    let cloud = Simulator::with_clock(options, Arc::new(move || wall.wall()));
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let socket = Handle::current().block_on(TcpListener::bind(any)).expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    TaskTracker::new().spawn(cloud.clone().serve(socket, CancellationToken::new()));
    let url = format!("http://{address}").parse().expect("an address");
    let secret = ClientSecret::from_text("demo-secret").expect("a good secret");
    let id = "demo-app".parse().expect("a good id");
    let mut config = Config::for_demo(any, any, url, id, secret);
    // Only a request causes a reading.
    config.inventory.poll = Duration::ZERO;
    (cloud, clock, config)
}
