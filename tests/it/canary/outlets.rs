//! Everything that comes out of a gateway, kept with its place to be searched.
//!
//! A new way out (a log, a header, a file) is a call of one of these methods more in
//! [`all_of`] or in the tests.

use std::{fmt, io::Read};

use http::Method;
use serde_json::json;

use super::{
    search::{Hit, Searcher},
    world::World,
};
use crate::{
    harness::{Answer, Captured, TestGateway},
    watch::client::{Client, Event, Watcher, poll, watched_by},
};

/// What came out, place by place.
#[derive(Default)]
pub struct Outlets {
    places: Vec<Place>,
    /// Texts that were shown where they may be.
    pub shown: usize,
}

pub struct Place {
    pub name: String,
    /// As it came.
    pub whole: Vec<u8>,
    /// Without what may be shown there.
    pub rest: Vec<u8>,
}

impl Outlets {
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Keeps what may show nothing of upstream's.
    pub fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let whole: Vec<u8> = bytes.into();
        self.places.push(Place { name: name.into(), rest: whole.clone(), whole });
    }

    /// Keeps what a type prints.
    pub fn printed(&mut self, name: &str, value: &dyn fmt::Debug) {
        self.add(format!("Debug of {name}"), format!("{value:?}"));
        self.add(format!("long Debug of {name}"), format!("{value:#?}"));
    }

    /// Keeps an error's text with those of its causes, and what it prints.
    pub fn error(&mut self, name: &str, error: &(dyn std::error::Error + 'static)) {
        self.printed(name, &error);
        let mut next = Some(error);
        while let Some(error) = next {
            self.add(format!("text of {name}"), error.to_string());
            next = error.source();
        }
    }

    /// Keeps a JSON text, in which documents show what they may.
    pub fn documents(&mut self, world: &World, name: impl Into<String>, text: &str) {
        let (rest, shown) = world.without_shown(text);
        self.shown += shown;
        self.places.push(Place { name: name.into(), whole: text.into(), rest: rest.into() });
    }

    /// Keeps an answer: each header, and the body as it came and as it is read.
    pub fn answer(&mut self, world: &World, name: &str, answer: &Answer) {
        let body = decoded(answer);
        let text = String::from_utf8_lossy(&body).into_owned();
        let cursor = cursor_of_the_last(world, &text);
        for (header, value) in &answer.headers {
            let place = format!("{name}: header {header}");
            let value = format!("{header}: {}", String::from_utf8_lossy(value.as_bytes()));
            // The link to the next page is made of the cursor.
            self.add(place, if cursor.is_empty() { value } else { value.replace(&cursor, "") });
        }
        if body != answer.body {
            // What may be shown is looked at where it can be read.
            let (name, whole) = (format!("{name}: body as sent"), answer.body.clone());
            self.places.push(Place { name, whole, rest: Vec::new() });
        }
        let text = if cursor.is_empty() { text } else { text.replace(&cursor, "") };
        self.documents(world, format!("{name}: body"), &text);
    }

    /// Keeps an event of a stream.
    pub fn event(&mut self, world: &World, event: &Event) {
        let Event { name, id, data, .. } = event;
        self.add(format!("event {name}: id"), id.clone().unwrap_or_default());
        self.documents(world, format!("event {name}: data"), data);
    }

    /// All that should not be there.
    pub fn search(&self, world: &World) -> Vec<Hit> {
        let secrets = world.secrets();
        let secret = Searcher::new(&secrets);
        let shown = Searcher::new(&[world.shown()]);
        let mut hits = Vec::new();
        for Place { name, whole, rest } in &self.places {
            hits.extend(secret.search(name, whole));
            hits.extend(shown.search(name, rest));
        }
        for hit in &mut hits {
            if let Some(origin) = world.origin(&hit.around) {
                hit.secret = format!("{} of {}", hit.secret, origin.path);
            }
        }
        hits
    }

    /// # Panics
    /// If anything should not be there; says where.
    #[track_caller]
    pub fn hold_no_canary(&self, world: &World) {
        let hits = self.search(world);
        assert!(hits.is_empty(), "{} leaks: {hits:#?}", hits.len());
    }
}

