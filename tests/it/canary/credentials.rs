//! Callers' credentials of every kind, good and bad, to a gateway with TLS, an issuer and an audit:
//! nothing of them comes out anywhere.

use std::collections::BTreeMap;

use http::{HeaderValue, Request};
use sddc_gateway::{access::CallerSettings, telemetry::AuditTarget};
use serde_json::{Value, json};

use super::{outlets::Outlets, search::Hit, world::World};
use crate::{
    harness::{Setup, TestGateway, clock, configured_callers},
    oidc::issuer::{AUDIENCE, ISSUER, Issuer},
    tls_listener::{
        authority::{Authority, Files, ListenerFiles, Pair},
        client::{Dialer, Http2, get},
    },
};

struct Scene {
    world: World,
    issuer: Issuer,
    files: Files,
    ours: Authority,
    gateway: TestGateway,
}

impl Scene {
    async fn start() -> Self {
        let (world, issuer, files) = (World::start(3).await, Issuer::start().await, Files::new());
        let ours = Authority::new("callers' CA");
        issuer.rotate(&world.secret("kid"), "ES256");
        let audit = Some(AuditTarget::File(files.path("audit.jsonl")));
        let setup = world.traced(Setup::on_demand(&world.cloud)).with_secret(&world.client_secret);
        let setup = setup.with(|config| {
            config.telemetry.audit = audit;
            config.api.tls = Some(files.settings_with_clients(&ours, None, false));
            let configured = configured_callers(config);
            configured.oidc = Some(issuer.settings());
            let caller = |name: &str| CallerSettings::new(name.parse().unwrap());
            let oidc = BTreeMap::from([("groups".to_owned(), "ops".into())]);
            configured.callers.push(CallerSettings { oidc, ..caller("ops") });
            let tls_san = Some("dns:pod.mesh".parse().unwrap());
            configured.callers.push(CallerSettings { tls_san, ..caller("pod") });
        });
        let gateway = setup.start().await;
        world.keep("caller's key", gateway.key());
        Self { world, issuer, files, ours, gateway }
    }

    /// A token that says so, and a marker of its own.
    fn token(&self, more: Value) -> String {
        let now = clock().wall().as_second();
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "exp": now + 3600, "groups": ["ops"],
            "sub": self.world.secret("sub"), "email": self.world.secret("email"),
        });
        let Value::Object(more) = more else { panic!("not claims") };
        claims.as_object_mut().unwrap().extend(more);
        let token = self.issuer.token(&claims);
        self.world.keep("caller's JWT", &token);
        token
    }

    async fn connect(&self, pair: Option<&Pair>) -> Http2 {
        let authority = &self.files.authority;
        let dialer = match pair {
            Some(pair) => Dialer::showing(authority, pair),
            None => Dialer::trusting(authority),
        };
        dialer.http2(self.gateway.api).await
    }
}

fn with(name: &'static str, value: &str) -> Request<()> {
    let mut request = get("/sddcs");
    request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    request
}

#[tokio::test]
async fn no_credential_of_a_caller_comes_out_anywhere() {
    let scene = Scene::start().await;
    let mut outlets = Outlets::default();
    // The listener's own key, as its file has it.
    let server_key = std::fs::read_to_string(scene.files.path("tls.key")).unwrap();
    for line in server_key.lines().filter(|line| line.len() > 40 && !line.starts_with('-')) {
        scene.world.keep("TLS key", line);
    }
    let pod = scene.ours.client(&["dns:pod.mesh"]);
    let stranger =
        scene.ours.client(&[&format!("dns:{}.test", scene.world.secret("san").to_lowercase())]);
    let now = clock().wall().as_second();
    let good = scene.token(json!({}));
    let mut shown = vec![
        ("key", with("x-api-key", scene.gateway.key()), 200),
        ("wrong key", with("x-api-key", &scene.world.secret("wrong key")), 401),
        ("JWT", with("authorization", &format!("Bearer {good}")), 200),
        ("JWT as a key", with("x-api-key", &good), 401),
        ("JWT of another scheme", with("authorization", &format!("DPoP {good}")), 401),
    ];
    for (name, more) in [
        ("expired", json!({"exp": now - 60})),
        ("early", json!({"nbf": now + 60})),
        ("another's", json!({"aud": scene.world.secret("aud")})),
        ("issuer", json!({"iss": scene.world.secret("iss")})),
        ("nobody's", json!({"groups": [scene.world.secret("group")]})),
    ] {
        let token = scene.token(more);
        shown.push((name, with("authorization", &format!("Bearer {token}")), 401));
        // Cut, and with another end: signed by nobody.
        let broken = format!("Bearer {}AAAA", &token[..token.len() - 4]);
        shown.push((name, with("authorization", &broken), 401));
    }
    for pair in [None, Some(&pod), Some(&stranger)] {
        let connection = scene.connect(pair).await;
        for (name, request, _) in &shown {
            let answer = connection.send(request.clone(), None).await.unwrap();
            outlets.add(format!("{name}: headers"), format!("{:?}", answer.headers));
            outlets.add(format!("{name}: body"), answer.body);
        }
    }
    let plain = scene.connect(None).await;
    for (name, request, status) in &shown {
        let answer = plain.send(request.clone(), None).await.unwrap();
        assert_eq!(answer.status, *status, "{name}");
    }
    let audit = std::fs::read_to_string(scene.files.path("audit.jsonl")).unwrap();
    assert_eq!(audit.lines().count(), 4 * shown.len());
    outlets.add("audit", audit);
    outlets.operators(&scene.gateway).await;
    outlets.log(&scene.world, scene.gateway.log.text());
    // What the list shows of upstream's texts has its own test.
    let leaks = |outlets: &Outlets| -> Vec<_> {
        let hits = outlets.search(&scene.world).into_iter();
        // The log names a good certificate that no caller has by its SANs, so that it can be added.
        let is_named_stranger =
            |hit: &Hit| hit.secret.contains(": san") && hit.place == "access lines";
        hits.filter(|hit| !hit.secret.starts_with("marked text") && !is_named_stranger(hit))
            .collect()
    };
    let hits = leaks(&outlets);
    assert!(hits.is_empty(), "{} leaks: {hits:#?}", hits.len());
    // Each kind of them would be found.
    let (_, signature) = good.rsplit_once('.').unwrap();
    let marker = scene.world.secret("one more");
    for text in [signature, scene.gateway.key(), &marker, server_key.lines().nth(1).unwrap()] {
        let mut control = Outlets::default();
        control.add("control", format!("a line with {text} in it"));
        assert!(!leaks(&control).is_empty(), "{text}");
    }
}
