//! What tools get of their reads: VMware's documents without secrets, VMware's own statuses, and one upstream read
//! for all who ask at once.

use std::time::Duration;

use futures_util::future::join_all;
use sddc_gateway::simulator::{Fault, FaultKind, Target};
use serde_json::Value;

use super::{Reply, Tools};
use crate::harness::{Cloud, Setup, cloud, cloud_of};

/// One organization, a caller with a token.
pub struct Scene {
    pub cloud: Cloud,
    pub tools: Tools,
    pub token: String,
    pub org: String,
}

impl Scene {
    pub async fn start() -> Self {
        Self::of(|setup| setup).await
    }

    pub async fn of(change: impl FnOnce(Setup) -> Setup) -> Self {
        let cloud = cloud().await;
        let setup = change(Setup::on_demand(&cloud).with_configured_orgs(&cloud));
        let tools = Tools::of(setup).await;
        let token = tools.token().await;
        let org = cloud.simulator.org_ids().remove(0);
        Self { cloud, tools, token, org }
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.tools.get(target, &format!("csp-auth-token: {}\r\n", self.token)).await
    }

    pub fn sddcs(&self) -> String {
        format!("/vmc/api/orgs/{}/sddcs", self.org)
    }

    pub fn fault(&self, fault: Fault) {
        self.cloud.simulator.script(fault);
    }
}

/// What is left of a document once each `null` of the other is one here too: equal, then, if nothing but
/// values was taken.
fn assert_only_nulled(shown: &Value, original: &Value, at: &str) {
    match (shown, original) {
        (Value::Null, _) => {}
        (Value::Object(shown), Value::Object(original)) => {
            assert!(shown.keys().eq(original.keys()), "{at}: keys and their order");
            for (key, value) in shown {
                assert_only_nulled(value, &original[key], &format!("{at}.{key}"));
            }
        }
        (Value::Array(shown), Value::Array(original)) => {
            assert_eq!(shown.len(), original.len(), "{at}");
            for (at_item, (shown, original)) in shown.iter().zip(original).enumerate() {
                assert_only_nulled(shown, original, &format!("{at}[{at_item}]"));
            }
        }
        _ => assert_eq!(shown, original, "{at}"),
    }
}

#[tokio::test]
async fn a_tool_gets_vmwares_document_without_secrets_whichever_header_has_its_token() {
    let scene = Scene::start().await;
    let id = scene.cloud.simulator.sddc_ids().remove(0);
    let original = scene.cloud.simulator.sddc(&id).unwrap();
    let path = format!("{}/{id}", scene.sddcs());
    let bearer = format!("Authorization: Bearer {}\r\n", scene.token);
    let csp = format!("csp-auth-token: {}\r\nAccept: application/json\r\n", scene.token);
    for (target, fields, body) in [
        (path.clone(), &bearer, ""),
        (path.clone(), &csp, ""),
        (
            path.clone(),
            &format!("{csp}Content-Type: application/json\r\nContent-Length: 2\r\n"),
            "{}",
        ),
    ] {
        let reply = scene.tools.ask("GET", &target, fields, body).await;
        assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/json")));
        let shown = reply.json();
        assert_eq!(shown["id"], *id);
        assert!(shown["resource_config"]["cloud_password"].is_null());
        assert_only_nulled(&shown, &original, "");
    }
    let template = "/vmc/api/orgs/{org}/sddcs/{sddc}";
    assert_eq!(scene.cloud.simulator.stats().endpoint(template), 1, "kept for 5 s");
    assert_eq!(scene.cloud.simulator.stats().unauthorized, 0, "the gateway's own token");
}

#[tokio::test]
async fn every_read_of_the_simulators_own_is_answered() {
    let scene = Scene::start().await;
    let (org, simulator) = (&scene.org, &scene.cloud.simulator);
    let sddc = simulator.sddc_ids().remove(0);
    let task = simulator.create_task(org, serde_json::json!({})).unwrap();
    for path in [
        "/vmc/api/orgs".to_owned(),
        format!("/vmc/api/orgs/{org}"),
        format!("/vmc/api/orgs/{org}/sddcs"),
        format!("/vmc/api/orgs/{org}/sddcs?includeDeleted=true"),
        format!("/vmc/api/orgs/{org}/sddcs?%24filter=name%20ne%20%27x%27"),
        format!("/vmc/api/orgs/{org}/sddcs/{sddc}/primarycluster"),
        format!("/vmc/api/orgs/{org}/tasks"),
        format!("/vmc/api/orgs/{org}/tasks/{task}"),
    ] {
        let reply = scene.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(reply.json().is_object() || reply.json().is_array(), "{path}");
    }
    let unknown = scene.get(&format!("/vmc/api/orgs/{org}/tasks/none")).await;
    assert_eq!(unknown.vmc().0, 404);
}

