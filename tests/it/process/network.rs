//! The way to the upstreams: proxies, private CAs, names that lead elsewhere or nowhere.

use std::{
    fs,
    io::{BufRead, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use sddc_gateway::simulator::Options;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

use super::run::{Cloud, SECRET, Setup, dead_address, file, gateway, own_address, until};
use crate::{
    harness::{self, clock},
    tls,
};

/// A proxy that takes whoever asks for `name:443` to one address, and notes what it was asked.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(leads_to: u16) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (tasks, notes) = (TaskTracker::new(), asked.clone());
        tasks.clone().spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let notes = notes.clone();
                tasks.spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    notes.lock().unwrap().push(head.lines().next().unwrap().to_owned());
                    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                    let mut far = TcpStream::connect(("127.0.0.1", leads_to)).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut far).await;
                });
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}

fn pointed_at(csp: &str, vmc: &str) -> Setup {
    gateway(&["serve"])
        .with("SDDC_GATEWAY_CSP__URL", csp)
        .with("SDDC_GATEWAY_VMC__URL", vmc)
        .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
        .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
        .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
        .with_secret(SECRET)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_goes_through_the_proxy_with_a_private_ca_and_not_where_no_proxy_says_so() {
    let cloud = harness::Cloud::start(&clock(), Options::default()).await;
    let (port, ca) = tls::terminate(&cloud, &["csp.example", "vmc.example"]).await;
    // Where nobody listens.
    let folder = TempDir::new().unwrap();
    let hosts = file(&folder, "hosts", &format!("{} vmc.example\n", own_address(23, 1).ip()));
    for (exempt, status, asked) in [
        ("", 200, &["CONNECT csp.example:443 HTTP/1.1", "CONNECT vmc.example:443 HTTP/1.1"][..]),
        ("vmc.example", 503, &["CONNECT csp.example:443 HTTP/1.1"]),
    ] {
        let proxy = Proxy::start(port).await;
        let served = pointed_at("https://csp.example", "https://vmc.example")
            .with("SDDC_GATEWAY_VMC__CA_FILE", ca.path())
            .with("SDDC_GATEWAY_VMC__RETRIES", "0")
            .with("LD_PRELOAD", nss_wrapper())
            .with("NSS_WRAPPER_HOSTS", &hosts)
            .with("HTTPS_PROXY", format!("http://{}", proxy.address))
            .with("NO_PROXY", exempt)
            .serve();
        let answer = served.get("/sddcs");
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(proxy.asked(), asked);
    }
}

/// A proxy that answers every request for a tunnel with this.
fn refusing_proxy(answer: &'static str) -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = std::io::BufReader::new(stream.unwrap());
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                if stream.read_line(&mut line).unwrap_or(0) == 0 {
                    break;
                }
            }
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_proxy_that_refuses_is_named_with_what_it_said() {
    let refusing = |answer| Some(refusing_proxy(answer));
    for (address, what) in [
        (refusing("HTTP/1.1 403 Forbidden\r\n\r\n"), "refuses the connection (403)"),
        (refusing("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "refuses the connection (502)"),
        (refusing("HTTP/1.1 407 No\r\n\r\n"), "wants other user name and password (407)"),
        (refusing("SSH-2.0-nonsense\r\n\r\n"), "refuses the connection"),
        (None, "cannot be reached: "),
    ] {
        let address = address.unwrap_or_else(dead_address);
        let ended = gateway(&["check"])
            .with("SDDC_GATEWAY_CSP__URL", "https://csp.example")
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with("HTTPS_PROXY", "")
            .with("https_proxy", format!(" http://user:CANARY@{address}\n"))
            .with_secret(SECRET)
            .run();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = format!("the proxy http://{address} (https_proxy) {what}");
        assert!(ended.stdout.contains(&told), "{told} is not in {}", ended.stdout);
        assert!(!format!("{ended:?}").contains("CANARY"), "{ended:?}");
    }
}

#[test]
fn a_proxy_variable_that_is_not_understood_is_bad_configuration() {
    for (variable, value) in [
        ("HTTPS_PROXY", "\"http://CANARY:1\""),
        ("https_proxy", "socks5://CANARY:1"),
        ("HTTP_PROXY", "htp://CANARY:1"),
    ] {
        for command in ["serve", "check"] {
            let ended = gateway(&[command])
                .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
                .with(variable, value)
                .with_secret(SECRET)
                .run();
            assert_eq!(ended.code, Some(78), "{ended:?}");
            assert!(ended.stderr.starts_with(&format!("{variable}: must be http://")), "{ended:?}");
            assert!(!format!("{ended:?}").contains("CANARY"), "{ended:?}");
        }
    }
}

#[test]
fn without_any_ca_certificate_it_is_said_where_some_can_come_from() {
    let folder = TempDir::new().unwrap();
    let none = file(&folder, "none.pem", "");
    let ended = gateway(&["serve"])
        .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
        .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
        .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
        .with("SSL_CERT_FILE", none)
        .with_secret(SECRET)
        .run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for name in ["SSL_CERT_FILE", "vmc.ca_file"] {
        assert!(ended.stderr.contains(name), "{ended:?}");
    }
}

/// Where the library is that lets a process have a hosts file of its own, as `tests/setup.sh` looks
/// for it.
fn nss_wrapper() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|folder| folder.unwrap().path());
    let mut paths = folders.map(|folder| folder.join("libnss_wrapper.so"));
    paths.find(|path| path.exists()).expect("libnss_wrapper.so is missing: make test-setup")
}

#[test]
fn a_name_that_leads_elsewhere_is_followed_and_one_that_leads_nowhere_is_told() {
    let cloud = |number| Cloud::start_at(own_address(number, 8443), &[]);
    let reads = |cloud: &Cloud| cloud.stats()["sddc_list_reads"].as_u64().unwrap();
    let (first, second) = (cloud(21), cloud(22));
    let folder = TempDir::new().unwrap();
    let hosts = folder.path().join("hosts");
    let lead = |to: Option<SocketAddr>| {
        let line = to.map(|to| format!("{} upstream.localhost\n", to.ip())).unwrap_or_default();
        // Renamed into place: a look-up never finds half of it.
        let new = folder.path().join("new");
        fs::write(&new, format!("127.0.0.1 localhost\n{line}")).unwrap();
        fs::rename(&new, &hosts).unwrap();
    };
    lead(Some(first.address));
    let name = "http://upstream.localhost:8443";
    let served = pointed_at(name, name)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
        .with("SDDC_GATEWAY_INVENTORY__FRESH", "0s")
        .with("LD_PRELOAD", nss_wrapper())
        .with("NSS_WRAPPER_HOSTS", &hosts)
        .serve();
    assert_eq!(served.get("/sddcs").status, 200);
    assert_eq!(reads(&first), 1);
    // The new one does not know the token of the old one either.
    lead(Some(second.address));
    drop(first);
    let is_stored = || served.get("/sddcs").head.contains("stored");
    until("an answer from the new address", is_stored);
    assert!(reads(&second) >= 1);
    lead(None);
    drop(second);
    let answer = served.get("/sddcs");
    assert_eq!(answer.status, 200, "the snapshot outlives it: {answer:?}");
    assert!(answer.head.contains("detail=stale-upstream-"), "{answer:?}");
    let again = cloud(22);
    lead(Some(again.address));
    until("the name to lead somewhere again", is_stored);
    assert_eq!(served.interrupt().code, Some(0));
}

#[test]
fn plain_http_goes_to_a_named_host_with_a_warning_and_never_through_a_proxy() {
    let cloud = Cloud::start_at(own_address(24, 8444), &[]);
    let folder = TempDir::new().unwrap();
    let hosts = file(&folder, "hosts", &format!("{} simulator.test\n", cloud.address.ip()));
    let name = "http://simulator.test:8444";
    let refused = pointed_at(name, name).run();
    assert_eq!(refused.code, Some(78), "{refused:?}");
    for key in ["csp.url", "vmc.url", "vmc.plain_http"] {
        assert!(refused.stderr.contains(key), "{refused:?}");
    }
    let refused =
        pointed_at(name, name).with("SDDC_GATEWAY_VMC__PLAIN_HTTP", "vmc.vmware.com").run();
    assert_eq!(refused.code, Some(78), "{refused:?}");

    let proxy = format!("http://{}", dead_address());
    let served = pointed_at(name, name)
        .with("SDDC_GATEWAY_VMC__PLAIN_HTTP", "simulator.test")
        .with("LD_PRELOAD", nss_wrapper())
        .with("NSS_WRAPPER_HOSTS", &hosts)
        .with("HTTP_PROXY", &proxy)
        .with("HTTPS_PROXY", &proxy)
        .serve();
    assert_eq!(served.get("/sddcs").status, 200);
    let ended = served.interrupt();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("in clear text"), "{ended:?}");
}
