//! The port: an accept loop, HTTP/1.1, and the way of a request through the simulator.
//!
//! Connections are driven here and not by a framework, because some faults are below HTTP: a reset
//! needs the socket back, a truncated body must end its connection.

use std::{error::Error, future::poll_fn, io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Simulator, Target, csp,
    reply::{self, HangUp, Reply},
    route::Route,
    vmc,
};

/// Bodies are forms, faults and documents; an SDDC of many hosts is the longest.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

impl Simulator {
    /// Serves both services and the control on `listener` until `stop`; connections, also those in
    /// the midst of an answer, end then, and all of them have ended on return.
    ///
    /// # Errors
    /// None so far: a failure to accept is waited out.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let connections = TaskTracker::new();
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            };
            let (simulator, stop) = (self.clone(), stop.clone());
            connections.spawn(async move {
                stop.run_until_cancelled(simulator.drive(stream)).await;
            });
        }
        connections.close();
        connections.wait().await;
        Ok(())
    }

    async fn drive(self, stream: TcpStream) {
        // Answers are written whole; a drip must not be gathered up.
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| Box::pin(self.clone().receive(request)));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
        let stream = connection.into_parts().io.into_inner();
        if ended.is_err_and(|error| is_reset(&error)) {
            // Closing without lingering sends RST instead of FIN.
            let _ = stream.set_zero_linger();
        }
    }

    async fn receive(self, request: Request<Incoming>) -> Result<Reply, HangUp> {
        let (head, body) = request.into_parts();
        match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
            Ok(body) => self.answer(&head, body.to_bytes()).await,
            Err(_) => Ok(reply::empty(StatusCode::PAYLOAD_TOO_LARGE)),
        }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: &Parts, body: Bytes) -> Result<Reply, HangUp> {
        let path = request.uri.path();
        if path.starts_with("/__") {
            return Ok(self.control(request, &body));
        }
        let (target, route) = (Route::target(path), Route::of(path));
        let fault = self.0.script.lock().take(target, path);
        {
            let mut counters = self.counters();
            counters.count(route.as_ref(), request.uri.query().unwrap_or_default());
            if fault.is_some() {
                counters.count_fault();
            }
        }
        let right = || self.answer_rightly(target, route, request, &body);
        match fault {
            Some(fault) => self.play(&fault, target, path, right).await,
            None => Ok(right()),
        }
    }

    fn answer_rightly(
        &self,
        target: Target,
        route: Option<Route<'_>>,
        request: &Parts,
        body: &[u8],
    ) -> Reply {
        match (route, target) {
            (None, _) => self.refuse(StatusCode::NOT_FOUND, target, request.uri.path()),
            (Some(route), _) if route.method() != request.method => {
                let path = request.uri.path();
                let mut reply = self.refuse(StatusCode::METHOD_NOT_ALLOWED, target, path);
                reply.headers_mut().insert(header::ALLOW, allow(&route.method()));
                reply
            }
            (Some(route), Target::Csp) => self.answer_csp(route, request, body),
            (Some(route), Target::Vmc) => self.answer_vmc(route, request),
        }
    }

    fn refuse(&self, status: StatusCode, target: Target, path: &str) -> Reply {
        reply::json(status, &self.error_for(status, target, path))
    }

    /// How the target tells of a status.
    pub(super) fn error_for(&self, status: StatusCode, target: Target, path: &str) -> Value {
        match target {
            Target::Csp => csp::error_for(status, self.now()),
            Target::Vmc => vmc::error_for(status, path),
        }
    }
}

fn allow(method: &Method) -> HeaderValue {
    HeaderValue::from_static(if method == Method::POST { "POST" } else { "GET" })
}

fn is_reset(error: &hyper::Error) -> bool {
    error.source().and_then(|source| source.downcast_ref()) == Some(&HangUp::Reset)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::{Fault, FaultKind, Options};
    use super::*;

    /// A simulator on a socket, and what ends it.
    struct Served {
        simulator: Simulator,
        address: std::net::SocketAddr,
        stop: CancellationToken,
        tasks: TaskTracker,
    }

    impl Served {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (simulator, stop) = (Simulator::new(Options::default()), CancellationToken::new());
            let tasks = TaskTracker::new();
            tasks.spawn(simulator.clone().serve(listener, stop.clone()));
            Self { simulator, address, stop, tasks }
        }

        /// Asks for the public keys, which need no token, while `kind` is scripted.
        async fn ask(&self, kind: FaultKind) -> TcpStream {
            self.simulator.clear_faults();
            self.simulator.script(Fault::on(Target::Csp, "*").kind(kind).after(Duration::ZERO));
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = b"GET /csp/gateway/am/api/auth/keys HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            stream
        }

        /// The announced length, and the body that came.
        async fn body(&self, kind: FaultKind) -> (usize, Vec<u8>) {
            let mut answer = Vec::new();
            self.ask(kind).await.read_to_end(&mut answer).await.unwrap();
            let text = String::from_utf8_lossy(&answer);
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            (length.parse().unwrap(), body.as_bytes().to_vec())
        }
    }

    #[tokio::test]
    async fn a_reset_is_a_reset_before_the_head() {
        let served = Served::start().await;
        let ended = served.ask(FaultKind::Reset).await.read_to_end(&mut Vec::new()).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn half_of_a_truncated_body_arrives() {
        let served = Served::start().await;
        let (length, body) = served.body(FaultKind::Truncate).await;
        assert_eq!(body.len(), length / 2);
    }

    #[tokio::test]
    async fn a_drip_is_the_whole_answer() {
        let served = Served::start().await;
        let (length, body) = served.body(FaultKind::Drip).await;
        assert_eq!(body.len(), length);
        assert_eq!(served.body(FaultKind::Delay).await, (length, body));
    }

    #[tokio::test]
    async fn a_huge_list_goes_on() {
        let served = Served::start().await;
        let mut stream = served.ask(FaultKind::Huge).await;
        let mut start = vec![0; 4 * 1024 * 1024];
        stream.read_exact(&mut start).await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_ends_what_hangs() {
        let served = Served::start().await;
        let mut hanging = served.ask(FaultKind::Hang).await;
        served.stop.cancel();
        served.tasks.close();
        served.tasks.wait().await;
        assert_eq!(hanging.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let served = Served::start().await;
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        for _ in 0..2 {
            stream.write_all(b"GET /__stats HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let mut start = [0; 15];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 200 OK");
            // The counts are the only braces of the answer.
            while stream.read_u8().await.unwrap() != b'{' {}
            let mut depth = 1;
            while depth > 0 {
                match stream.read_u8().await.unwrap() {
                    b'{' => depth += 1,
                    b'}' => depth -= 1,
                    _ => {}
                }
            }
        }
    }
}
