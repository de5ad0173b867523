//! What can be asked of lists, and how they are read page by page (contract section 4.2).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{column, faults, list, two_orgs, walk};
use crate::harness::Setup;

#[tokio::test]
async fn lists_answer_what_is_asked() {
    let (cloud, gateway) = two_orgs().await;
    let [prod, dev, stage, lab, test, vdi] = [
        "prod-eu-frankfurt-01",
        "dev-us-oregon-01",
        "stage-ap-sydney-01",
        "lab-us-virginia-01",
        "test-eu-london-01",
        "vdi-ap-tokyo-01",
    ];
    let id = cloud.simulator.sddc_ids()[1].to_uppercase();
    let org = cloud.simulator.org_ids()[1].clone();
    for (question, names) in [
        ("", vec![dev, lab, prod, stage, test, vdi]),
        ("state=FAILED", vec![lab]),
        ("state=FAILED&state=DEPLOYING", vec![lab, stage]),
        ("state=READY&region=EU_CENTRAL_1&region=EU_WEST_2", vec![prod, test]),
        ("state=READY&sddc_type=1NODE&deployment_type=SINGLE_AZ", vec![dev]),
        ("region=US_GOV_WEST_1", vec![]),
        ("availability_zones=eu-central-1a", vec![prod]),
        ("host_count=0", vec![stage]),
        ("host_count=10&cluster_count=2", vec![prod]),
        ("name=vdi-ap-tokyo-01", vec![vdi]),
        ("q=EU-", vec![prod, test]),
        (&*format!("q={id}"), vec![dev]),
        (&*format!("q={}", &id[..8]), vec![]),
        (&*format!("org_id={org}&state=READY"), vec![dev, vdi]),
        ("sort=-name", vec![vdi, test, stage, prod, lab, dev]),
        ("sort=created_at", vec![prod, test, dev, vdi, stage, lab]),
        ("sort=host_count", vec![stage, dev, vdi, prod, test, lab]),
        ("sort=-host_count", vec![test, prod, vdi, dev, stage, lab]),
        ("sort=name&limit=2", vec![dev, lab]),
        ("limit=500&partial=allow&include_deleted=false", vec![dev, lab, prod, stage, test, vdi]),
    ] {
        assert_eq!(gateway.get(&format!("/sddcs?{question}")).await.names(), names, "{question}");
    }
    assert_eq!((cloud.sddc_reads(), cloud.simulator.stats().deleted_list_reads), (2, 0));
    for (path, count) in [
        ("/clusters?state=READY&host_count=6", 2),
        ("/clusters?hyper_threading=true", 0),
        ("/clusters?q=cluster-2", 2),
        ("/hosts?availability_zone=eu-central-1a", 5),
        ("/hosts?q=esx-1-1", 4),
        ("/orgs?state=CREATED", 2),
        ("/orgs?q=SANDBOX", 1),
        ("/tasks?q=account", 2),
    ] {
        assert_eq!(list(&gateway, path).await.len(), count, "{path}");
    }
}

#[tokio::test]
async fn fields_and_include_choose_what_is_shown_in_the_documents_order() {
    let (cloud, gateway) = two_orgs().await;
    let (org, sddc) = (&cloud.simulator.org_ids()[0], &cloud.simulator.sddc_ids()[0]);
    let task = cloud.simulator.tasks(org)[0]["id"].as_str().unwrap().to_owned();
    for (path, keys) in [
        ("/sddcs?fields=name,id", "id name"),
        ("/sddcs?fields=id&include=hosts", "id hosts"),
        ("/sddcs?fields=state,id&include=hosts,clusters&sort=-name", "id state clusters hosts"),
        ("/clusters?fields=capacity,id", "id capacity"),
        ("/hosts?fields=id", "id"),
        ("/orgs?fields=type,id", "id type"),
        ("/tasks?fields=error,status&limit=1", "status error"),
        (&*format!("/sddcs/{sddc}?fields=capacity,name"), "name capacity"),
        (&*format!("/sddcs/{sddc}?fields=id&include=clusters"), "id clusters"),
        (&*format!("/sddcs/{sddc}/hosts?fields=state,id"), "id state"),
        (&*format!("/orgs/{org}?fields=display_name"), "display_name"),
        (&*format!("/tasks/{task}?fields=type,id"), "id type"),
    ] {
        let answer = gateway.get(path).await.json();
        let shown = answer.get("items").map_or(&answer, |items| &items[0]);
        let shown: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(shown.join(" "), keys, "{path}");
    }
    let whole = gateway.get(&format!("/sddcs/{sddc}")).await.json();
    let with_parts = gateway.get(&format!("/sddcs/{sddc}?include=clusters,hosts")).await.json();
    let count = |document: &Value| document.as_object().unwrap().len();
    assert_eq!(count(&with_parts), count(&whole) + 2);
}

// Pages.

#[tokio::test]
async fn pages_end_to_end_are_the_list() {
    let (_cloud, gateway) = two_orgs().await;
    for (path, limit) in [
        ("/sddcs?fields=id,name&sort=-name", 1),
        ("/sddcs?q=-0&include=hosts", 4),
        ("/clusters?", 2),
        ("/hosts?sort=state", 7),
        ("/hosts?sort=-availability_zone&q=esx-1", 5),
        ("/tasks?", 3),
        ("/orgs?", 1),
    ] {
        let whole = list(&gateway, path).await;
        let pages = walk(&gateway, &format!("{path}&limit={limit}"), async || ()).await;
        assert_eq!(pages, whole, "{path}");
    }
}