#[tokio::test]
async fn identical_reads_at_once_are_one_and_the_next_ones_are_kept_for_five_seconds() {
    let scene = Scene::start().await;
    let path = scene.sddcs();
    scene.fault(Fault::on(Target::Vmc, "*/sddcs").delay(Duration::from_millis(300)).times(1));
    let replies = join_all((0..20).map(|_| scene.get(&path))).await;
    let served = |reply: &Reply| reply.field("cache-status").unwrap().to_owned();
    let stored = replies.iter().filter(|reply| served(reply).ends_with("stored")).count();
    assert_eq!((stored, scene.cloud.sddc_reads()), (1, 1));
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == replies[0].body));
    for (advance, age, status) in [(0, "0", "ttl=5"), (3, "3", "ttl=2"), (1, "4", "ttl=1")] {
        scene.tools.gateway.advance(advance);
        let reply = scene.get(&path).await;
        assert_eq!(reply.field("age"), Some(age));
        assert_eq!(served(&reply), format!("sddc-gateway; hit; {status}"));
    }
    scene.tools.gateway.advance(1);
    let reply = scene.get(&path).await;
    assert_eq!(
        (reply.field("age"), &*served(&reply)),
        (Some("0"), "sddc-gateway; fwd=miss; stored")
    );
    assert_eq!(scene.cloud.sddc_reads(), 2);
    // Another question is another read.
    scene.get(&format!("{path}?includeDeleted=false")).await;
    assert_eq!(scene.cloud.sddc_reads(), 3);
    let metric =
        scene.tools.gateway.metric("sddc_gateway_upstream_requests_total", "drop_in_sddcs");
    assert!(metric.await >= 3.0);
}

/// What is found again by its target alone is asked for in full too: with a body, which means nothing.
#[tokio::test]
async fn a_read_that_is_found_again_is_the_one_that_would_be_made() {
    let scene = Scene::start().await;
    let own = format!("csp-auth-token: {}\r\n", scene.token);
    let ask = async |method: &str, target: &str, fields: &str, body: &str| {
        let reply = scene.tools.ask(method, target, &format!("{own}{fields}"), body).await;
        let volatile = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            !matches!(&*name, "x-request-id" | "date")
        };
        let mut head: Vec<_> = reply.head.lines().filter(volatile).map(str::to_owned).collect();
        head.sort();
        (reply.status, head, reply.body)
    };
    for target in
        ["/vmc/api/orgs", &scene.sddcs(), &format!("{}?includeDeleted=true", scene.sddcs())]
    {
        for fields in
            ["", "Accept-Encoding: gzip\r\n", "If-None-Match: *\r\n", "Cache-Control: no-cache\r\n"]
        {
            let in_full = format!("{fields}Content-Length: 2\r\n");
            for age in 0..5 {
                // Until it is the same twice: codings are made in the background.
                let is_same = async || {
                    let before = ask("GET", target, fields, "").await;
                    let made = ask("GET", target, &in_full, "{}").await;
                    let again = ask("GET", target, fields, "").await;
                    assert!(again.1.contains(&format!("age: {age}")), "{target} {:?}", again.1);
                    (before == again).then(|| assert!(made == again, "{target} {:?}", again.1))
                };
                let mut tries = 0;
                while is_same().await.is_none() {
                    tries += 1;
                    assert!(tries < 20, "{target} never comes to rest");
                }
                let (status, _, body) = ask("HEAD", target, fields, "").await;
                assert_eq!((status, &*body), (200, ""));
                scene.tools.gateway.advance(1);
            }
        }
    }
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_no_read() {
    let scene = Scene::start().await;
    let path = scene.sddcs();
    scene.fault(Fault::on(Target::Vmc, "*/sddcs").delay(Duration::from_millis(300)).times(1));
    let mut first = Box::pin(scene.get(&path));
    let gateway = &scene.tools.gateway;
    tokio::select! {
        _ = &mut first => panic!("it takes longer"),
        () = gateway.until("the read", async |_| scene.cloud.sddc_reads() == 1) => {}
    }
    drop(first);
    assert_eq!(scene.get(&path).await.status, 200);
    assert_eq!(scene.cloud.sddc_reads(), 1);
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body_and_a_coding_is_had_for_the_asking() {
    let scene = Scene::start().await;
    let fields = format!("csp-auth-token: {}\r\n", scene.token);
    let whole = scene.get(&scene.sddcs()).await;
    let head = scene.tools.ask("HEAD", &scene.sddcs(), &fields, "").await;
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.field("content-length"), Some(&*whole.body.len().to_string()));
    let accepts = format!("{fields}Accept-Encoding: gzip\r\n");
    let gateway = &scene.tools.gateway;
    gateway
        .until("the coding", async |_| {
            let reply = scene.tools.ask("HEAD", &scene.sddcs(), &accepts, "").await;
            reply.field("content-encoding") == Some("gzip")
        })
        .await;
}

