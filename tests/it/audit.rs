//! `telemetry.audit` (issue: one record per decision, and no answer without one).

use std::{collections::HashSet, fs, path::PathBuf};

use http::Method;
use sddc_gateway::{
    access::{CallerSettings, Scope},
    telemetry::AuditTarget,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{Setup, TestGateway, cloud},
    watch::Watcher,
};

/// A gateway whose audit goes to a file.
struct Audited {
    gateway: TestGateway,
    path: PathBuf,
    _folder: TempDir,
}

impl Audited {
    async fn start(setup: Setup) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("audit.jsonl");
        let target = Some(AuditTarget::File(path.clone()));
        let gateway = setup.with(|config| config.telemetry.audit = target).start().await;
        Self { gateway, path, _folder: folder }
    }

    fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The newest record: there before the answer is.
    fn last(&self) -> Value {
        self.records().pop().expect("a record")
    }
}

#[tokio::test]
async fn a_record_says_who_asked_what_and_what_was_decided() {
    let cloud = cloud().await;
    let (setup, tools) = Setup::on_demand(&cloud).with_caller("tools", &[Scope::VmcRead]);
    let audited = Audited::start(setup).await;
    let Audited { gateway, .. } = &audited;
    let sddc = cloud.simulator.sddc_ids()[0].clone();

    let answer = gateway.send(Method::GET, &format!("/sddcs/{sddc}?fields=id"), &[]).await;
    let mut record = audited.last();
    let id = record["id"].take();
    assert_eq!(id.as_str().unwrap().len(), 36);
    let credential = record["credential"].take();
    assert_eq!(credential.as_str().unwrap().len(), 8);
    let expected = json!({
        "timestamp": "2026-11-22T10:00:00Z",
        "id": null,
        "http.request_id": answer.header("x-request-id"),
        "caller": "tester",
        "credential": null,
        "http.request.method": "GET",
        "client.address": "127.0.0.1",
        "http.route": "/sddcs/{sddc_id}",
        "sddc.id": sddc,
        "decision": "allow",
        "http.response.status_code": 200,
    });
    assert_eq!(record, expected);

    let denied = [("x-api-key", tools.reveal())];
    gateway.send_bare(Method::GET, "/orgs/o-1/sddcs", &denied).await;
    let record = audited.last();
    assert_eq!((&record["caller"], &record["decision"]), (&json!("tools"), &json!("deny")));
    assert_eq!((&record["reason"], &record["org.id"]), (&json!("missing_scope"), &json!("o-1")));
    assert_eq!(record["http.response.status_code"], 403);

    gateway.send_bare(Method::HEAD, "/sddcs", &[("x-api-key", "sgw_wrong")]).await;
    let record = audited.last();
    assert_eq!(
        (&record["caller"], &record["reason"]),
        (&json!("none"), &json!("unknown_credential"))
    );
    assert_eq!(record["credential"], Value::Null, "a guess is told by nothing");

    let misnamed = [("host", "evil.test")];
    let open = Audited::start(Setup::on_demand(&cloud).open()).await;
    open.gateway.send_bare(Method::GET, "/sddcs", &misnamed).await;
    assert_eq!(open.last()["reason"], "host");
    let ids: HashSet<_> = audited.records().iter().map(|it| it["id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "each has its own id");
}

#[tokio::test]
async fn each_decision_has_one_record_and_nothing_else_has() {
    let cloud = cloud().await;
    let audited = Audited::start(Setup::on_demand(&cloud)).await;
    let Audited { gateway, .. } = &audited;
    let paths = ["/sddcs", "/sddcs", "/sddcs/none", "/hosts?x=1", "/orgs", "/sddcs/%22%0a"];
    for path in paths {
        gateway.get(path).await;
    }
    for path in ["/docs", "/none", "/livez", "/readyz", "/problems/internal"] {
        gateway.get(path).await;
    }
    gateway.send(Method::POST, "/sddcs", &[]).await;
    let statuses: Vec<_> = audited
        .records()
        .iter()
        .map(|record| record["http.response.status_code"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 200, 404, 400, 200, 404]);
    let odd = audited.last();
    assert!(odd.get("sddc.id").is_none(), "no text of a caller's but ids: {odd}");
}

#[tokio::test]
async fn without_a_record_there_is_no_answer() {
    let cloud = cloud().await;
    // Whatever is written there, the disk is full.
    let target = Some(AuditTarget::File("/dev/full".into()));
    let refused = Setup::on_demand(&cloud).with(|config| config.telemetry.audit = target);
    assert!(refused.try_start().await.is_err(), "a device is no file to append to");

    let audited = Audited::start(Setup::on_demand(&cloud)).await;
    let Audited { gateway, path, .. } = &audited;
    assert_eq!(gateway.get("/sddcs").await.status, 200);
    // A directory in the file's place cannot be opened anew.
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    let refused = gateway.get("/sddcs").await;
    assert_eq!(refused.told(), (503, "audit-unavailable".to_owned()));
    assert!(!refused.text().contains("items") && !refused.header("retry-after").is_empty());
    assert_eq!(gateway.send_bare(Method::GET, "/sddcs", &[]).await.status, 503, "a refusal too");
    for path in ["/livez", "/docs", "/problems/audit-unavailable"] {
        assert_eq!(gateway.get(path).await.status, 200, "nothing is decided there: {path}");
    }
    let failures = gateway.ops("/metrics").await.text();
    assert!(failures.contains("sddc_gateway_audit_failures_total"), "{failures}");

    let ready = gateway.ops("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["ready"]), (503, &json!(false)));
    let expected = json!({"ok": false, "last_error": "no_regular_file"});
    assert_eq!(ready.json()["audit"], expected);

    fs::remove_dir(path).unwrap();
    // Nobody asks meanwhile: a gateway that is not ready gets no requests.
    let ready = async |gateway: &TestGateway| gateway.ops("/readyz").await.status == 200;
    gateway.until("ready again once there is room", ready).await;
    let audit = &gateway.ops("/readyz").await.json()["audit"];
    assert_eq!(audit, &json!({"ok": true, "last_error": null}));
    let well = async |gateway: &TestGateway| gateway.get("/sddcs").await.status == 200;
    gateway.until("answers again once there is room", well).await;
    assert_eq!(audited.last()["http.response.status_code"], 200);
}

#[tokio::test]
async fn who_an_event_stream_lets_go_is_recorded_counted_and_logged() {
    let cloud = cloud().await;
    let soon = |caller: &mut CallerSettings| {
        caller.not_after = Some("2026-11-22T10:01:00Z".parse().unwrap());
    };
    let audited = Audited::start(Setup::on_demand(&cloud).with_tester(soon)).await;
    let Audited { gateway, .. } = &audited;
    let mut watcher = Watcher::open(gateway, "").await;
    watcher.sync().await;
    let opened = audited.last();
    assert_eq!(
        (&opened["decision"], &opened["http.route"]),
        (&json!("allow"), &json!("/sddcs/events"))
    );
    gateway.advance(60);
    while watcher.anything().await.is_some() {}
    let recorded = async |_: &TestGateway| audited.records().len() == 2;
    gateway.until("the record", recorded).await;
    let record = audited.last();
    assert_eq!(
        (&record["decision"], &record["reason"]),
        (&json!("deny"), &json!("expired_credential"))
    );
    assert_eq!(record["http.response.status_code"], 401);
    for same in ["caller", "credential", "client.address", "http.route", "http.request_id"] {
        assert_eq!(record[same], opened[same], "{same}");
    }
    let reason = "reason=\"expired_credential\"";
    assert!((gateway.metric("sddc_gateway_access_denied_total", reason).await - 1.0).abs() < 0.5);
}
