//! Callers' certificates in the handshake: whose, until when, revoked or not, and none at all.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::response::IntoResponse;
use futures_util::FutureExt;
use http::StatusCode;
use rustls::AlertDescription;
use sddc_gateway::{
    clock::Clock,
    listener::{
        ConnectionBounds, Handler, Listener, ListenerContext, Peer, body::AnswerBody, io::Limits,
        tls::Tls,
    },
    telemetry::{Audit, AuditTarget, Metrics},
};
use tokio::net::TcpListener;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    authority::{Authority, Files, ListenerFiles, Pair},
    client::{Dialer, Http2, gateway_with},
};
use crate::harness::{Captured, DEADLINE, TestGateway, clock, cloud};

const NAME: &str = "uri:spiffe://example.org/billing";

/// Whether a request with a certificate, or with none, is answered.
async fn admitted(gateway: &TestGateway, files: &Files, pair: Option<&Pair>) -> bool {
    let dialer = match pair {
        Some(pair) => Dialer::showing(&files.authority, pair),
        None => Dialer::trusting(&files.authority),
    };
    let answer = dialer.ask(gateway.api, "/sddcs").await;
    answer.is_ok_and(|text| text.starts_with("HTTP/1.1 200"))
}

#[tokio::test]
async fn a_certificate_may_be_shown_or_must_be_and_a_bad_one_never_helps() {
    let (cloud, files) = (cloud().await, Files::new());
    let (ours, theirs) = (Authority::new("callers' CA"), Authority::new("another CA"));
    let good = ours.client(&[NAME, "dns:billing.example.org"]);
    let nameless = ours.client(&[]);
    let other = theirs.client(&[NAME]);
    let expired = ours.client_until(&[NAME], 2026);
    let revoked = ours.client(&[NAME]);
    let server = ours.server();
    let crl = ours.crl(&[&revoked]);
    for required in [false, true] {
        let tls = files.settings_with_clients(&ours, Some(&crl), required);
        let gateway = gateway_with(&cloud, &files, |config| config.api.tls = Some(tls)).await;
        for (pair, expected, what) in [
            (None, !required, "no certificate"),
            (Some(&good), true, "a good one"),
            (Some(&nameless), true, "one without alternative names"),
            (Some(&other), false, "one of another CA"),
            (Some(&expired), false, "an expired one"),
            (Some(&revoked), false, "a revoked one"),
            (Some(&server), false, "a server's"),
        ] {
            let admitted = admitted(&gateway, &files, pair).await;
            assert_eq!(admitted, expected, "{what}, required: {required}");
        }
        let refused = gateway.metric("sddc_gateway_connection_errors_total", "\"tls\"").await;
        assert!(refused >= if required { 5.0 } else { 4.0 }, "{refused}");
    }
    let events = Captured::events();
    assert!(events.contains("the client certificate is revoked"));
    assert!(!events.contains("spiffe://example.org/billing\""), "nothing of it is in the log");
}

#[tokio::test]
async fn whose_certificate_is_refused_reads_why_though_its_request_is_on_the_way() {
    let (cloud, files) = (cloud().await, Files::new());
    let ours = Authority::new("callers' CA");
    let revoked = ours.client(&[NAME]);
    let stranger = Authority::new("another CA").client(&[NAME]);
    let crl = ours.crl(&[&revoked]);
    let tls = files.settings_with_clients(&ours, Some(&crl), true);
    let gateway = gateway_with(&cloud, &files, |config| config.api.tls = Some(tls)).await;
    for (pair, alert) in [
        (Some(&revoked), AlertDescription::CertificateRevoked),
        (Some(&stranger), AlertDescription::UnknownCA),
        (None, AlertDescription::CertificateRequired),
    ] {
        let dialer = match pair {
            Some(pair) => Dialer::showing(&files.authority, pair),
            None => Dialer::trusting(&files.authority),
        };
        // A reset that overtakes the alert does so now and then only.
        for _ in 0..8 {
            let error = dialer.ask(gateway.api, "/sddcs").await.unwrap_err();
            let told = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            assert_eq!(told, Some(&rustls::Error::AlertReceived(alert)), "{error}");
        }
    }
}

#[tokio::test]
async fn without_a_list_of_its_ca_a_certificate_is_not_trusted_once_there_are_lists() {
    let (cloud, files) = (cloud().await, Files::new());
    let (ours, theirs) = (Authority::new("callers' CA"), Authority::new("another CA"));
    let pair = ours.client(&[NAME]);
    for (crl, expected) in [(None, true), (Some(theirs.crl(&[])), false)] {
        let tls = files.settings_with_clients(&ours, crl.as_deref(), false);
        let gateway = gateway_with(&cloud, &files, |config| config.api.tls = Some(tls)).await;
        assert_eq!(admitted(&gateway, &files, Some(&pair)).await, expected);
    }
}

#[tokio::test]
async fn a_session_is_not_resumed_where_certificates_are_asked_for() {
    let (cloud, files) = (cloud().await, Files::new());
    let ours = Authority::new("callers' CA");
    let pair = ours.client(&[NAME]);
    let resumes = async |tls, dialer: &Dialer| {
        let gateway = gateway_with(&cloud, &files, |config| config.api.tls = Some(tls)).await;
        // The first brings a ticket, if there is any.
        dialer.ask(gateway.api, "/livez").await.unwrap();
        let stream = dialer.dial(gateway.api).await.unwrap();
        stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    };
    assert!(resumes(files.settings(), &Dialer::trusting(&files.authority)).await);
    let tls = files.settings_with_clients(&ours, None, false);
    assert!(!resumes(tls.clone(), &Dialer::showing(&files.authority, &pair)).await);
    assert!(!resumes(tls, &Dialer::trusting(&files.authority)).await);
}

