//! Certificates, CAs and CRLs that change while the gateway runs.

use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;

use super::{
    authority::{Authority, Files, ListenerFiles, Pair},
    client::{Dialer, gateway, gateway_with},
};
use crate::harness::{TestGateway, cloud};

const KEY: &str = "api.tls_cert";

/// Lets the reloader look again, and waits for what it says of a file.
async fn told(gateway: &TestGateway, key: &str, last_error: Option<&str>) {
    gateway.advance(5);
    gateway
        .until(key, async |gateway| {
            let reload = gateway.ops("/readyz").await.json()["reload"][key].clone();
            reload == json!({"ok": last_error.is_none(), "last_error": last_error})
        })
        .await;
    let label = format!("file=\"{key}\"");
    let ok = gateway.metric("sddc_gateway_config_reload_ok", &label).await;
    assert_eq!(ok > 0.5, last_error.is_none());
}

/// Whether a new connection is shown this certificate.
async fn shows(gateway: &TestGateway, dialer: &Dialer, pair: &Pair) -> bool {
    let stream = dialer.dial(gateway.api).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    shown == CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_stay() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let dialer = Dialer::trusting(&files.authority);
    let old = dialer.http2(gateway.api).await;
    assert_eq!(old.get("/sddcs").await.unwrap().status, 200);
    let new = files.authority.server();
    assert!(!shows(&gateway, &dialer, &new).await);
    files.show(&new);
    gateway.advance(5);
    let seen = async |gateway: &TestGateway| shows(gateway, &dialer, &new).await;
    gateway.until("the new certificate", seen).await;
    assert_eq!(old.get("/sddcs").await.unwrap().status, 200);
    assert!(old.is_open());
}

#[tokio::test]
async fn a_broken_pair_keeps_the_old_one_and_says_so() {
    let (cloud, files) = (cloud().await, Files::new());
    let first = files.authority.server();
    files.show(&first);
    let gateway = gateway(&cloud, &files).await;
    let dialer = Dialer::trusting(&files.authority);
    told(&gateway, KEY, None).await;
    let other = files.authority.server();
    for (cert, key, reason) in [
        (&*other.cert, &*first.key, "key does not match"),
        ("", &first.key, "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAA", &first.key, "broken pem"),
        (&first.cert, "", "no private key"),
        (&first.cert, &other.key, "key does not match"),
    ] {
        files.write("tls.crt", cert);
        files.write("tls.key", key);
        told(&gateway, KEY, Some(reason)).await;
        assert!(shows(&gateway, &dialer, &first).await, "{reason}");
    }
    std::fs::remove_file(files.path("tls.key")).unwrap();
    told(&gateway, KEY, Some("unreadable")).await;
    assert!(shows(&gateway, &dialer, &first).await);
    files.show(&other);
    told(&gateway, KEY, None).await;
    assert!(shows(&gateway, &dialer, &other).await);
}

#[tokio::test]
async fn callers_cas_and_what_they_revoked_are_read_again() {
    let (cloud, files) = (cloud().await, Files::new());
    let (ours, theirs) = (Authority::new("callers' CA"), Authority::new("another CA"));
    let (one, other) = (ours.client(&[]), theirs.client(&[]));
    let tls = files.settings_with_clients(&ours, Some(&ours.crl(&[])), true);
    let gateway = gateway_with(&cloud, &files, |config| config.api.tls = Some(tls)).await;
    let admitted = async |pair: &Pair| {
        let dialer = Dialer::showing(&files.authority, pair);
        dialer.ask(gateway.api, "/livez").await.is_ok_and(|text| text.contains("200 OK"))
    };
    assert!(admitted(&one).await && !admitted(&other).await);
    told(&gateway, "api.tls_client_ca", None).await;

    files.write("client.crl", &ours.crl(&[&one]));
    gateway.advance(5);
    gateway.until("revoked", async |_| !admitted(&one).await).await;

    files.write("client.crl", "none");
    told(&gateway, "api.tls_client_crl", Some("no crl")).await;
    assert!(!admitted(&one).await, "the last good list holds");

    files.write("client-ca.pem", &theirs.pem());
    files.write("client.crl", &theirs.crl(&[]));
    told(&gateway, "api.tls_client_crl", None).await;
    gateway.until("the other CA", async |_| admitted(&other).await).await;
    assert!(!admitted(&one).await);
    files.write("client-ca.pem", "none");
    told(&gateway, "api.tls_client_ca", Some("no certificate")).await;
    assert!(admitted(&other).await);
}

#[tokio::test]
async fn a_pair_that_has_expired_never_replaces_one_that_has_not() {
    let (cloud, files) = (cloud().await, Files::new());
    let (first, expired) = (files.authority.server_until(2099), files.authority.server_until(2026));
    files.show(&first);
    let gateway = gateway(&cloud, &files).await;
    let dialer = Dialer::trusting(&files.authority);
    let date = async |gateway: &TestGateway| {
        let name = "sddc_gateway_tls_certificate_not_after_timestamp_seconds";
        gateway.metric(name, &format!("file=\"{KEY}\"")).await
    };
    let first_end = date(&gateway).await;
    files.show(&expired);
    told(&gateway, KEY, Some("expired")).await;
    assert!(shows(&gateway, &dialer, &first).await);
    assert!((date(&gateway).await - first_end).abs() < 1.0, "the date is of what is shown");
    let next = files.authority.server();
    files.show(&next);
    told(&gateway, KEY, None).await;
    assert!(shows(&gateway, &dialer, &next).await);
    assert!(date(&gateway).await > first_end, "and changes with it");
}
