//! What every answer from the snapshot says of its freshness, in each form of the answer.

use http::{Method, StatusCode};
use sddc_gateway::simulator::{Fault, Target};

use super::{MODES, paths, reads};
use crate::harness::{Answer, Setup, TestGateway, cloud};

const FRESHNESS: [&str; 5] = ["age", "cache-control", "cache-status", "etag", "vary"];

fn freshness(answer: &Answer) -> [&str; 5] {
    FRESHNESS.map(|name| answer.header(name))
}

/// Asks in every form for what is kept: each says the same.
async fn every_form_says(gateway: &TestGateway, path: &str, age: &str, cache_status: &str) {
    let whole = gateway.get(path).await;
    let tag = whole.header("etag").to_owned();
    assert!(tag.starts_with("W/\"") && tag.len() == 26, "{path}: {tag}");
    let vary = "Accept-Encoding, Authorization, X-API-Key";
    // What is old already must not be repeated by a client's cache as if it were fresh.
    let is_fresh = age.parse::<u64>().unwrap() < 60;
    let cache_control = if is_fresh { "private, max-age=60" } else { "private, no-cache" };
    let said = [age, cache_control, cache_status, &tag, vary];
    assert_eq!((whole.status, freshness(&whole)), (StatusCode::OK, said), "{path}");
    assert!(!whole.body.is_empty());

    let head = gateway.send(Method::HEAD, path, &[]).await;
    assert_eq!((head.status, freshness(&head)), (StatusCode::OK, said), "HEAD {path}");
    assert_eq!(
        (head.body.len(), head.header("content-length")),
        (0, &*whole.body.len().to_string())
    );

    let strong = tag.strip_prefix("W/").unwrap();
    let list = format!("\"other\", {strong} , W/\"more\"");
    // Proxies that compress put a suffix inside of the quotes, or behind them.
    let bare = strong.trim_matches('"');
    let zipped = [format!("W/\"{bare}-gzip\""), format!("\"other-gzip\", {strong}-br")];
    for known in [&tag, strong, &list, "*", " * ", &zipped[0], &zipped[1]] {
        for method in [Method::GET, Method::HEAD] {
            let same = gateway.send(method, path, &[("if-none-match", known)]).await;
            let status = StatusCode::NOT_MODIFIED;
            assert_eq!((same.status, freshness(&same)), (status, said), "{path} {known}");
            assert!(same.body.is_empty() && same.headers.get("content-type").is_none());
        }
    }
    let two_fields = [("if-none-match", "\"other\""), ("if-none-match", &*tag)];
    let same = gateway.send(Method::GET, path, &two_fields).await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED, "{path}");
    for other in ["\"other\"", "W/\"other\", \"more\"", "\"*\"", strong.trim_matches('"')] {
        let whole_again = gateway.send(Method::GET, path, &[("if-none-match", other)]).await;
        assert_eq!(
            (whole_again.status, &whole_again.body),
            (StatusCode::OK, &whole.body),
            "{other}"
        );
    }
}

#[tokio::test]
async fn answers_304s_and_heads_say_the_same_of_their_freshness_on_every_path() {
    for mode in MODES {
        let cloud = cloud().await;
        let gateway = mode.on_demand(&cloud).await;
        for path in paths(&cloud) {
            gateway.get(&path).await;
        }
        gateway.advance(12);
        let before = reads(&cloud);
        for path in paths(&cloud) {
            every_form_says(&gateway, &path, "12", "sddc-gateway; hit; ttl=48").await;
        }
        assert_eq!(reads(&cloud), before, "{mode:?}");
    }
}

#[tokio::test]
async fn the_same_holds_while_upstream_cannot_be_reached() {
    for mode in MODES {
        let cloud = cloud().await;
        let gateway = mode.on_demand(&cloud).await;
        for path in paths(&cloud) {
            gateway.get(&path).await;
        }
        cloud.simulator.script(Fault::on(Target::Vmc, "*").status(503).retry_after(600));
        gateway.advance(100);
        for path in paths(&cloud) {
            // Who finds out says so; those who come after are held back.
            gateway.get(&path).await;
            let stale = "sddc-gateway; hit; ttl=-40; detail=stale-upstream-unavailable";
            every_form_says(&gateway, &path, "100", stale).await;
        }
    }
}

#[tokio::test]
async fn a_304_to_a_request_that_read_anew_says_so() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let tag = gateway.get("/sddcs").await.header("etag").to_owned();
    gateway.advance(61);
    let known = [("if-none-match", &*tag)];
    let same = gateway.send(Method::GET, "/sddcs", &known).await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
    assert_eq!((same.served(), same.header("age")), ("fwd=miss; stored", "0"));
    let page = gateway.ops("/metrics").await.text();
    assert!(page.contains("sddc_gateway_cache_total{result=\"revalidated\"} 1"), "{page}");
}

#[tokio::test]
async fn problems_say_nothing_of_an_age_and_are_not_to_be_stored() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    for path in ["/sddcs/unknown", "/tasks/unknown", "/orgs/unknown", "/sddcs?state=REDY"] {
        let any = [("if-none-match", "*")];
        let problem = gateway.send(Method::GET, path, &any).await;
        assert!(problem.status.is_client_error(), "{path}: {problem:?}");
        assert_eq!(freshness(&problem), ["", "no-store", "", "", ""], "{path}");
    }
}
