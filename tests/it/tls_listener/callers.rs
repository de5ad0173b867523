//! Callers who are known by their certificates, to a whole gateway.

use http::{HeaderValue, Request};
use sddc_gateway::{
    access::{CallerSettings, Scope},
    config::Config,
};

use super::{
    authority::{Authority, Files, ListenerFiles, Pair},
    client::{Answer, Dialer, Http2, get},
};
use crate::harness::{Cloud, DEADLINE, Setup, TestGateway, cloud, configured_callers};

const BILLING: &str = "uri:spiffe://example.org/billing";
const BACKUP: &str = "dns:backup.example.org";

struct Scene {
    cloud: Cloud,
    files: Files,
    ours: Authority,
}

impl Scene {
    async fn new() -> Self {
        let ours = Authority::new("callers' CA");
        Self { cloud: cloud().await, files: Files::new(), ours }
    }

    /// A gateway with a caller by each of the two names, one by its key (`tester`), and one of
    /// another scope.
    async fn gateway(&self, crl: Option<&str>) -> TestGateway {
        let tls = self.files.settings_with_clients(&self.ours, crl, false);
        let callers = |config: &mut Config| {
            config.api.tls = Some(tls);
            let configured = configured_callers(config);
            for (name, san, scope) in [
                ("billing", BILLING, Scope::SddcRead),
                ("backup", BACKUP, Scope::SddcRead),
                ("tools", "dns:tools.example.org", Scope::VmcRead),
            ] {
                let tls_san = Some(san.parse().unwrap());
                let caller = CallerSettings::new(name.parse().unwrap());
                configured.callers.push(CallerSettings { tls_san, scopes: vec![scope], ..caller });
            }
        };
        Setup::on_demand(&self.cloud).with(callers).start().await
    }

    async fn connect(&self, gateway: &TestGateway, pair: &Pair) -> Http2 {
        Dialer::showing(&self.files.authority, pair).http2(gateway.api).await
    }
}

fn with_key(key: &str) -> Request<()> {
    let mut request = get("/sddcs");
    request.headers_mut().insert("x-api-key", HeaderValue::from_str(key).unwrap());
    request
}

/// The caller of the last access line.
fn caller(gateway: &TestGateway) -> String {
    let log = gateway.log.text();
    let line: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    line["caller"].as_str().unwrap().to_owned()
}

fn status(answer: &Answer) -> u16 {
    answer.status.as_u16()
}

#[tokio::test]
async fn a_caller_is_known_by_a_name_of_its_certificate_exactly() {
    let scene = Scene::new().await;
    let gateway = scene.gateway(None).await;
    for (names, expected, name) in [
        (&[BILLING][..], 200, "billing"),
        (&["dns:other.example.org", BILLING], 200, "billing"),
        (&["dns:BACKUP.example.org"], 200, "backup"),
        // The first in file order, not in the certificate's.
        (&[BACKUP, BILLING], 200, "billing"),
        (&["dns:tools.example.org"], 403, "tools"),
        (&["uri:spiffe://example.org/billing/x"], 401, "none"),
        (&["uri:spiffe://example.org/Billing"], 401, "none"),
        (&["dns:x.backup.example.org"], 401, "none"),
        (&["uri:dns:backup.example.org"], 401, "none"),
        (&[], 401, "none"),
    ] {
        let pair = scene.ours.client(names);
        let connection = scene.connect(&gateway, &pair).await;
        let answer = connection.get("/sddcs").await.unwrap();
        assert_eq!((status(&answer), &*caller(&gateway)), (expected, name), "{names:?}");
    }
}

#[tokio::test]
async fn a_certificate_and_a_key_are_of_one_caller_or_of_nobody() {
    let scene = Scene::new().await;
    let gateway = scene.gateway(None).await;
    let billing = scene.connect(&gateway, &scene.ours.client(&[BILLING])).await;
    let both = billing.send(with_key(gateway.key()), None).await.unwrap();
    assert_eq!(both.told(), (401, "unauthenticated".to_owned()));
    assert!(gateway.log.text().contains("conflicting_credentials"));
    let wrong = billing.send(with_key("sgw_wrong"), None).await.unwrap();
    assert_eq!(status(&wrong), 401, "a wrong credential is wrong beside a good one too");

    // In a mesh every client has a certificate: one that is nobody's is in the way of no key.
    let mesh = scene.connect(&gateway, &scene.ours.client(&["dns:pod.mesh"])).await;
    let known = mesh.send(with_key(gateway.key()), None).await.unwrap();
    assert_eq!((status(&known), &*caller(&gateway)), (200, "tester"));
}