#[tokio::test]
async fn tools_that_wait_take_no_place_of_the_facades() {
    let scene = Scene::of(|setup| setup.with(|config| config.api.max_in_flight = 2)).await;
    assert_eq!(scene.tools.gateway.get("/sddcs").await.status, 200);
    scene.fault(Fault::on(Target::Vmc, "*/tasks*").kind(FaultKind::Hang));
    let fields = format!("csp-auth-token: {}\r\n", scene.token);
    let targets: Vec<_> =
        (0..40).map(|at| format!("/vmc/api/orgs/{}/tasks/t-{at}", scene.org)).collect();
    // One after the other, so that none is shed before it waits.
    let mut waiting = Vec::new();
    for target in &targets {
        let mut one = Box::pin(scene.tools.get(target, &fields));
        let before = waiting.len();
        tokio::select! {
            biased;
            reply = &mut one => assert_eq!(reply.vmc().1, "overloaded", "{before}"),
            () = until_judged(&scene) => waiting.push(one),
        }
    }
    assert_eq!(waiting.len(), 32, "the others were refused at once");
    let reads = scene.cloud.simulator.stats().task_reads;
    assert!(reads <= 4, "{reads} under way for one caller");
    assert_eq!(scene.tools.gateway.get("/sddcs").await.status, 200);
    assert_eq!(scene.tools.gateway.get("/orgs").await.status, 200);
}

#[tokio::test]
async fn any_number_may_wait_for_the_same_read() {
    const MANY: usize = 100;
    let scene = Scene::start().await;
    scene.fault(Fault::on(Target::Vmc, "*/sddcs").delay(Duration::from_millis(300)).times(1));
    let path = scene.sddcs();
    let replies = join_all((0..MANY).map(|_| scene.get(&path))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "none is refused");
    assert_eq!(scene.cloud.sddc_reads(), 1);
}

/// The facade has answered twice since: what was sent before has been judged.
async fn until_judged(scene: &Scene) {
    for _ in 0..3 {
        assert_eq!(scene.tools.gateway.get("/livez").await.status, 200);
    }
}

#[tokio::test]
async fn several_organizations_have_their_own_tokens_and_one_list() {
    let cloud = cloud_of(2).await;
    let mut ids = cloud.simulator.org_ids();
    ids.sort();
    for configured in [true, false] {
        let setup = Setup::on_demand(&cloud);
        let setup = if configured { setup.with_configured_orgs(&cloud) } else { setup };
        let tools = Tools::of(setup).await;
        let fields = format!("csp-auth-token: {}\r\n", tools.token().await);
        let list = tools.get("/vmc/api/orgs", &fields).await;
        let mut listed: Vec<_> = list
            .json()
            .as_array()
            .unwrap_or_else(|| panic!("{list:?}"))
            .iter()
            .map(|org| org["id"].as_str().unwrap().to_owned())
            .collect();
        listed.sort();
        assert_eq!(listed, ids, "{configured}");
        for id in &ids {
            let sddcs = tools.get(&format!("/vmc/api/orgs/{id}/sddcs"), &fields).await;
            assert!(!sddcs.json().as_array().unwrap().is_empty(), "{configured}: {sddcs:?}");
        }
    }
}
