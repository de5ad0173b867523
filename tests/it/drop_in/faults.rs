//! What tools get while VMware Cloud fails: its own statuses where it has answered, and never more trouble than
//! the failing read itself.

use std::{fs, time::Duration};

use sddc_gateway::{
    simulator::{Fault, FaultKind, Target},
    telemetry::AuditTarget,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::reads::Scene;

fn vmc(kind: FaultKind) -> Fault {
    Fault::on(Target::Vmc, "*").kind(kind)
}

#[tokio::test]
async fn statuses_are_vmwares_own_but_502_and_what_is_no_answer() {
    let told = r#"{"status":409,"error_code":"C.1","error_messages":["it changes"],"path":"/x","retryable":true}"#;
    for (fault, status, code) in [
        (vmc(FaultKind::Body).status(409).body(told).content_type("application/json"), 409, "C.1"),
        (vmc(FaultKind::Status).status(404), 404, ""),
        (vmc(FaultKind::Status).status(410), 410, ""),
        (vmc(FaultKind::Status).status(403), 403, ""),
        (vmc(FaultKind::Status).status(429).retry_after(7), 429, "upstream-throttled"),
        (vmc(FaultKind::Status).status(500), 500, "upstream-error"),
        (vmc(FaultKind::Status).status(502), 503, "upstream-error"),
        (vmc(FaultKind::Html).status(502), 503, "upstream-error"),
        (vmc(FaultKind::Html).status(503), 503, "upstream-error"),
        (vmc(FaultKind::Status).status(504), 504, "upstream-error"),
        (vmc(FaultKind::Html), 503, "upstream-contract"),
        (vmc(FaultKind::Garbage), 503, "upstream-contract"),
        (vmc(FaultKind::Redirect), 503, "upstream-contract"),
        (vmc(FaultKind::Truncate), 503, "upstream-unavailable"),
        (vmc(FaultKind::Reset), 503, "upstream-unavailable"),
        (vmc(FaultKind::Status).status(401), 503, "upstream-credentials-rejected"),
    ] {
        let scene = Scene::start().await;
        scene.fault(fault.clone());
        let reply = scene.get(&scene.sddcs()).await;
        let (told, its_code, sentence) = reply.vmc();
        assert_eq!(told, status, "{fault:?}: {reply:?}");
        assert!(code.is_empty() || its_code == code, "{fault:?}: {its_code}");
        assert!(!sentence.is_empty() && !sentence.contains('<'), "{fault:?}: {sentence}");
        if status == 429 {
            assert_eq!(reply.field("retry-after"), Some("7"));
        }
    }
}

#[tokio::test]
async fn a_read_that_hangs_ends_in_time_and_one_that_is_too_large_is_refused() {
    let scene = Scene::of(|setup| {
        setup.with(|config| {
            config.vmc.timeout = Duration::from_millis(300);
            config.vmc.max_body = 64 * 1024;
        })
    })
    .await;
    scene.fault(Fault::on(Target::Vmc, "*/sddcs").kind(FaultKind::Hang).times(1));
    assert_eq!(scene.get(&scene.sddcs()).await.vmc().0, 504);
    // Another route has another circuit.
    scene.fault(Fault::on(Target::Vmc, "*/tasks").kind(FaultKind::Huge).times(1));
    let reply = scene.get(&format!("/vmc/api/orgs/{}/tasks", scene.org)).await;
    assert_eq!(reply.vmc().1, "upstream-contract");
    let held = scene.get(&scene.sddcs()).await;
    assert!(held.field("retry-after").is_some(), "{held:?}");
    assert_eq!(scene.cloud.sddc_reads(), 1, "the circuit is open");
    assert_eq!(scene.tools.gateway.get("/sddcs").await.status, 200, "but not the facade's");
}

#[tokio::test]
async fn a_token_that_vmware_revokes_costs_a_tool_nothing() {
    let scene = Scene::start().await;
    assert_eq!(scene.get(&scene.sddcs()).await.status, 200);
    scene.cloud.simulator.revoke_tokens();
    scene.tools.gateway.advance(5);
    assert_eq!(scene.get(&scene.sddcs()).await.status, 200);
    let stats = scene.cloud.simulator.stats();
    assert_eq!((stats.mints, stats.unauthorized), (2, 1));
}

#[tokio::test]
async fn a_path_that_vmware_refuses_to_every_token_costs_nobody_else_anything() {
    let scene = Scene::start().await;
    let odd = format!("/vmc/api/orgs/{}/tasks/odd", scene.org);
    scene.fault(Fault::on(Target::Vmc, "*/tasks/odd").status(401));
    assert_eq!(scene.get(&scene.sddcs()).await.status, 200);
    for at in 0..5 {
        let (status, code, _) = scene.get(&odd).await.vmc();
        assert_eq!((status, &*code), (503, "upstream-credentials-rejected"));
        scene.tools.gateway.advance(6);
        let other = format!("/vmc/api/orgs/{}/tasks/other-{at}", scene.org);
        assert_eq!(scene.get(&other).await.vmc().0, 404, "asked, with a good token");
        assert_eq!(scene.get(&scene.sddcs()).await.status, 200);
        assert_eq!(scene.tools.gateway.get("/sddcs").await.status, 200);
    }
    scene.tools.gateway.advance(60);
    let facade = scene.tools.gateway.get("/sddcs").await;
    assert_eq!((facade.status.as_u16(), facade.header("age")), (200, "0"), "read with that token");
    assert_eq!(scene.cloud.mints(), 2, "one renewal in a minute");
}

#[tokio::test]
async fn what_vmware_fails_at_for_one_object_is_asked_for_another() {
    let scene = Scene::start().await;
    let task = |id: &str| format!("/vmc/api/orgs/{}/tasks/{id}", scene.org);
    scene.fault(Fault::on(Target::Vmc, "*/tasks/bad").status(500));
    scene.fault(Fault::on(Target::Vmc, "*/tasks/none").status(501));
    scene.fault(Fault::on(Target::Vmc, "*/tasks/page").kind(FaultKind::Html));
    for (id, status) in [("bad", 500), ("none", 501), ("page", 503), ("bad", 500), ("other", 404)] {
        assert_eq!(scene.get(&task(id)).await.vmc().0, status, "{id}");
    }
}

#[tokio::test]
async fn who_is_held_back_is_told_for_how_long() {
    let scene = Scene::start().await;
    scene.fault(Fault::on(Target::Vmc, "*/sddcs").status(500));
    let first = scene.get(&scene.sddcs()).await;
    assert_eq!(first.vmc().0, 500);
    assert!(first.field("retry-after").is_some(), "{first:?}");
    let asked = scene.cloud.sddc_reads();
    let held = scene.get(&scene.sddcs()).await;
    let (status, code, sentence) = held.vmc();
    assert_eq!((status, &*code), (503, "upstream-error"));
    assert!(sentence.contains("500") && sentence.contains("not asked"), "{sentence}");
    assert!(held.field("retry-after").is_some(), "{held:?}");
    assert_eq!(scene.cloud.sddc_reads(), asked);
}

#[tokio::test]
async fn the_audit_record_has_the_status_that_is_sent() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let target = Some(AuditTarget::File(path.clone()));
    let scene =
        Scene::of(|setup| setup.with(|config| config.telemetry.audit = target.clone())).await;
    scene.fault(vmc(FaultKind::Html));
    assert_eq!(scene.get(&scene.sddcs()).await.vmc().0, 503);
    let records = fs::read_to_string(&path).unwrap();
    let last: Value = serde_json::from_str(records.lines().last().unwrap()).unwrap();
    let told = [&last["decision"], &last["http.response.status_code"], &last["org.id"]];
    assert_eq!(told, [&json!("allow"), &json!(503), &json!(scene.org)]);
}

#[tokio::test]
async fn what_vmware_says_is_told_without_what_looks_like_a_secret() {
    let scene = Scene::start().await;
    let body = json!({
        "error_code": "X.1",
        "error_messages": ["see https://bucket.example/log?X-Amz-Signature=CANARY", "No such task."],
    });
    scene.fault(Fault::on(Target::Vmc, "*/tasks/x").body(body.to_string()).status(404));
    let reply = scene.get(&format!("/vmc/api/orgs/{}/tasks/x", scene.org)).await;
    assert_eq!(reply.json()["error_messages"], json!(["[redacted]", "No such task."]));
}
