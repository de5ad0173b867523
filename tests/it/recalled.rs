//! What is answered from an earlier answer is what would be answered without it: the same status,
//! bytes and header fields, whatever is asked, by whom, and whatever has changed meanwhile.
//!
//! `Cache-Control` makes the difference: a request with it is always worked on in full, and a directive
//! that is unknown means nothing.

use std::time::Duration;

use http::Method;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sddc_gateway::{
    access::{CallerSettings, View},
    simulator::Options,
};
use serde_json::json;

use crate::harness::{Answer, Cloud, Setup, TestGateway, clock};

/// A step of a caller's day.
#[derive(Debug, Clone)]
enum Step {
    Ask { target: String, fields: Vec<(&'static str, &'static str)>, known: bool },
    Pass { seconds: u64 },
    Change { name: String },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = prop_oneof![
        4 => Just("/sddcs"),
        1 => Just("/hosts"),
        1 => Just("/clusters"),
        1 => Just("/tasks"),
        1 => Just("/orgs"),
        2 => Just("/sddcs/{id}"),
        1 => Just("/sddcs/{id}/hosts"),
        1 => Just("/orgs/{org}/sddcs"),
        1 => Just("/sddcs/none"),
        1 => Just("/sddcs/"),
        1 => Just("/sd/prometheus?target=vcenter"),
    ];
    let query = prop_oneof![
        5 => Just(""),
        1 => Just("state=READY"),
        1 => Just("fields=id,name"),
        1 => Just("limit=1"),
        1 => Just("limit=1&sort=-name"),
        1 => Just("include=clusters"),
        1 => Just("include_deleted=true"),
        1 => Just("q=A"),
        1 => Just("wait=0s"),
        1 => Just("state=REDY"),
        1 => Just("limit=0"),
        1 => Just("partial=allow"),
    ];
    let field = prop_oneof![
        Just(("accept-encoding", "gzip")),
        Just(("accept-encoding", "br;q=0.5, zstd")),
        Just(("if-none-match", "*")),
        Just(("if-none-match", "\"other\"")),
        Just(("cache-control", "only-if-cached")),
        Just(("cache-control", "max-age=30")),
        Just(("x-request-id", "job-7")),
        Just(("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
        Just(("accept", "text/html")),
    ];
    let ask = (path, query, prop::collection::vec(field, 0..3), any::<bool>()).prop_map(
        |(path, query, fields, known)| {
            let mark = if path.contains('?') { "&" } else { "?" };
            let target =
                if query.is_empty() { path.into() } else { format!("{path}{mark}{query}") };
            Step::Ask { target, fields, known }
        },
    );
    let step = prop_oneof![
        8 => ask,
        1 => (1..40_u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => "[a-z]{1,8}".prop_map(|name| Step::Change { name }),
    ];
    prop::collection::vec(step, 1..25)
}

/// All of it but the request's id and the date.
fn without_id(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers =
        answer.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    let id = answer.header("x-request-id").to_owned();
    let body = answer.text().replace(&id, "").into_bytes();
    (answer.status.as_u16(), headers, body)
}

/// Asks until the answer is the same twice running, as codings are made in the background; in between it
/// is asked for so that it cannot be recalled.
async fn compare(gateway: &TestGateway, target: &str, fields: &[(&str, &str)]) {
    let in_full = [fields, &[("cache-control", "unknown")]].concat();
    for _ in 0..20 {
        let before = without_id(&gateway.send(Method::GET, target, fields).await);
        let worked = without_id(&gateway.send(Method::GET, target, &in_full).await);
        let after = without_id(&gateway.send(Method::GET, target, fields).await);
        if before == after {
            assert_eq!(before, worked, "{target} {fields:?}");
            return;
        }
    }
    panic!("{target} {fields:?} never comes to rest");
}

async fn play(steps: Vec<Step>, views: bool) {
    let options = Options { orgs: 2, sddcs: 6, ..Options::default() };
    let cloud = Cloud::start(&clock(), options).await;
    let ids = cloud.simulator.sddc_ids();
    let limit = |caller: &mut CallerSettings| {
        let orgs = [cloud.simulator.org_ids()[0].parse().unwrap()].into();
        caller.view = View { orgs: Some(std::sync::Arc::new(orgs)), ..View::default() };
    };
    let setup = Setup::on_demand(&cloud);
    let setup = if views { setup.with_tester(limit) } else { setup };
    let gateway = setup.start().await;
    let org = &cloud.simulator.org_ids()[0];
    for step in steps {
        match step {
            Step::Ask { target, fields, known } => {
                let target = target.replace("{id}", &ids[0]).replace("{org}", org);
                let etag = gateway.get(&target).await.header("etag").to_owned();
                let mut fields: Vec<(&str, &str)> = fields;
                if known && !etag.is_empty() {
                    fields.retain(|(name, _)| *name != "if-none-match");
                    fields.push(("if-none-match", &etag));
                }
                compare(&gateway, &target, &fields).await;
            }
            Step::Pass { seconds } => gateway.advance(seconds),
            Step::Change { name } => {
                cloud.simulator.patch_sddc(&ids[0], json!({"name": name}));
            }
        }
    }
}

#[test]
fn an_answer_that_is_recalled_is_the_one_that_would_be_made() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let played = runner.run(&(steps(), any::<bool>()), |(steps, views)| {
        runtime
            .block_on(async {
                tokio::time::timeout(Duration::from_secs(60), play(steps, views)).await
            })
            .map_err(|_| TestCaseError::fail("it took too long"))
    });
    played.unwrap();
}