#[tokio::test]
async fn who_is_revoked_loses_its_rights_on_the_connection_that_it_has() {
    let scene = Scene::new().await;
    let gateway = scene.gateway(Some(&scene.ours.crl(&[]))).await;
    let pair = scene.ours.client(&[BILLING]);
    let connection = scene.connect(&gateway, &pair).await;
    let other = scene.connect(&gateway, &scene.ours.client(&[BACKUP])).await;
    assert_eq!(status(&connection.get("/sddcs").await.unwrap()), 200);
    let stream = connection.listen("/sddcs/events").await;
    let others = other.listen("/sddcs/events").await;

    scene.files.write("client.crl", &scene.ours.crl(&[&pair]));
    gateway.advance(5);
    let revoked = async |_: &TestGateway| status(&connection.get("/sddcs").await.unwrap()) == 401;
    gateway.until("the certificate is revoked", revoked).await;
    let answer = connection.get("/sddcs").await.unwrap();
    assert_eq!(answer.told(), (401, "unauthenticated".to_owned()));
    assert!(gateway.log.text().contains("certificate_revoked"));
    stream.await.unwrap();
    assert_eq!(status(&other.get("/sddcs").await.unwrap()), 200);
    assert!(!others.is_finished(), "nobody else's stream ends");
}

#[tokio::test]
async fn a_stream_ends_within_a_minute_of_its_certificate() {
    let scene = Scene::new().await;
    let gateway = scene.gateway(None).await;
    let pair = scene.ours.client_until(&[BILLING], 2027);
    let connection = scene.connect(&gateway, &pair).await;
    let mut stream = connection.listen("/sddcs/events").await;
    gateway.advance(61);
    assert_eq!(status(&connection.get("/sddcs").await.unwrap()), 200);
    assert!(!stream.is_finished());
    // Past the turn of the year, in which it ends.
    gateway.advance(60 * 24 * 3600);
    tokio::time::timeout(DEADLINE, &mut stream).await.expect("the end in time").unwrap();
    let reason = "reason=\"certificate_expired\"";
    assert!(gateway.metric("sddc_gateway_access_denied_total", reason).await > 0.5);
}

#[tokio::test]
async fn where_access_is_open_a_certificate_makes_nobody_known() {
    let scene = Scene::new().await;
    let tls = scene.files.settings_with_clients(&scene.ours, None, true);
    let open = Setup::on_demand(&scene.cloud).open().with(|config| config.api.tls = Some(tls));
    let gateway = open.start().await;
    let connection = scene.connect(&gateway, &scene.ours.client(&[BILLING])).await;
    let answer = connection.get("/sddcs").await.unwrap();
    assert_eq!((status(&answer), &*caller(&gateway)), (200, "anonymous"));
}

#[tokio::test]
async fn a_good_certificate_that_names_no_caller_is_told_so_with_its_names_in_the_log() {
    let scene = Scene::new().await;
    let gateway = scene.gateway(None).await;
    for (names, logged) in
        [(&["uri:spiffe://example.org/other"][..], "uri:spiffe://example.org/other"), (&[], "none")]
    {
        let connection = scene.connect(&gateway, &scene.ours.client(names)).await;
        let answer = connection.get("/sddcs").await.unwrap();
        assert_eq!(answer.told(), (401, "unauthenticated".to_owned()));
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("belongs to no caller of this gateway"), "{detail}");
        let log = gateway.log.text();
        let line: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&line["reason"], &line["tls.client.san"]),
            (&"no_such_caller".into(), &logged.into())
        );
    }
    let reason = "reason=\"no_such_caller\"";
    assert!(gateway.metric("sddc_gateway_access_denied_total", reason).await > 1.5);
    // It is no guess either: a mesh's probes never shut their address out.
    let mesh = scene.connect(&gateway, &scene.ours.client(&["dns:pod.mesh"])).await;
    for _ in 0..40 {
        assert_eq!(status(&mesh.get("/sddcs").await.unwrap()), 401);
    }
    let known = mesh.send(with_key(gateway.key()), None).await.unwrap();
    assert_eq!((status(&known), &*caller(&gateway)), (200, "tester"));
    assert!(!gateway.log.text().lines().last().unwrap().contains("tls.client.san"));
}
