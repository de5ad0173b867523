//! What one question was answered.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::world::{MAX_STALE, Place, errors_in};
use crate::harness::Answer;

/// Longer than a read may take with all of its tries, and shorter than anything that hangs.
const IN_TIME: Duration = Duration::from_secs(20);
/// `inventory.fresh`.
const FRESH_S: i64 = 60;
/// A first try and two more.
const MAX_CALLS: u64 = 3;

/// An answer, and what it cost.
#[derive(Debug)]
pub struct Cell {
    pub answer: Answer,
    pub took: Duration,
    /// Calls at the place in trouble.
    pub calls: u64,
    /// The status of `/readyz`, and its body.
    pub ready: u16,
    pub state: Value,
    /// The true age of what was read last; `None` where nothing was.
    pub snapshot: Option<Duration>,
    /// What was answered then: the cloud has not changed since.
    pub known: Option<Vec<u8>>,
}

impl Cell {
    /// What must hold whatever goes wrong, and does not.
    pub fn faults(&self, place: Place) -> Vec<String> {
        let (status, code) = self.answer.told();
        let errors = errors_in(&self.state);
        // Trouble of an upstream does not take a gateway that was ready away from its callers. One that
        // starts with a file that is too old never was.
        let was_ready =
            self.snapshot.is_some_and(|age| place != Place::FirstMint || age < MAX_STALE);
        let mut rules = vec![
            ("it comes in time", self.took < IN_TIME),
            ("no call is multiplied", self.calls <= MAX_CALLS),
            ("nothing is the gateway's own fault", code != "internal"),
            (
                "only a caller's token is the caller's fault",
                (status == 401) == (code == "unauthenticated"),
            ),
            ("what was ready stays so", !was_ready || self.ready == 200),
            (
                "the probe's body says what its status says",
                self.state["ready"] == (self.ready == 200),
            ),
        ];
        if status == 200 {
            let (age, body) = (self.answer.header("age"), self.answer.json());
            let true_age = self.snapshot.map_or(0, |age| age.as_secs()).to_string();
            let was_read_now = self.answer.served().contains("stored");
            rules
                .push(("the age is the true one", age == true_age || (was_read_now && age == "0")));
            let is_known = self.known.as_ref().is_none_or(|known| *known == self.answer.body);
            rules.push(("it is what was read", is_known));
            rules.push(("Cache-Status says how it came about", self.is_well_told()));
            rules.push(("no list is empty for want of an upstream", body["items"] != json!([])));
        } else {
            let is_upstream = code.starts_with("upstream-");
            // The list of tasks has no part of its own.
            let is_shown = place == Place::Tasks || errors.contains(&code);
            rules.push(("no cache keeps it", self.answer.header("cache-control") == "no-store"));
            rules.push(("the operator reads what the caller does", !is_upstream || is_shown));
        }
        let broken = rules.into_iter().filter(|(_, holds)| !holds);
        broken.map(|(rule, _)| format!("not so: {rule}: {self}: {errors:?}")).collect()
    }

    /// Whether `Cache-Status` fits the age and the trouble that it names (contract 4.3).
    fn is_well_told(&self) -> bool {
        let (served, age) = (self.answer.served(), self.answer.header("age"));
        let ttl = FRESH_S - age.parse::<i64>().unwrap();
        let Some((_, code)) = served.split_once("detail=stale-") else {
            let hit = format!("hit; ttl={ttl}");
            return [&*hit, "fwd=miss; stored", "fwd=miss; collapsed"].contains(&served);
        };
        let status = match code {
            "upstream-unavailable" => 503,
            "upstream-timeout" => 504,
            _ => 502,
        };
        let tried = format!("fwd=stale; fwd-status={status}; detail=stale-{code}");
        let held = format!("hit; ttl={ttl}; detail=stale-{code}");
        served == tried || served == held
    }

    /// As a caller would see it, without the calls.
    pub fn told(&self) -> String {
        let (status, code) = self.answer.told();
        if status != 200 {
            return format!("{status} {code}");
        }
        let age = self.answer.header("age");
        let (_, detail) = self.answer.served().split_once("detail=").unwrap_or_default();
        if detail.is_empty() {
            format!("200, Age {age}")
        } else {
            format!("200, Age {age}, {detail}")
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ×{}", self.told(), self.calls)
    }
}