/// A listener that answers with who is there: 403 for a certificate that is not admitted any more.
async fn name_teller(tls: Tls, clock: Clock) -> (SocketAddr, DropGuard) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let close = CancellationToken::new();
    let limit = DEADLINE;
    let asked = tls.clone();
    let answer = move |peer: Peer| {
        let Some(certificate) = peer.certificate else {
            return "nobody".into_response();
        };
        if !asked.authorities().unwrap().admits(&certificate, clock.wall()) {
            return StatusCode::FORBIDDEN.into_response();
        }
        let names: Vec<_> = certificate.names().iter().map(ToString::to_string).collect();
        names.join(" ").into_response()
    };
    let handler: Handler = Arc::new(move |_, peer, connection| {
        let response = answer(peer);
        async move { response.map(|body| AnswerBody::new(body, connection.begin())) }
            .boxed()
            .right_future()
    });
    let context = ListenerContext {
        handler,
        limits: Limits { header: limit, idle: limit, write: limit },
        tls: Some(tls),
        ending: close.clone(),
        close: close.clone(),
        connections: TaskTracker::new(),
        metrics: Metrics::new(),
    };
    let bounds = ConnectionBounds { listener: "test", total: 10, per_client: None };
    let listener = Listener { socket, bounds, cut: close.clone(), context: Arc::new(context) };
    TaskTracker::new().spawn(listener.serve());
    (address, close.drop_guard())
}

#[tokio::test]
async fn a_connection_knows_its_callers_names_until_they_are_revoked_or_expire() {
    let (clock, files) = (clock(), Files::new());
    let ours = Authority::new("callers' CA");
    let pair = ours.client(&[NAME, "dns:Billing.Example.org"]);
    let short = ours.client_until(&[], 2027);
    let settings = files.settings_with_clients(&ours, Some(&ours.crl(&[])), false);
    let tls = Tls::new(&settings, &clock, Audit::off()).unwrap();
    let (address, _close) = name_teller(tls.clone(), clock.clone()).await;
    let text = async |connection: &Http2| {
        let answer = connection.get("/").await.unwrap();
        (answer.status.as_u16(), String::from_utf8(answer.body).unwrap())
    };
    let anonymous = Dialer::trusting(&files.authority).http2(address).await;
    let named = Dialer::showing(&files.authority, &pair).http2(address).await;
    let ending = Dialer::showing(&files.authority, &short).http2(address).await;
    let expected = "uri:spiffe://example.org/billing dns:billing.example.org";
    assert_eq!(text(&anonymous).await, (200, "nobody".to_owned()));
    assert_eq!(text(&named).await, (200, expected.to_owned()));
    assert_eq!(text(&ending).await, (200, String::new()));

    clock.advance(Duration::from_secs(60 * 24 * 3600));
    assert_eq!(text(&ending).await.0, 403, "2027 has begun");
    assert_eq!(text(&named).await.0, 200);

    let authorities = tls.authorities().unwrap();
    authorities.take_crls(ours.crl(&[&pair]).as_bytes()).unwrap();
    assert_eq!(text(&named).await.0, 403, "on the connection that is open");
    assert_eq!(text(&anonymous).await.0, 200);
}

#[tokio::test]
async fn a_refused_certificate_is_counted_logged_and_recorded_by_its_reason() {
    let (cloud, files) = (cloud().await, Files::new());
    let (ours, theirs) = (Authority::new("callers' CA"), Authority::new("another CA"));
    let revoked = ours.client(&[NAME]);
    let refused = [
        (ours.client_until(&[NAME], 2026), "certificate_expired"),
        (theirs.client(&[NAME]), "certificate_unknown_issuer"),
        (ours.server(), "certificate_purpose"),
        (revoked, "certificate_revoked"),
    ];
    let crl = ours.crl(&[&refused[3].0]);
    let tls = files.settings_with_clients(&ours, Some(&crl), false);
    let audit = files.path("audit.log");
    let gateway = gateway_with(&cloud, &files, |config| {
        config.api.tls = Some(tls);
        config.telemetry.audit = Some(AuditTarget::File(audit.clone()));
    })
    .await;
    for (pair, reason) in &refused {
        for _ in 0..2 {
            assert!(!admitted(&gateway, &files, Some(pair)).await, "{reason}");
        }
        let label = format!("reason=\"{reason}\"");
        let count = async |gateway: &TestGateway| {
            gateway.metric("sddc_gateway_access_denied_total", &label).await > 1.5
        };
        gateway.until(reason, count).await;
        let recorded = async |_: &TestGateway| {
            let records = std::fs::read_to_string(&audit).unwrap();
            let of = |line: &&str| line.contains("client_certificate") && line.contains(reason);
            records.lines().filter(of).count() == 2
        };
        gateway.until("both records", recorded).await;
        let events = Captured::events();
        let lines = events
            .lines()
            .filter(|line| line.contains("client certificate refused") && line.contains(reason));
        assert!(lines.count() >= 1, "{reason}");
    }
}
