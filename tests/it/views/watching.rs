//! What watchers with limits are told (contract section 4.4).

use std::pin::pin;

use futures_util::FutureExt;
use http::{Method, StatusCode};
use sddc_gateway::access::CallerKey;
use serde_json::{Value, json};
use support::events::EventReader;

use super::{Limits, ask, with_viewers};
use crate::harness::{Cloud, DEADLINE, Setup, TestGateway, cloud_of};

/// An event stream as a caller reads it.
pub struct Events {
    response: reqwest::Response,
    events: EventReader,
}

impl Events {
    pub async fn open(gateway: &TestGateway, key: &CallerKey, query: &str) -> Self {
        Self::open_by(gateway, ("x-api-key", key.reveal()), query).await
    }

    /// By the credential in this header field.
    pub async fn open_by(gateway: &TestGateway, (name, value): (&str, &str), query: &str) -> Self {
        let http = support::http::client().build().unwrap();
        let request = http.get(format!("http://{}/sddcs/events{query}", gateway.api));
        let response = request.header(name, value).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, events: EventReader::default() }
    }

    /// The next event: its name, its id, its data. Comments are passed over, and how fresh the
    /// snapshot is: the tests move the clock faster than each org is read.
    pub async fn next(&mut self) -> (String, Option<String>, Value) {
        let next = async {
            loop {
                match self.events.next_event().transpose().unwrap() {
                    Some(event) if ["comment", "status"].contains(&&*event.name) => {}
                    Some(event) => return (event.name.clone(), event.id.clone(), event.json()),
                    None => {
                        let chunk = self.response.chunk().await.unwrap();
                        self.events.push(&chunk.expect("the stream goes on"));
                    }
                }
            }
        };
        tokio::time::timeout(DEADLINE, next).await.expect("an event in time")
    }

    /// Whether it goes on: a heartbeat, or whatever is next, has not been the end.
    pub fn goes_on(mut self) -> bool {
        let end = async { while self.response.chunk().await.unwrap().is_some() {} };
        end.now_or_never().is_none()
    }

    /// Waits for the stream's end, which must be an orderly one.
    pub async fn ended(mut self) {
        let end = async { while self.response.chunk().await.unwrap().is_some() {} };
        tokio::time::timeout(DEADLINE, end).await.expect("the end in time");
    }
}

/// A polled gateway with one caller of these limits.
async fn watched(limits: &Limits) -> (Cloud, TestGateway, CallerKey) {
    let cloud = cloud_of(2).await;
    let (setup, mut keys) = with_viewers(Setup::polling(&cloud), std::slice::from_ref(limits));
    (cloud, setup.start().await, keys.remove(0))
}

/// Lets the poller read, until the whole snapshot shows an SDDC of this name.
async fn until_shown(gateway: &TestGateway, name: &str) {
    gateway.advance(30);
    let path = format!("/sddcs?name={name}");
    gateway.until(name, async |gateway| gateway.get(&path).await.names() == [name]).await;
}

#[tokio::test]
async fn a_long_poll_wakes_for_what_its_caller_sees_and_not_for_the_rest() {
    let (cloud, gateway, key) = watched(&Limits::names(&["prod-*"])).await;
    let [seen, hidden] = [0, 1].map(|at| cloud.simulator.sddc_ids()[at].clone());
    let list = ask(&gateway, &key, "/sddcs").await;
    let headers = [("x-api-key", key.reveal()), ("if-none-match", list.header("etag"))];
    let mut poll = pin!(gateway.send_bare(Method::GET, "/sddcs?wait=120s", &headers));
    let hidden_changes = async {
        let waits = async |gateway: &TestGateway| {
            gateway.ops("/metrics").await.text().contains("sddc_gateway_watchers 1\n")
        };
        gateway.until("the poll waits", waits).await;
        cloud.simulator.patch_sddc(&hidden, json!({ "name": "hidden-now" }));
        until_shown(&gateway, "hidden-now").await;
    };
    tokio::select! {
        biased;
        answer = &mut poll => panic!("woken by what is hidden: {answer:?}"),
        () = hidden_changes => {}
    }
    cloud.simulator.patch_sddc(&seen, json!({ "name": "prod-renamed" }));
    let (answer, ()) = tokio::join!(poll, until_shown(&gateway, "prod-renamed"));
    assert_eq!(answer.names(), ["prod-renamed"]);
    assert_ne!(answer.header("etag"), list.header("etag"));
}

#[tokio::test]
async fn an_sddc_renamed_out_of_the_view_is_removed_and_one_renamed_into_it_is_added() {
    let (cloud, gateway, key) = watched(&Limits::names(&["prod-*"])).await;
    let [prod, dev] = [0, 1].map(|at| cloud.simulator.sddc_ids()[at].clone());
    let mut events = Events::open(&gateway, &key, "").await;
    let (event, _, data) = events.next().await;
    assert_eq!((&*event, &data["items"][0]["id"]), ("sync", &json!(prod)));
    for (id, name, told) in [
        // No event: neither it was seen nor it is.
        (&dev, "staging", None),
        (&prod, "retired", Some(("removed", "prod-eu-frankfurt-01", json!([])))),
        (&dev, "prod-new", Some(("added", "prod-new", json!([])))),
        (&prod, "retired-again", None),
        (&dev, "prod-newer", Some(("changed", "prod-newer", json!(["name", "updated_at"])))),
    ] {
        cloud.simulator.patch_sddc(id, json!({ "name": name }));
        until_shown(&gateway, name).await;
        let Some((event, name, changed)) = told else { continue };
        let (told, tag, data) = events.next().await;
        assert_eq!((&*told, &data["sddc"]["id"]), (event, &json!(id)));
        // What became of one that was removed is not the caller's to know.
        assert_eq!((&data["sddc"]["name"], &data["changed"]), (&json!(name), &changed));
        assert_eq!(tag.unwrap(), ask(&gateway, &key, "/sddcs").await.header("etag"));
    }
}

#[tokio::test]
async fn a_wait_of_no_time_takes_no_watchers_place() {
    let cloud = cloud_of(1).await;
    let (setup, keys) = with_viewers(Setup::polling(&cloud), &[Limits::names(&["*"])]);
    let gateway = setup.with(|config| config.api.max_watchers = 1).start().await;
    let list = ask(&gateway, &keys[0], "/sddcs").await;
    let _only = Events::open(&gateway, &keys[0], "").await;
    let headers = [("x-api-key", keys[0].reveal()), ("if-none-match", list.header("etag"))];
    for (path, status) in [
        ("/sddcs?wait=0s", StatusCode::NOT_MODIFIED),
        ("/sddcs?wait=5s", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        assert_eq!(gateway.send_bare(Method::GET, path, &headers).await.status, status, "{path}");
    }
}