/// A body as its reader gets it.
fn decoded(answer: &Answer) -> Vec<u8> {
    let (mut body, mut decoded) = (&*answer.body, Vec::new());
    match answer.header("content-encoding") {
        "zstd" => zstd::stream::copy_decode(body, &mut decoded).unwrap(),
        "br" => brotli::BrotliDecompress(&mut body, &mut decoded).unwrap(),
        "gzip" => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut decoded).unwrap();
        }
        _ => decoded.extend_from_slice(body),
    }
    decoded
}

/// The cursor of a page, if it is made of nothing but the page's last document (contract section
/// 4.2), which is on the page; else empty.
fn cursor_of_the_last(world: &World, body: &str) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let page: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let last = page["items"].as_array().and_then(|items| items.last()).cloned().unwrap_or_default();
    let cursor = page["next_cursor"].as_str().unwrap_or_default();
    let inside = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
    let inside = String::from_utf8_lossy(&inside).into_owned();
    let of_the_last = match (world.origin(&inside), last["id"].as_str()) {
        (Some(origin), Some(id)) => {
            origin.field.is_some() && origin.owners.iter().any(|it| it == id)
        }
        (Some(origin), None) => origin.field.is_some(),
        (None, _) => false,
    };
    if of_the_last { cursor.to_owned() } else { String::new() }
}

/// Lists, with the parameters that each of them takes.
const LISTS: &[(&str, &[&str])] = &[
    (
        "/sddcs",
        &[
            "include=clusters,hosts",
            "include=hosts&fields=name,vcenter_url",
            "include_deleted=true",
            "include_deleted=true&include=clusters",
            "sort=-state",
            "sort=vcenter_url&limit=1",
            "state=READY",
        ],
    ),
    ("/clusters", &["sort=-instance_type&limit=1"]),
    ("/hosts", &["sort=hostname&limit=1"]),
    ("/tasks", &["sort=error&limit=1", "fields=error,id"]),
    ("/orgs", &["sort=display_name&limit=1"]),
];

/// What every list takes.
const ANY_LIST: &[&str] = &[
    "limit=1",
    "limit=2&sort=-name",
    "limit=500",
    "fields=name",
    "q=zw",
    "q=nobody",
    "partial=allow",
    "wait=0s",
];

/// Docs, and what belongs to no list.
const PAGES: &[&str] = &[
    "/",
    "/home/app.js",
    "/docs",
    "/docs/guide",
    "/docs/drop-in",
    "/docs/start.js",
    "/openapi.json",
    "/openapi.yaml",
    "/livez",
    "/readyz",
];

/// Asks for all that there is, and keeps it.
pub async fn all_of(world: &World, gateway: &TestGateway) -> Outlets {
    let mut outlets = Outlets::default();
    for path in paths(world, gateway).await {
        outlets.ask(world, gateway, &path).await;
    }
    outlets.coded(world, gateway).await;
    outlets.stream(world, gateway).await;
    outlets.operators(gateway).await;
    outlets
}

async fn paths(world: &World, gateway: &TestGateway) -> Vec<String> {
    let simulator = &world.cloud.simulator;
    let mut lists: Vec<(String, Vec<&str>)> = LISTS
        .iter()
        .map(|(list, own)| ((*list).to_owned(), ANY_LIST.iter().chain(*own).copied().collect()))
        .collect();
    let mut paths: Vec<String> = PAGES.iter().map(|page| (*page).to_owned()).collect();
    for id in simulator.sddc_ids() {
        paths.push(format!("/sddcs/{id}"));
        paths.push(format!("/sddcs/{id}?include=clusters,hosts"));
        for part in ["clusters", "hosts", "tasks"] {
            lists.push((format!("/sddcs/{id}/{part}"), vec!["limit=1", "fields=name,id"]));
        }
    }
    for id in simulator.org_ids() {
        paths.push(format!("/orgs/{id}"));
        lists.push((format!("/orgs/{id}/sddcs"), ANY_LIST.to_vec()));
    }
    let tasks = gateway.get("/tasks").await.json();
    let tasks = tasks["items"].as_array().unwrap();
    paths.extend(tasks.iter().map(|task| format!("/tasks/{}", task["id"].as_str().unwrap())));
    for target in ["vcenter", "nsx"] {
        paths.push(format!("/sd/prometheus?target={target}"));
        paths.push(format!("/sd/prometheus?target={target}&state=READY"));
    }
    for (list, questions) in lists {
        paths.extend(questions.iter().map(|question| format!("{list}?{question}")));
        paths.push(list);
    }
    paths
}

