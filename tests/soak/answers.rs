//! Whether an answer is right: the content that the cloud had within the answer's age, or an honest
//! error.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use sddc_gateway::clock::Instant;
use serde_json::Value;

use crate::{
    callers::Caller,
    history::{History, Window},
    process::STALE,
    questions::{Form, Question, Shown},
    secrets::Secrets,
    weather::Weather,
    world::World,
};

/// `Age` counts whole seconds; the clock is one and the same.
pub const ROUNDING: Duration = Duration::from_millis(1050);

/// A request as it was sent.
pub struct Asked<'a> {
    pub caller: &'a Caller,
    pub question: &'a Question,
    pub key: &'a str,
    pub is_head: bool,
    pub cache_control: Option<&'static str>,
    /// What `If-None-Match` named.
    pub known: Option<Arc<Value>>,
    pub at: Instant,
    /// When the snapshot of this caller had been read that was known of then.
    pub snapshot: Option<Instant>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub at: Instant,
}

/// Judges answers, and remembers what they are to agree with.
pub struct Judge {
    pub world: Arc<World>,
    pub weather: Arc<Weather>,
    secrets: Arc<Secrets>,
    /// Content by question and tag, and tags by question and content, as hashes.
    contents: Mutex<HashMap<(u64, u64), u64>>,
    tags: Mutex<HashMap<(u64, u64), u64>>,
    /// By caller when the newest snapshot was read at the soonest that an answer was made of.
    snapshots: Mutex<BTreeMap<&'static str, Instant>>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Judge {
    pub fn new(world: Arc<World>, weather: Arc<Weather>, secrets: Arc<Secrets>) -> Self {
        Self {
            world,
            weather,
            secrets,
            contents: Mutex::default(),
            tags: Mutex::default(),
            snapshots: Mutex::default(),
        }
    }

    pub fn snapshot(&self, caller: &Caller) -> Option<Instant> {
        self.snapshots.lock().unwrap().get(caller.name).copied()
    }

    /// What the answer is, for the count; or what is wrong with it. Gives its content, for who asks
    /// whether it has changed.
    pub fn judge(
        &self,
        asked: &Asked<'_>,
        answer: &Answer,
    ) -> Result<(String, Option<Arc<Value>>), String> {
        let is_docs = asked.question.form == Form::Other;
        let head = format!("{:?}", answer.headers);
        // The docs show what a key looks like.
        if !is_docs && self.secrets.found_in(&answer.body) || self.secrets.found_in(head.as_bytes())
        {
            return Err("a secret".to_owned());
        }
        if answer.header("x-request-id").is_empty() {
            return Err("no request id".to_owned());
        }
        match answer.status.as_u16() {
            200 if asked.question.expected == Some(200) => Ok(("200 docs".to_owned(), None)),
            200 | 304 if asked.question.expected.is_some() => Err("this is no question".to_owned()),
            200 if asked.is_head => {
                window(asked, answer)?;
                Ok(("200 to HEAD".to_owned(), None))
            }
            200 => {
                let content: Value =
                    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
                self.agrees(asked.question, answer)?;
                self.content(asked, answer, &content)?;
                let name = format!("200 {}", service(answer));
                Ok((name, Some(Arc::new(content))))
            }
            304 => {
                let content = asked.known.as_ref().ok_or("304 to who knows nothing")?;
                self.content(asked, answer, content)?;
                Ok(("304".to_owned(), Some(content.clone())))
            }
            _ => self.problem(asked, answer).map(|name| (name, None)),
        }
    }

    /// Equal tags have equal contents, and equal contents equal tags.
    fn agrees(&self, question: &Question, answer: &Answer) -> Result<(), String> {
        let tag = answer.header("etag");
        if !tag.starts_with("W/\"") {
            return Err("no weak ETag".to_owned());
        }
        let (question, tag) = (hash(question.path.as_bytes()), hash(tag.as_bytes()));
        let content = hash(&answer.body);
        let mut contents = self.contents.lock().unwrap();
        if *contents.entry((question, tag)).or_insert(content) != content {
            return Err("another content had the same ETag".to_owned());
        }
        let mut tags = self.tags.lock().unwrap();
        if *tags.entry((question, content)).or_insert(tag) != tag {
            return Err("the same content had another ETag".to_owned());
        }
        Ok(())
    }

    fn content(&self, asked: &Asked<'_>, answer: &Answer, content: &Value) -> Result<(), String> {
        let window = window(asked, answer)?;
        let Asked { caller, question, .. } = asked;
        let missing = missing(question, content)?;
        match question.form {
            Form::Orgs | Form::Org => return self.orgs(asked, content),
            Form::Tasks | Form::Task => return self.tasks(asked, content, window),
            _ => {}
        }
        let sddcs = self.world.sddcs();
        let org_of = |id: &str| sddcs.now(id).map(|state| state.org.clone());
        let shown = Shown::read(question.form, content, org_of)?;
        in_order(question, content)?;
        let orgs = self.world.orgs.iter().filter(|org| !missing.contains(&org.as_str()));
        for org in orgs {
            let marks = shown.marks.get(org).cloned().unwrap_or_default();
            // About one SDDC the other ones say nothing.
            let is_whole = question.is_whole && question.id.is_none();
            sddcs.judge(org, &marks, window, is_whole, |sddc| question.shows(caller, sddc))?;
            agree_with(&sddcs, &marks, &shown, question.form)?;
        }
        if let Some(stranger) = shown.marks.keys().find(|org| !self.world.orgs.contains(org)) {
            return Err(format!("no such org: {stranger}"));
        }
        if question.is_main() && missing.is_empty() {
            let mut snapshots = self.snapshots.lock().unwrap();
            let newest = snapshots.entry(caller.name).or_insert(window.from);
            *newest = window.from.max(*newest);
        }
        Ok(())
    }

