//! A crowd of clients that hold on to a real gateway, and what it costs until it lets go of them.

use std::{cell::Cell, fs, net::SocketAddr};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    harness::DEADLINE,
    process::{Cloud, Served, Setup, gateway},
    tls_listener::{authority::Files, client::Dialer},
};

/// What lasts so long is noticed by the gateway; short, and long enough to open a crowd meanwhile.
pub const LIMIT: &str = "4s";
/// Connections that are being opened at once: below any backlog.
const AT_ONCE: usize = 50;

/// A gateway as a process, and who talks to it.
pub struct Held {
    pub served: Served,
    files: Option<Files>,
    _cloud: Cloud,
}

/// What a crowd cost.
#[derive(Debug)]
pub struct Cost {
    /// Memory for each, in KiB, at its highest.
    pub each_kib: f64,
    /// What the gateway has counted of them.
    pub counted: f64,
}

impl Held {
    /// A gateway with this limit set to [`LIMIT`].
    pub fn with(limit: &str) -> Self {
        Self::start(limit, 4, None)
    }

    /// The same with answers of half a megabyte.
    pub fn with_large_answers(limit: &str) -> Self {
        Self::start(limit, 1000, None)
    }

    /// The same with TLS.
    pub fn with_tls(limit: &str, sddcs: usize) -> Self {
        Self::start(limit, sddcs, Some(Files::new()))
    }

    fn start(limit: &str, sddcs: usize, files: Option<Files>) -> Self {
        let cloud = Cloud::start(&["--sddcs", &sddcs.to_string()]);
        let mut setup: Setup = gateway(&["serve"])
            .of(&cloud)
            .with_secret("demo-secret")
            // One read, before anything is measured.
            .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
            .with("SDDC_GATEWAY_INVENTORY__FRESH", "1h")
            .with(&format!("SDDC_GATEWAY_API__{limit}"), LIMIT);
        if let Some(files) = &files {
            setup = setup
                .with("SDDC_GATEWAY_API__TLS_CERT", files.path("tls.crt"))
                .with("SDDC_GATEWAY_API__TLS_KEY", files.path("tls.key"));
        }
        Self { served: setup.serve(), files, _cloud: cloud }
    }

    pub fn api(&self) -> SocketAddr {
        self.served.api
    }

    /// Who trusts its certificate.
    pub fn dialer(&self) -> Dialer {
        Dialer::trusting(&self.files.as_ref().unwrap().authority)
    }

    /// Opens a crowd, and has a good caller ask until all of it is let go of.
    ///
    /// `open` makes one of them; `hold` holds on until the gateway ends it.
    pub async fn cost_of<M>(
        &self,
        count: usize,
        reason: &str,
        open: impl AsyncFn(SocketAddr) -> M,
        hold: impl AsyncFn(M),
    ) -> Cost {
        for _ in 0..3 {
            self.ask().await;
        }
        let rest = self.resident_kib();
        let mut members = Vec::new();
        while members.len() < count {
            let some = AT_ONCE.min(count - members.len());
            members.extend(join_all((0..some).map(|_| open(self.api()))).await);
        }
        let mut highest = self.resident_kib();
        let (ended, mut answered) = (Cell::new(false), 0);
        let all = async {
            let all = join_all(members.into_iter().map(|one| hold(one)));
            timeout(DEADLINE, all).await.expect("let go of in time");
            ended.set(true);
        };
        let meanwhile = async {
            while !ended.get() {
                self.ask().await;
                highest = highest.max(self.resident_kib());
                answered += 1;
            }
        };
        tokio::join!(all, meanwhile);
        assert!(answered > 0, "nobody else was answered meanwhile");
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let each_kib = (highest - rest).max(0.0) / count as f64;
        self.ask().await;
        Cost { each_kib, counted: self.counted(reason) }
    }

    /// A good caller, who must be answered.
    async fn ask(&self) {
        let answer = match self.files {
            Some(_) => self.dialer().ask(self.api(), "/sddcs").await.unwrap(),
            None => ask(self.api()).await,
        };
        assert!(answer.starts_with("HTTP/1.1 200"), "{}", &answer[..answer.len().min(1000)]);
        assert!(answer.ends_with("\"missing\":[]}"), "whole");
    }

    fn resident_kib(&self) -> f64 {
        let path = format!("/proc/{}/status", self.served.process.child.id());
        let status = fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn counted(&self, reason: &str) -> f64 {
        let series = format!("sddc_gateway_connection_errors_total{{reason=\"{reason}\"}}");
        self.served.try_figure(&series).map_or(0.0, |value| value.parse().unwrap())
    }
}

async fn ask(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /sddcs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(DEADLINE, read).await.expect("an answer in time").unwrap();
    answer
}
