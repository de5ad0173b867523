//! What callers of equal views share, and what is kept apart of others (contract section 4.3).

use http::Method;
use sddc_gateway::simulator::{Fault, Target};
use serde_json::json;

use super::{Limits, ask, both_modes, told};
use crate::harness::Cloud;

/// What must not change for a caller, whatever happens where it sees nothing.
const APART: [&str; 7] = [
    "/sddcs?limit=1&sort=-name",
    "/clusters?limit=1",
    "/sddcs?limit=1&include_deleted=true",
    "/hosts?limit=2",
    "/tasks?limit=1",
    "/orgs",
    "/sd/prometheus?target=nsx",
];

#[tokio::test]
async fn equal_views_have_equal_answers_whoever_asks_and_however_they_are_written() {
    let limits = |cloud: &Cloud| {
        let ids = cloud.simulator.sddc_ids();
        let turned = [ids[2].clone(), ids[0].clone()];
        vec![
            Limits::ids(&[ids[0].clone(), ids[2].clone()]),
            Limits::ids(&turned),
            Limits::names(&["prod-*", "stage-*"]),
        ]
    };
    for (_cloud, gateway, keys) in both_modes(limits).await {
        for path in [
            "/sddcs",
            "/sddcs?include=hosts&limit=1",
            "/clusters?sort=-host_count",
            "/hosts?fields=id&limit=3",
            "/tasks",
            "/orgs",
            "/sd/prometheus?target=vcenter",
            "/sddcs?state=REDY",
        ] {
            ask(&gateway, &keys[0], path).await;
            let answers = [
                told(&ask(&gateway, &keys[0], path).await),
                told(&ask(&gateway, &keys[1], path).await),
                told(&ask(&gateway, &keys[2], path).await),
            ];
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{path} {answers:?}");
            assert!(answers[0].1.contains_key("etag") || path.ends_with("REDY"));
        }
    }
}

#[tokio::test]
async fn what_happens_where_a_caller_sees_nothing_changes_nothing_for_it() {
    let limits = |cloud: &Cloud| {
        let (orgs, ids) = (cloud.simulator.org_ids(), cloud.simulator.sddc_ids());
        let first = Limits::orgs(&orgs[..1]);
        vec![
            first.clone(),
            Limits { ids: ids[..1].to_vec(), ..first.clone() },
            Limits { names: vec!["prod-*"], ..first },
        ]
    };
    for (cloud, gateway, keys) in both_modes(limits).await {
        let [mine, other] = [0, 1].map(|at| cloud.simulator.org_ids()[at].clone());
        let hidden = cloud.simulator.sddc_ids()[1].clone();
        let all = async || {
            let mut answers = Vec::new();
            for (key, path) in keys.iter().flat_map(|key| APART.map(|path| (key, path))) {
                answers.push((path, told(&ask(&gateway, key, path).await)));
            }
            answers
        };
        all().await;
        let before = all().await;
        for path in ["/sddcs", "/tasks", "/orgs"] {
            gateway.get(path).await;
        }
        cloud.simulator.patch_sddc(&hidden, json!({ "name": "aaa", "sddc_state": "FAILED" }));
        cloud.simulator.create_sddc(json!({ "org_id": other, "name": "prod-zzz" }));
        cloud.simulator.create_task(&other, json!({ "resource_id": hidden }));
        // What others have read meanwhile is newer, but not theirs.
        let forced = [("cache-control", "no-cache")];
        for path in [&*format!("/orgs/{other}/sddcs"), "/tasks"] {
            let answer = gateway.send(Method::GET, path, &forced).await;
            assert_eq!(answer.served(), "fwd=miss; stored", "{path}");
        }
        assert_eq!(all().await, before);

        // Nor does it matter that the other organization cannot be read.
        let failing = format!("/vmc/api/orgs/{other}/*");
        cloud.simulator.script(Fault::on(Target::Vmc, &failing).status(503));
        gateway.advance(61);
        gateway.get("/sddcs").await;
        gateway.get("/tasks").await;
        all().await;
        assert_eq!(all().await, before);
        assert_eq!(gateway.get("/sddcs").await.header("age"), "61", "for others it is old");
        gateway.advance(24 * 3600);
        assert_eq!(gateway.get("/sddcs").await.code(), "incomplete");
        all().await;
        assert_eq!(all().await, before);
        let path = format!("/orgs/{mine}/sddcs");
        assert_eq!(ask(&gateway, &keys[0], &path).await.json()["missing"], json!([]));
    }
}

#[tokio::test]
async fn an_answer_is_as_old_as_what_its_caller_sees_of_it() {
    let limits = |cloud: &Cloud| vec![Limits::orgs(&cloud.simulator.org_ids()[..1])];
    for (cloud, gateway, keys) in both_modes(limits).await {
        let one = format!("/sddcs/{}", cloud.simulator.sddc_ids()[0]);
        for path in ["/sddcs", "/tasks"] {
            gateway.get(path).await;
        }
        gateway.advance(20);
        // Of what it sees: the other organization is not read for it.
        let forced = [("x-api-key", keys[0].reveal()), ("cache-control", "no-cache")];
        for path in ["/sddcs", "/tasks"] {
            let answer = gateway.send_bare(Method::GET, path, &forced).await;
            assert_eq!((answer.served(), answer.header("age")), ("fwd=miss; stored", "0"));
        }
        gateway.advance(5);
        for (path, age) in
            [("/sddcs", "25"), ("/hosts?limit=1", "25"), ("/tasks", "25"), (&*one, "5")]
        {
            assert_eq!(gateway.get(path).await.header("age"), age, "{path}");
            let mine = ask(&gateway, &keys[0], path).await;
            assert_eq!((mine.header("age"), mine.served()), ("5", "hit; ttl=55"), "{path}");
        }
        let stats = cloud.simulator.stats();
        assert_eq!((stats.sddc_list_reads, stats.task_list_reads), (3, 3));
    }
}
