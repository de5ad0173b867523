//! Who stays: event streams and long polls when the rules change meanwhile.

use http::{Method, StatusCode};
use sddc_gateway::access::CallerKey;
use serde_json::{Value, json};

use super::{Scene, caller};
use crate::{
    harness::{Answer, Cloud, DEADLINE, Setup, cloud},
    views::Events,
    watch::watched_by,
};

/// A polled gateway that has its first snapshot, with one caller in its file.
async fn polling(fields: &str) -> (Cloud, Scene) {
    let cloud = cloud().await;
    let scene = Scene::start(Setup::polling(&cloud), fields).await;
    scene.ask("/sddcs").await;
    (cloud, scene)
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_stream_ends_when_its_caller_may_no_more() {
    let other = CallerKey::generate().unwrap();
    let (_cloud, scene) = polling("").await;
    for after in [
        "callers = []".to_owned(),
        caller(&other, ""),
        caller(&scene.key, "scopes = [\"vmc:read\"]"),
        caller(&scene.key, "not_after = 2026-01-01T00:00:00Z"),
    ] {
        let mut events = Events::open(&scene.gateway, &scene.key, "").await;
        assert_eq!(events.next().await.0, "sync");
        scene.rewrite(&after);
        events.ended().await;
        scene.rewrite(&caller(&scene.key, ""));
        let back = async |_: &_| scene.ask("/sddcs").await.status == StatusCode::OK;
        scene.gateway.until("the caller again", back).await;
    }
}

#[tokio::test]
async fn a_stream_begins_anew_when_its_caller_sees_something_else() {
    let (_cloud, scene) = polling("").await;
    let mut events = Events::open(&scene.gateway, &scene.key, "").await;
    let (_, _, whole) = events.next().await;
    assert!(names(&whole).iter().any(|name| !name.starts_with("prod-")));

    // Another key for another caller, and a rate: nothing that this one could see.
    let mut same = caller(&scene.key, "");
    same += &caller(&CallerKey::generate().unwrap(), "").replace("filed", "another");
    scene.rewrite(&same);
    scene.rewrite(&caller(&scene.key, "sddc_names = [\"prod-*\"]"));
    assert_eq!(events.next().await, ("reset".to_owned(), None, json!({})));
    let (name, id, part) = events.next().await;
    let list = scene.ask("/sddcs").await;
    assert_eq!((name.as_str(), id.as_deref()), ("sync", Some(list.header("etag"))));
    assert_eq!(part, list.json());
    assert!(!names(&part).is_empty() && names(&part).iter().all(|name| name.starts_with("prod-")));
}

async fn wait(scene: &Scene) -> impl Future<Output = Answer> {
    wait_for(scene, "/sddcs").await
}

async fn wait_for<'s>(scene: &'s Scene, path: &str) -> impl Future<Output = Answer> + use<'s> {
    let list = scene.ask(path).await;
    let path = format!("{path}?wait=120s");
    let headers = [("x-api-key", scene.key.reveal()), ("if-none-match", list.header("etag"))];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    async move {
        let headers = headers.each_ref().map(|(name, value)| (&**name, &**value));
        scene.gateway.send_bare(Method::GET, &path, &headers).await
    }
}

#[tokio::test]
async fn a_long_poll_is_refused_when_its_caller_may_no_more() {
    for (after, status) in [("", 401), ("scopes = [\"vmc:read\"]", 403)] {
        let (_cloud, scene) = polling("").await;
        let change = async {
            watched_by(&scene.gateway, 1).await;
            let nobody = || "callers = []".to_owned();
            let text = if status == 401 { nobody() } else { caller(&scene.key, after) };
            scene.rewrite(&text);
        };
        let (answer, ()) = tokio::join!(wait(&scene).await, change);
        assert_eq!(answer.status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_long_poll_of_who_sees_something_else_is_answered_with_it() {
    let (_cloud, scene) = polling("").await;
    let change = async {
        watched_by(&scene.gateway, 1).await;
        scene.rewrite(&caller(&scene.key, "sddc_names = [\"prod-*\"]"));
    };
    let (answer, ()) = tokio::join!(wait(&scene).await, change);
    assert_eq!(answer.status, StatusCode::OK);
    let list = scene.ask("/sddcs").await;
    assert_eq!(answer.header("etag"), list.header("etag"));
    assert_eq!(answer.json(), list.json());
    assert!(names(&list.json()).iter().all(|name| name.starts_with("prod-")));
}

#[tokio::test]
async fn a_long_poll_about_an_org_ends_when_its_caller_sees_the_org_no_more() {
    let (_cloud, scene) = polling("").await;
    let orgs = scene.ask("/orgs").await.json();
    let path = format!("/orgs/{}/sddcs", orgs["items"][0]["id"].as_str().unwrap());
    let change = async {
        watched_by(&scene.gateway, 1).await;
        scene.rewrite(&caller(&scene.key, "orgs = [\"00000000-0000-4000-8000-000000000000\"]"));
    };
    let (answer, ()) = tokio::join!(wait_for(&scene, &path).await, change);
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.json()["code"], "org-not-found");
}

#[tokio::test]
async fn a_long_poll_about_one_document_ends_when_its_caller_may_no_longer_see_it() {
    let (_cloud, scene) = polling("").await;
    let tasks = scene.ask("/tasks").await.json();
    let tasks = tasks["items"].as_array().unwrap();
    let task = tasks.iter().find(|task| task["sddc_id"].is_string()).unwrap();
    for (path, code) in [
        (format!("/sddcs/{}", task["sddc_id"].as_str().unwrap()), "sddc-not-found"),
        (format!("/tasks/{}", task["id"].as_str().unwrap()), "task-not-found"),
    ] {
        scene.rewrite(&caller(&scene.key, ""));
        let back = async |_: &_| scene.ask(&path).await.status == StatusCode::OK;
        scene.gateway.until("the whole view", back).await;
        let change = async {
            watched_by(&scene.gateway, 1).await;
            scene.rewrite(&caller(&scene.key, "sddc_ids = [\"none\"]"));
        };
        let (answer, ()) = tokio::join!(wait_for(&scene, &path).await, change);
        assert_eq!(answer.code(), code);
    }
}

#[tokio::test]
async fn who_stays_is_let_go_when_its_time_is_over() {
    let (_cloud, scene) = polling("not_after = 2026-11-22T10:10:00Z").await;
    let mut events = Events::open(&scene.gateway, &scene.key, "").await;
    assert_eq!(events.next().await.0, "sync");
    let time = async {
        watched_by(&scene.gateway, 2).await;
        // The rest until then is taken in steps.
        let step = async |gateway: &crate::harness::TestGateway| {
            gateway.advance(30);
            scene.ask("/sddcs").await.status == StatusCode::UNAUTHORIZED
        };
        scene.gateway.until("the end", step).await;
    };
    let (answer, ()) = tokio::join!(wait(&scene).await, time);
    assert!([401, 304].contains(&answer.status.as_u16()), "{answer:?}");
    tokio::time::timeout(DEADLINE, events.ended()).await.expect("the stream ends");
}
