//! The guide's recipes in Rust, as they stand on the page: compiled here, and run. Most of them wait
//! or watch; `tests/browser` runs those in other languages.

use std::{error::Error, ops::ControlFlow, time::Duration};

use reqwest::{StatusCode, header::HeaderValue};
use serde_json::{Value, json};

use super::{client::poll, watched_by};
use crate::harness::{Cloud, Setup, TestGateway, cloud};

include!("../../../src/api/docs/recipes/list.rs");
include!("../../../src/api/docs/recipes/paging.rs");
include!("../../../src/api/docs/recipes/conditional.rs");
include!("../../../src/api/docs/recipes/watch.rs");
include!("../../../src/api/docs/recipes/wait.rs");
include!("../../../src/api/docs/recipes/errors.rs");

fn client() -> reqwest::Client {
    support::http::client().build().unwrap()
}

/// A gateway that polls, its address and a caller's key.
async fn asked(cloud: &Cloud) -> (TestGateway, String, String) {
    let gateway = Setup::polling(cloud).start().await;
    gateway.get("/sddcs").await;
    let (address, key) = (format!("http://{}", gateway.api), gateway.key().to_owned());
    (gateway, address, key)
}

#[tokio::test]
async fn the_recipes_that_ask_once_run() {
    let cloud = cloud().await;
    let (gateway, address, key) = asked(&cloud).await;
    let http = client();
    list(&http, &address, &key).await.unwrap();
    let hosts = all_hosts(&http, &address, &key).await.unwrap();
    assert_eq!(Value::from(hosts), gateway.get("/hosts").await.json()["items"]);
    assert!(is_unchanged(&http, &address, &key).await.unwrap());

    let wrong = http.get(format!("{address}/sddcs?state=REDY")).header("X-API-Key", &key);
    let problem = problem_of(wrong.send().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((&*problem.code, problem.retryable), ("invalid-parameter", false));
    assert!(!problem.detail.is_empty() && !problem.request_id.is_empty());
    let right = http.get(format!("{address}/sddcs")).header("X-API-Key", &key);
    assert!(problem_of(right.send().await.unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn the_recipes_that_wait_for_a_change_run() {
    let cloud = cloud().await;
    let (gateway, address, key) = asked(&cloud).await;
    let http = client();
    let mut first = None;
    let take = |kind: &str, data: &str, id: Option<&str>| {
        first = Some((kind.to_owned(), data.to_owned(), id.unwrap().to_owned()));
        ControlFlow::Break(())
    };
    events(&http, &address, &key, None, take).await.unwrap();
    let (kind, data, id) = first.unwrap();
    assert_eq!(kind, "sync");
    assert!(!serde_json::from_str::<Value>(&data).unwrap()["items"].as_array().unwrap().is_empty());

    // A tag that the list does not have is answered at once.
    let other = HeaderValue::from_static("W/\"another\"");
    let (list, tag) = next_change(&http, &address, &key, &other).await.unwrap().unwrap();
    assert!(!list["items"].as_array().unwrap().is_empty());
    let (changed, ()) = tokio::join!(next_change(&http, &address, &key, &tag), async {
        watched_by(&gateway, 1).await;
        cloud.simulator.create_sddc(json!({"name": "waited-for", "sddc_state": "READY"}));
        poll(&gateway).await;
    });
    let (list, _) = changed.unwrap().unwrap();
    let is_new = |sddc: &Value| sddc["name"] == "waited-for";
    assert!(list["items"].as_array().unwrap().iter().any(is_new));

    // From an id that no longer holds the stream begins again.
    let mut kinds = Vec::new();
    let take = |kind: &str, _: &str, _: Option<&str>| {
        kinds.push(kind.to_owned());
        if kinds.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    events(&http, &address, &key, Some(&id), take).await.unwrap();
    assert_eq!(kinds, ["reset", "sync"]);
}
