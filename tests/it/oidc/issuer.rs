//! An issuer of tokens on a socket: its keys, what it signs, and how it misbehaves.

use std::sync::{Arc, Mutex};

use sddc_gateway::{
    access::oidc::{KeysFrom, Settings},
    reload::LoadedFile,
};
use serde_json::{Value, json};
use support::{signer::Signer, tls};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::harness::DEADLINE;

/// What its tokens say in `iss` and `aud`, and what a gateway must be told to expect.
pub const ISSUER: &str = "https://login.example.com/tenant";
pub const AUDIENCE: &str = "sddc-gateway";

/// How it answers who asks for its keys.
#[derive(Debug, Clone)]
pub enum Answer {
    /// With its JWK set.
    Keys,
    /// The same as a file of this type, or of none.
    File(Option<&'static str>),
    /// With a set that says nothing of use.
    NoKeys,
    /// 200 and JSON that is no set.
    Garbage,
    /// 200 and a page.
    Html,
    /// Its set, and more than 1 MiB of blanks after it.
    Huge,
    /// To another address, 302.
    Redirect(String),
    /// With this status and no body.
    Status(u16),
    /// Not at all, until it is told something else.
    Hang,
}

/// An issuer with one key at first. It stops with the value.
pub struct Issuer {
    scheme: &'static str,
    port: u16,
    ca: Option<NamedTempFile>,
    shared: Arc<Shared>,
    signers: Mutex<Vec<Arc<Signer>>>,
    _stop: DropGuard,
}

struct Shared {
    answer: watch::Sender<Answer>,
    set: Mutex<String>,
    fetches: watch::Sender<u64>,
}

impl Issuer {
    /// One on plain http, with an ES256 key.
    pub async fn start() -> Self {
        Self::serve(None).await
    }

    /// One on https, whose certificate for `localhost` is by a CA of its own.
    pub async fn start_tls() -> Self {
        let (config, file) = tls::server(&["localhost"]);
        Self::serve(Some((TlsAcceptor::from(Arc::new(config)), file))).await
    }

    async fn serve(tls: Option<(TlsAcceptor, NamedTempFile)>) -> Self {
        let shared = Arc::new(Shared {
            answer: watch::Sender::new(Answer::Keys),
            set: Mutex::default(),
            fetches: watch::Sender::new(0),
        });
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let (acceptor, ca) = tls.unzip();
        let stop = CancellationToken::new();
        let (state, ended) = (shared.clone(), stop.clone());
        TaskTracker::new().spawn(async move {
            let connections = TaskTracker::new();
            while let Some(Ok((stream, _))) = ended.run_until_cancelled(socket.accept()).await {
                let (state, acceptor) = (state.clone(), acceptor.clone());
                connections.spawn(ended.clone().run_until_cancelled_owned(async move {
                    match acceptor {
                        None => state.answer(stream).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => state.answer(stream).await,
                            Err(_) => None,
                        },
                    }
                }));
            }
        });
        let issuer = Self {
            scheme: if ca.is_some() { "https" } else { "http" },
            port,
            ca,
            shared,
            signers: Mutex::default(),
            _stop: stop.drop_guard(),
        };
        issuer.add_key("key-1", "ES256");
        issuer
    }

    /// Where its keys are.
    pub fn jwks_url(&self) -> String {
        format!("{}://localhost:{}/keys?tenant=1", self.scheme, self.port)
    }

    /// Settings that trust it: its keys by URL, its CA if it has one.
    pub fn settings(&self) -> Settings {
        Settings {
            issuer: ISSUER.into(),
            audience: Some(AUDIENCE.into()),
            client_ids: Vec::new(),
            keys: KeysFrom::Url(self.jwks_url().parse().unwrap()),
            ca_file: self.ca.as_ref().map(|file| LoadedFile::read(file.path()).unwrap()),
        }
    }

    /// The JWK set that it publishes.
    pub fn jwks(&self) -> String {
        self.shared.set.lock().unwrap().clone()
    }

    /// Publishes one key more, and signs with it from now on.
    pub fn add_key(&self, kid: &str, alg: &'static str) {
        let mut signers = self.signers.lock().unwrap();
        signers.push(Arc::new(Signer::new(kid, alg)));
        self.publish(&signers);
    }

    /// Publishes a new key alone: what the others signed is void.
    pub fn rotate(&self, kid: &str, alg: &'static str) {
        self.signers.lock().unwrap().clear();
        self.add_key(kid, alg);
    }

    /// Publishes the oldest key no more.
    pub fn withdraw_oldest(&self) {
        let mut signers = self.signers.lock().unwrap();
        signers.remove(0);
        self.publish(&signers);
    }

    fn publish(&self, signers: &[Arc<Signer>]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        *self.shared.set.lock().unwrap() = json!({ "keys": keys }).to_string();
    }

    /// The key that it signs with: the newest.
    pub fn signer(&self) -> Arc<Signer> {
        self.signers.lock().unwrap().last().unwrap().clone()
    }

    /// A token with `iss`, `aud`, an `exp` far ahead, and these claims beside or instead.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({}), claims)
    }

    /// The same with header parameters beside or instead of `alg`, `typ` and `kid`. `null` leaves a
    /// claim or parameter out.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signer = self.signer();
        let usual = json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": 32_503_680_000_i64 });
        signer.sign(&merged(signer.header(), header), &merged(usual, claims))
    }

    /// Answers so from now on, also who is kept waiting.
    pub fn set_answer(&self, answer: Answer) {
        self.shared.answer.send_replace(answer);
    }

    /// How often its keys were asked for.
    pub fn fetches(&self) -> u64 {
        *self.shared.fetches.borrow()
    }

    /// Returns once they were asked for that often.
    pub async fn was_asked(&self, times: u64) {
        let mut fetches = self.shared.fetches.subscribe();
        let asked = fetches.wait_for(|fetches| *fetches >= times);
        tokio::time::timeout(DEADLINE, asked).await.expect("nobody asks for the keys").unwrap();
    }
}

fn merged(mut usual: Value, more: &Value) -> Value {
    let members = usual.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    usual
}

impl Shared {
    /// One request, one answer, one connection. `None` when the asker went away.
    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("GET /keys?tenant=1 HTTP/1.1\r\n"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
        self.fetches.send_modify(|fetches| *fetches += 1);
        let mut answer = self.answer.subscribe();
        let answer = answer.wait_for(|answer| !matches!(answer, Answer::Hang)).await.ok()?.clone();
        let set = self.set.lock().unwrap().clone();
        let (status, header, body) = match answer {
            Answer::Hang => unreachable!("it has ended"),
            Answer::Keys => (200, json_type(), set),
            Answer::File(kind) => {
                let kind =
                    kind.map_or("x-none: true".to_owned(), |it| format!("content-type: {it}"));
                (200, kind, set)
            }
            Answer::NoKeys => (200, json_type(), "{\"keys\":[{\"kty\":\"oct\"}]}".into()),
            Answer::Garbage => (200, json_type(), "{\"keys\":".into()),
            Answer::Html => (200, "content-type: text/html".into(), "<html></html>".into()),
            Answer::Huge => (200, json_type(), set + &" ".repeat(1024 * 1024)),
            Answer::Redirect(target) => (302, format!("location: {target}"), String::new()),
            Answer::Status(status) => (status, json_type(), String::new()),
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} x\r\n{header}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()
    }
}

fn json_type() -> String {
    "content-type: application/jwk-set+json".into()
}
