//! Real TLS to the upstreams: a private CA is trusted only where `vmc.ca_file` says so.

use http::StatusCode;
use sddc_gateway::reload::LoadedFile;
use support::tls;
use tempfile::NamedTempFile;
use tokio::net::TcpStream;

use crate::harness::{Captured, Cloud, Setup, cloud};

/// TLS in front of the simulator, for the names given. Returns its port and its CA's file.
pub async fn terminate(cloud: &Cloud, names: &[&str]) -> (u16, NamedTempFile) {
    let (config, file) = tls::server(names);
    let upstream = cloud.address;
    let pass_on = move |mut outer| async move {
        let mut inner = TcpStream::connect(upstream).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
    };
    (tls::serve(config, pass_on).await, file)
}

fn over_tls(cloud: &Cloud, port: u16) -> Setup {
    Setup::on_demand(cloud).with(|config| {
        config.csp.url = format!("https://localhost:{port}").parse().unwrap();
        config.vmc.url = config.csp.url.clone();
    })
}

#[tokio::test]
async fn a_private_ca_is_trusted_if_the_operator_says_so() {
    let cloud = cloud().await;
    let (port, ca) = terminate(&cloud, &["localhost"]).await;
    let file = LoadedFile::read(ca.path()).unwrap();
    let gateway =
        over_tls(&cloud, port).with(|config| config.vmc.ca_file = Some(file)).start().await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!((cloud.mints(), cloud.sddc_reads()), (1, 1));
}

#[tokio::test]
async fn an_unknown_ca_and_a_wrong_name_are_refused_and_told() {
    for (names, trusted, why) in [
        (&["localhost"], false, "UnknownIssuer"),
        (&["elsewhere.test"], true, "not valid for name"),
    ] {
        let cloud = cloud().await;
        let (port, ca) = terminate(&cloud, names).await;
        let file = trusted.then(|| LoadedFile::read(ca.path()).unwrap());
        let gateway = over_tls(&cloud, port).with(|config| config.vmc.ca_file = file).start().await;
        let answer = gateway.get("/sddcs").await;
        assert_eq!(answer.code(), "upstream-unavailable");
        assert_eq!(cloud.mint_attempts(), 0, "no credential was sent");
        assert!(!answer.text().contains("certificate"));
        assert!(Captured::events().contains(why), "the log says why: {why}");
    }
}

#[tokio::test]
async fn a_new_ca_file_is_trusted_without_a_restart_and_a_broken_one_changes_nothing() {
    let cloud = cloud().await;
    let (port, right) = terminate(&cloud, &["localhost"]).await;
    let (_, wrong) = tls::server(&["localhost"]);
    let path = wrong.path().to_owned();
    let file = LoadedFile::read(&path).unwrap();
    let gateway =
        over_tls(&cloud, port).with(|config| config.vmc.ca_file = Some(file)).start().await;
    assert_eq!(gateway.get("/sddcs").await.code(), "upstream-unavailable");
    let end = async || {
        let name = "sddc_gateway_tls_certificate_not_after_timestamp_seconds";
        gateway.metric(name, "file=\"vmc.ca_file\"").await
    };
    assert!(end().await > 0.0);
    let reload = async |gateway: &crate::harness::TestGateway| {
        gateway.ops("/readyz").await.json()["reload"]["vmc.ca_file"].clone()
    };
    std::fs::write(&path, "no certificate").unwrap();
    gateway.advance(5);
    let refused = async |gateway: &_| reload(gateway).await["last_error"] == "no certificate";
    gateway.until("a refusal", refused).await;
    std::fs::copy(right.path(), &path).unwrap();
    gateway.advance(5);
    gateway.until("the new CA", async |gateway| gateway.get("/sddcs").await.status == 200).await;
    assert_eq!(reload(&gateway).await["ok"], true);
}
