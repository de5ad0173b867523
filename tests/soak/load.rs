//! Callers who ask all that can be asked, at a bounded pace.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use rustix::process::Signal;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    answers::{Answer, Asked, Judge},
    callers::Callers,
    process::{DEADLINE, Gateway},
    questions::Question,
};

/// Time between the questions of one who asks.
const PACE: Duration = Duration::from_millis(100);

/// How long a long poll waits.
const WAIT: &str = "wait=2s";

/// What all who ask share.
pub struct Load {
    pub gateway: Arc<Gateway>,
    /// Another one, which shares with it: whichever is asked, the answer is as good.
    pub replica: Arc<Gateway>,
    pub callers: Arc<Callers>,
    pub judge: Judge,
    pub tally: Tally,
}

/// How often everything happened.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    pub fn count(&self, what: impl Into<String>) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().clone()
    }
}

/// One connection's worth of questions.
struct Asker {
    load: Arc<Load>,
    http: reqwest::Client,
    dice: StdRng,
    /// By caller and path what came last, and its tag.
    known: HashMap<(&'static str, String), (String, Arc<Value>)>,
}

/// Asks until `stop`; the error is an answer that was wrong.
pub async fn ask(
    load: Arc<Load>,
    dice: StdRng,
    takes_gzip: bool,
    stop: CancellationToken,
) -> Result<(), String> {
    let http = client(takes_gzip);
    let mut asker = Asker { load, http, dice, known: HashMap::new() };
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(pace.tick()).await.is_some() {
        asker.ask().await?;
    }
    Ok(())
}

pub fn client(takes_gzip: bool) -> reqwest::Client {
    let client = support::http::client().gzip(takes_gzip).timeout(DEADLINE);
    client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Asker {
    async fn ask(&mut self) -> Result<(), String> {
        let load = self.load.clone();
        let mut question = Question::draw(&load.judge.world, &mut self.dice);
        let caller = load.callers.all.choose(&mut self.dice).unwrap();
        let own = caller.key();
        let is_stranger = self.dice.random_bool(0.01);
        let key = if is_stranger { "not-a-key" } else { own.reveal() };
        let cache_control = match self.dice.random_range(0..20) {
            0 => Some("no-cache"),
            1 => Some("max-age=1"),
            2 => Some("only-if-cached"),
            3 => Some("stale-if-error=5"),
            _ => None,
        };
        let place = (caller.name, question.path.clone());
        let known = self.known.get(&place).filter(|_| self.dice.random_bool(0.4)).cloned();
        if question.path == "/sddcs" && question.expected.is_none() && self.dice.random_bool(0.1) {
            question.path = format!("{}?{WAIT}", question.path);
        }
        let method = match question.expected {
            Some(405) => Method::POST,
            _ if self.dice.random_bool(0.05) => Method::HEAD,
            _ => Method::GET,
        };
        let replica = load.replicas()[self.dice.random_range(0..2)];
        let url = format!("http://{}{}", replica.api, question.path);
        let mut request = self.http.request(method.clone(), url).bearer_auth(key);
        if let Some((tag, _)) = &known {
            request = request.header("if-none-match", tag);
        }
        if let Some(directive) = cache_control {
            request = request.header("cache-control", directive);
        }
        let mut asked = Asked {
            caller,
            question: &question,
            key,
            is_head: method == Method::HEAD,
            cache_control,
            known: known.map(|(_, content)| content),
            at: load.judge.world.clock.now(),
            snapshot: None,
        };
        asked.snapshot = load.judge.snapshot(caller);
        let answer = load.fetch(request).await?;
        let judged = load.judge.judge(&asked, &answer);
        let (kind, content) = judged.map_err(|wrong| {
            let body = String::from_utf8_lossy(&answer.body);
            let headers = &answer.headers;
            format!(
                "{wrong}\n{} asked {method} {} ({cache_control:?}) and got {} {headers:#?}\n{body}",
                caller.name, question.path, answer.status
            )
        })?;
        load.tally.count(kind);
        let tag = answer.header("etag");
        // A wait is the same question.
        if let Some(content) = content.filter(|_| !tag.is_empty()) {
            self.known.insert(place, (tag.to_owned(), content));
        }
        Ok(())
    }
}

impl Load {
    pub fn replicas(&self) -> [&Gateway; 2] {
        [&self.gateway, &self.replica]
    }

    /// Has them look at their files now.
    pub fn hang_up(&self) {
        for replica in self.replicas() {
            replica.signal(Signal::HUP);
        }
    }

    /// Sends a request, and takes the whole answer.
    pub async fn fetch(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        let told = |error: reqwest::Error| format!("no answer: {error:?}");
        let response = request.send().await.map_err(told)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(told)?.to_vec();
        Ok(Answer { status, headers, body, at: self.judge.world.clock.now() })
    }
}
