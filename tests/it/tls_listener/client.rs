//! Callers with TLS: HTTP/1.1 as text, HTTP/2 with a client that shows its flow control.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use h2::{
    RecvStream,
    client::{Builder, SendRequest},
};
use http::{HeaderMap, Request, StatusCode};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sddc_gateway::config::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::task::TaskTracker;

use super::authority::{Authority, Files, ListenerFiles, Pair};
use crate::harness::{Cloud, DEADLINE, Setup, TestGateway};

/// A gateway with TLS, open to everyone.
pub async fn gateway(cloud: &Cloud, files: &Files) -> TestGateway {
    gateway_with(cloud, files, |_| {}).await
}

pub async fn gateway_with(
    cloud: &Cloud,
    files: &Files,
    change: impl FnOnce(&mut Config),
) -> TestGateway {
    let setup = Setup::on_demand(cloud).open();
    setup.with(|config| config.api.tls = Some(files.settings())).with(change).start().await
}

/// How connections are made.
#[derive(Clone)]
pub struct Dialer {
    config: ClientConfig,
}

impl Dialer {
    /// With HTTP/2 and HTTP/1.1 on offer, trusting this CA.
    pub fn trusting(authority: &Authority) -> Self {
        Self::of(authority, None, rustls::ALL_VERSIONS)
    }

    /// The same, showing a certificate.
    pub fn showing(authority: &Authority, pair: &Pair) -> Self {
        Self::of(authority, Some(pair), rustls::ALL_VERSIONS)
    }

    pub fn of(
        authority: &Authority,
        pair: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match pair {
            None => config.with_no_client_auth(),
            Some(pair) => {
                let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        Self { config }.offering(&["h2", "http/1.1"])
    }

    pub fn offering(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|name| (*name).into()).collect();
        self
    }

    pub async fn dial(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        let shaken = connector.connect("localhost".try_into().unwrap(), stream);
        timeout(DEADLINE, shaken).await.expect("a handshake in time")
    }

    /// One request of HTTP/1.1 on a connection of its own, read until that is closed. A refused
    /// certificate shows only there: in TLS 1.3 the client's handshake is done by then.
    pub async fn ask(&self, address: SocketAddr, path: &str) -> io::Result<String> {
        self.ask_with(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n")).await
    }

    /// The same with a head of the test's own, without its end.
    pub async fn ask_with(&self, address: SocketAddr, head: &str) -> io::Result<String> {
        let mut stream = self.clone().offering(&["http/1.1"]).dial(address).await?;
        let request = format!("{head}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        timeout(DEADLINE, read).await.expect("an answer in time")?;
        Ok(answer)
    }

    /// A connection with HTTP/2.
    pub async fn http2(&self, address: SocketAddr) -> Http2 {
        self.http2_with(address, &Builder::new()).await
    }

    pub async fn http2_with(&self, address: SocketAddr, builder: &Builder) -> Http2 {
        let stream = self.clone().offering(&["h2"]).dial(address).await.unwrap();
        let (requests, connection) = builder.handshake(stream).await.unwrap();
        let tasks = TaskTracker::new();
        tasks.spawn(async move { drop(connection.await) });
        tasks.close();
        Http2 { requests, connection: tasks }
    }
}

/// A connection with HTTP/2.
#[derive(Clone)]
pub struct Http2 {
    pub requests: SendRequest<Bytes>,
    connection: TaskTracker,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Status, and the code of what must be a problem.
    pub fn told(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status.as_u16());
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }
}

pub fn get(path: &str) -> Request<()> {
    Request::get(format!("https://localhost{path}")).body(()).unwrap()
}

impl Http2 {
    pub async fn get(&self, path: &str) -> Result<Answer, h2::Error> {
        self.send(get(path), None).await
    }

    /// Sends a request, with a body if there is any, and reads the answer.
    pub async fn send(
        &self,
        request: Request<()>,
        body: Option<Bytes>,
    ) -> Result<Answer, h2::Error> {
        let exchange = async {
            let mut ready = self.requests.clone().ready().await?;
            let (answer, mut sender) = ready.send_request(request, body.is_none())?;
            if let Some(body) = body {
                sender.send_data(body, true)?;
            }
            let (head, mut stream) = answer.await?.into_parts();
            let mut body = Vec::new();
            while let Some(data) = stream.data().await {
                let data = data?;
                body.extend_from_slice(&data);
                stream.flow_control().release_capacity(data.len())?;
            }
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        timeout(DEADLINE, exchange).await.expect("an answer in time")
    }

    /// Sends a request in the background.
    pub fn begin(&self, request: Request<()>) -> JoinHandle<Result<Answer, h2::Error>> {
        let connection = self.clone();
        TaskTracker::new().spawn(async move { connection.send(request, None).await })
    }

    /// Begins an answer and takes nothing of it yet but its head.
    pub async fn stall(&self, path: &str) -> RecvStream {
        let mut ready = self.requests.clone().ready().await.unwrap();
        let (answer, _) = ready.send_request(get(path), true).unwrap();
        let answer = timeout(DEADLINE, answer).await.expect("a head in time").unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body()
    }

    /// Begins an answer that goes on and on, such as events, and takes all that comes of it.
    pub async fn listen(&self, path: &str) -> JoinHandle<()> {
        let mut stream = self.stall(path).await;
        TaskTracker::new().spawn(async move {
            while let Some(Ok(data)) = stream.data().await {
                let _ = stream.flow_control().release_capacity(data.len());
            }
        })
    }

    /// Returns when the gateway has ended the connection.
    pub async fn ended(self) {
        timeout(DEADLINE, self.connection.wait()).await.expect("an end in time");
    }

    pub fn is_open(&self) -> bool {
        !self.connection.is_empty()
    }
}