#[tokio::test]
async fn what_stays_between_pages_is_shown_once_whatever_comes_and_goes() {
    let (cloud, gateway) = two_orgs().await;
    let staying = column(&list(&gateway, "/sddcs").await, "id");
    let mut round = 0;
    let come_and_go = async || {
        // One before and one behind every page's end, and the last ones are gone again.
        for name in ["aaa", "zzz"] {
            let id = format!("guest-{name}-{round}");
            cloud.simulator.create_sddc(json!({ "id": id, "name": format!("{name}-{round}") }));
            if round > 0 {
                cloud.simulator.delete_sddc(&format!("guest-{name}-{}", round - 1));
            }
        }
        round += 1;
        gateway.advance(61);
    };
    let seen = column(&walk(&gateway, "/sddcs?limit=2&fields=id", come_and_go).await, "id");
    let stayed: Vec<_> = seen.iter().filter(|id| !id.starts_with("guest")).collect();
    assert_eq!(stayed, staying.iter().collect::<Vec<_>>());
    assert!(seen.iter().all(|id| !id.starts_with("guest-aaa")), "before where the reader was");
    assert!(seen.iter().any(|id| id.starts_with("guest-zzz")), "behind it");
    let once: BTreeSet<_> = seen.iter().collect();
    assert_eq!(once.len(), seen.len());
}

#[tokio::test]
async fn a_cursor_is_good_on_any_replica_and_for_its_own_question_only() {
    let (cloud, gateway) = two_orgs().await;
    let other = Setup::on_demand(&cloud).start().await;
    let first = gateway.get("/sddcs?limit=2&state=READY").await;
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let same = format!("/sddcs?state=READY&limit=2&cursor={cursor}");
    gateway.advance(3600 * 24 * 365);
    assert_eq!(gateway.get(&same).await.json(), other.get(&same).await.json());
    // How long a page is and what is shown of it may change on the way.
    let more = format!("/sddcs?state=READY&limit=3&fields=id&cursor={cursor}");
    assert_eq!(list(&gateway, &more).await.len(), 2);
    let broken = format!("{}A", &cursor[..cursor.len() - 1]);
    for path in [
        format!("/sddcs?limit=2&cursor={cursor}"),
        format!("/sddcs?limit=2&state=READY&sort=-name&cursor={cursor}"),
        format!("/hosts?limit=2&state=READY&cursor={cursor}"),
        format!("/orgs/{}/sddcs?limit=2&state=READY&cursor={cursor}", cloud.simulator.org_ids()[0]),
        format!("/sddcs?limit=2&state=READY&cursor={broken}x"),
        "/sddcs?limit=2&state=READY&cursor=".to_owned(),
        "/sddcs?limit=2&state=READY&cursor=%C3%BC".to_owned(),
    ] {
        let answer = gateway.get(&path).await;
        assert_eq!(answer.told(), (400, "invalid-parameter".to_owned()), "{path}");
        assert!(faults(&answer)[0].starts_with("cursor: "), "{path}");
    }
}

#[tokio::test]
async fn bounds_are_inclusive_and_null_fits_none_of_them_and_every_exclusion() {
    let (cloud, gateway) = two_orgs().await;
    let (all, ids) = (list(&gateway, "/sddcs").await, cloud.simulator.sddc_ids());
    cloud.simulator.patch_sddc(&ids[0], json!({ "sddc_access_state": null, "created": null }));
    gateway.advance(61);
    let all_now = list(&gateway, "/sddcs").await;
    assert_eq!(all.len(), all_now.len());
    let matching = |field: &str, fits: &dyn Fn(&Value) -> bool| {
        let fitting = all_now.iter().filter(|sddc| fits(&sddc[field]));
        fitting.map(|sddc| sddc["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let times: Vec<_> = all_now.iter().filter_map(|sddc| sddc["created_at"].as_str()).collect();
    assert!(times.len() < all_now.len(), "one is null");
    let middle = times[times.len() / 2];
    for (question, expected) in [
        ("host_count__gte=6", matching("host_count", &|it| it.as_u64().is_some_and(|it| it >= 6))),
        ("host_count__lte=1", matching("host_count", &|it| it.as_u64().is_some_and(|it| it <= 1))),
        (
            "host_count__gte=1&host_count__lte=6",
            matching("host_count", &|it| it.as_u64().is_some_and(|it| (1..=6).contains(&it))),
        ),
        ("state__not=READY", matching("state", &|it| it != "READY")),
        (
            "state__not=READY&state__not=FAILED",
            matching("state", &|it| it != "READY" && it != "FAILED"),
        ),
        ("access_state__not=ENABLED", matching("access_state", &|it| it != "ENABLED")),
        (
            &*format!("created_at__gte={middle}"),
            matching("created_at", &|it| it.as_str().is_some_and(|it| it >= middle)),
        ),
        (
            &*format!("created_at__lte={middle}"),
            matching("created_at", &|it| it.as_str().is_some_and(|it| it <= middle)),
        ),
    ] {
        assert!(!expected.is_empty() && expected.len() < all.len(), "{question}: {expected:?}");
        assert_eq!(
            gateway.get(&format!("/sddcs?{question}")).await.names(),
            expected,
            "{question}"
        );
    }
    let paged = walk(&gateway, "/sddcs?state__not=FAILED&host_count__gte=0&limit=1", async || {});
    assert_eq!(paged.await.len(), matching("host_count", &|it| it.is_u64()).len());
    assert!(!list(&gateway, "/clusters?hyper_threading__not=true").await.is_empty());
    assert!(
        !list(&gateway, "/tasks?progress_percent__lte=100&status__not=FAILED").await.is_empty()
    );
}