impl Outlets {
    /// Asks, and for all pages that follow.
    pub async fn ask(&mut self, world: &World, gateway: &TestGateway, path: &str) -> Answer {
        let answer = gateway.get(path).await;
        self.answer(world, &format!("GET {path}"), &answer);
        let mut page = answer.clone();
        while let Some((next, _)) = page.header("link").split_once('>') {
            // A query alone, relative to what was asked for.
            let asked = path.split_once('?').map_or(path, |(asked, _)| asked);
            let next = format!("{asked}{}", next.trim_start_matches('<'));
            page = gateway.get(&next).await;
            self.answer(world, &format!("GET {path}, page"), &page);
        }
        answer
    }

    /// What else an answer can be: compressed, without a body, not modified.
    async fn coded(&mut self, world: &World, gateway: &TestGateway) {
        for path in ["/sddcs?include=hosts", "/tasks"] {
            for coding in ["gzip", "br", "zstd"] {
                let ask = async |gateway: &TestGateway| {
                    gateway.send(Method::GET, path, &[("accept-encoding", coding)]).await
                };
                let is_coded = async |gateway: &TestGateway| {
                    ask(gateway).await.header("content-encoding") == coding
                };
                gateway.until(coding, is_coded).await;
                self.answer(world, &format!("GET {path} in {coding}"), &ask(gateway).await);
            }
            let tag = gateway.get(path).await.header("etag").to_owned();
            for (method, headers) in [
                (Method::HEAD, &[][..]),
                (Method::GET, &[("if-none-match", &*tag)]),
                (Method::GET, &[("cache-control", "no-cache")]),
                (Method::GET, &[("cache-control", "only-if-cached")]),
                (Method::OPTIONS, &[]),
                (Method::POST, &[]),
            ] {
                let answer = gateway.send(method.clone(), path, headers).await;
                self.answer(world, &format!("{method} {path} {headers:?}"), &answer);
            }
        }
    }

    /// A stream with each kind of event, and a long poll.
    async fn stream(&mut self, world: &World, gateway: &TestGateway) {
        let simulator = &world.cloud.simulator;
        let mut watcher = Watcher::open(gateway, "").await;
        self.add("event stream: head", watcher.head.clone());
        self.event(world, &watcher.sync().await);
        let tag = gateway.get("/sddcs").await.header("etag").to_owned();
        let headers = [("If-None-Match", &*tag)];
        let waiting = Client::send(gateway, "GET", "/sddcs?wait=100s", &headers).await;
        watched_by(gateway, 2).await;
        let changed = &simulator.sddc_ids()[0];
        simulator.patch_sddc(changed, json!({ "name": "another" }));
        simulator.create_sddc(json!({ "id": "new" }));
        poll(gateway).await;
        let waited = waiting.answer("GET").await;
        self.add("long poll: head", waited.head.clone());
        self.documents(world, "long poll: body", &waited.body);
        world.list_documents_only();
        simulator.delete_sddc("new");
        let mut seen = watcher.until(|event| event.name == "added").await;
        poll(gateway).await;
        seen.extend(watcher.until(|event| event.name == "removed").await);
        for event in &seen {
            self.event(world, event);
        }
        assert!(seen.iter().any(|event| event.name == "changed"), "{seen:?}");
        let mut resumed =
            Watcher::open_with(gateway, "", &[("Last-Event-ID", "W/\"other\"")]).await;
        let reset = resumed.next().await;
        assert_eq!(reset.name, "reset");
        self.event(world, &reset);
        self.event(world, &resumed.next().await);
    }

    /// What operators see, apart from the log.
    pub async fn operators(&mut self, gateway: &TestGateway) {
        for path in ["/livez", "/readyz", "/metrics", "/nothing"] {
            let answer = gateway.ops(path).await;
            self.add(format!("ops {path}: headers"), format!("{:?}", answer.headers));
            self.add(format!("ops {path}: body"), answer.body);
        }
    }

    /// The access lines of a gateway, and the events of the process: what other tests log is searched
    /// too, and cannot hold this world's canaries.
    pub fn log(&mut self, world: &World, access_lines: String) {
        self.add("access lines", access_lines);
        let events = &Captured::events().into_bytes()[world.logged..];
        let traces = events.windows(15).any(|part| part == br#""level":"TRACE""#);
        assert!(traces, "the log is kept at trace");
        self.add("log at trace", events);
        self.add("traces", world.collector.raw());
    }
}