    fn tasks(&self, asked: &Asked<'_>, content: &Value, window: Window) -> Result<(), String> {
        let Asked { caller, question, .. } = asked;
        let sddcs = self.world.sddcs();
        let tasks = self.world.tasks();
        let shown = Shown::read(question.form, content, |_| None)?;
        // Whose task is shown tells the snapshot of SDDCs, which has an age of its own.
        let longer = Window { from: window.from - STALE, to: window.to };
        let may_show = |sddc: Option<&String>| match sddc {
            None => caller.names.is_none(),
            Some(id) => sddcs.could(id, &longer, |sddc| sddc.is_none_or(|it| caller.sees(it))),
        };
        let is_asked = |sddc: Option<&String>| {
            question.form == Form::Task || question.id.is_none() || question.id.as_ref() == sddc
        };
        // Who is limited to some SDDCs sees other tasks when these are renamed.
        let is_whole = question.form == Form::Tasks && caller.names.is_none();
        for org in &self.world.orgs {
            let marks = shown.marks.get(org).cloned().unwrap_or_default();
            tasks.judge(org, &marks, window, is_whole, |task| {
                let sddc = task.sddc.as_ref();
                caller.sees_org(&task.org) && is_asked(sddc) && may_show(sddc)
            })?;
            agree_with(&tasks, &marks, &shown, question.form)?;
        }
        Ok(())
    }

    fn orgs(&self, asked: &Asked<'_>, content: &Value) -> Result<(), String> {
        let one = std::slice::from_ref(content);
        let items = content["items"].as_array().map_or(one, Vec::as_slice);
        let shown: Vec<_> = items.iter().filter_map(|org| org["id"].as_str()).collect();
        let seen = self.world.orgs.iter().filter(|org| asked.caller.sees_org(org));
        let seen = seen.filter(|org| asked.question.org.as_ref().is_none_or(|own| own == *org));
        let mut seen: Vec<_> = seen.map(String::as_str).collect();
        let mut sorted = shown.clone();
        seen.sort_unstable();
        sorted.sort_unstable();
        if sorted == seen { Ok(()) } else { Err(format!("{shown:?} instead of {seen:?}")) }
    }
}

/// When the content was read, by what the answer says of its age.
fn window(asked: &Asked<'_>, answer: &Answer) -> Result<Window, String> {
    let age: u64 = answer.header("age").parse().map_err(|_| "no Age")?;
    let age = Duration::from_secs(age);
    // Answers are late when the machine is busy, and `Age` is of their making.
    if age > STALE + answer.at.since(asked.at) {
        return Err("older than anything may be shown".to_owned());
    }
    let from = asked.at - age - ROUNDING;
    Ok(Window { from, to: answer.at })
}

/// How it was served, without the numbers.
fn service(answer: &Answer) -> String {
    let status = answer.header("cache-status").trim_start_matches("sddc-gateway; ");
    let words = status.split("; ").filter(|word| !word.starts_with("ttl="));
    words.collect::<Vec<_>>().join("; ")
}

/// The organizations that an answer says are missing.
fn missing<'a>(question: &Question, content: &'a Value) -> Result<Vec<&'a str>, String> {
    let missing = content["missing"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_partial = content["completeness"] == "partial";
    // What VMware does not report of an SDDC makes a list partial, and hides nothing else.
    let parts = ["not-reported", "unreadable", "older-tasks"];
    let is_org = |gap: &&Value| !gap["reason"].as_str().is_some_and(|it| parts.contains(&it));
    let orgs: Vec<_> = missing.iter().filter(is_org).collect();
    if is_partial == missing.is_empty() || (!orgs.is_empty() && !question.allows_part) {
        return Err("not complete".to_owned());
    }
    Ok(orgs.into_iter().filter_map(|org| org["org_id"].as_str()).collect())
}

/// Lists are in the order of the names, which are the marks, unless another is asked for.
fn in_order(question: &Question, content: &Value) -> Result<(), String> {
    let items = content["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<_> = items.iter().filter_map(|item| item["name"].as_str()).collect();
    let is_sorted = if question.path.contains("sort=-name") {
        names.is_sorted_by(|one, next| one >= next)
    } else {
        names.is_sorted()
    };
    let has_order = question.form == Form::Sddcs;
    if is_sorted || !has_order { Ok(()) } else { Err("out of order".to_owned()) }
}

/// Documents say what the state says whose mark they bear, and so do their parts.
fn agree_with(
    history: &History,
    marks: &BTreeMap<String, String>,
    shown: &Shown<'_>,
    form: Form,
) -> Result<(), String> {
    for (id, mark) in marks {
        let Some(state) = history.of(id, mark) else { continue };
        let documents = shown.documents.iter().filter(|(own, _)| own == id);
        for (_, document) in documents {
            let differs = |(name, value): &(&String, &Value)| {
                document.get(name.as_str()).is_some_and(|own| own != *value)
            };
            if let Some((name, value)) = state.shown.iter().find(differs) {
                return Err(format!("{id} as {mark} has {value} as {name}"));
            }
            for (parts, count) in [("clusters", state.clusters), ("hosts", state.hosts)] {
                if document[parts].as_array().is_some_and(|parts| parts.len() != count) {
                    return Err(format!("{id} as {mark} has {count} {parts}"));
                }
            }
        }
        let count = if form == Form::Hosts { state.hosts } else { state.clusters };
        if let Some(parts) = shown.parts.get(id)
            && *parts != count
        {
            return Err(format!("{id} as {mark} has not {parts} of them"));
        }
    }
    Ok(())
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
