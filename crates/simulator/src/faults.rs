//! Scripted faults: what goes wrong, where, and how often.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// One of the two services on the simulator's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// VMware Cloud Services: everything below `/csp/`.
    Csp,
    /// VMware Cloud on AWS: everything else.
    Vmc,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The service's own JSON error with this status (default 500).
    Status,
    /// The right answer, late.
    Delay,
    /// Accepted, never answered.
    Hang,
    /// TCP reset before the head.
    Reset,
    /// The right answer, a byte at a time: `delay_ms` per byte, default 100.
    Drip,
    /// The right head, half of the body, then the end of the connection.
    Truncate,
    /// JSON by its content type only.
    Garbage,
    /// A page, as load balancers send (default status 200).
    Html,
    /// The status (default 200) without a body.
    Empty,
    /// The given body and content type (default status 200, `application/json`).
    Body,
    /// 302 to another host.
    Redirect,
    /// A list that goes on for 256 MiB.
    Huge,
    /// A small gzip body that inflates to 1 GiB of valid JSON.
    GzipBomb,
    /// Every token issued so far stops being good; then the request is answered as usual.
    ExpireTokens,
}

/// `Retry-After`, in either of its forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RetryAfter {
    /// Seconds from now.
    Seconds(u64),
    /// An HTTP date; sent as it is.
    Date(String),
}

/// A fault and the requests that it meets. The first that matches, in the order of scripting, wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The service.
    pub target: Target,
    /// Glob over the whole path without the query: `*` is any run of characters, `/` too.
    #[serde(default = "any_path")]
    pub path: String,
    /// What happens.
    pub kind: FaultKind,
    /// Status of the answer, for the kinds that make up an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `Retry-After` of a made-up answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,
    /// Time before anything happens; for `drip` the time between two bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Body of a made-up answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Its content type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// How many requests it meets; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

fn any_path() -> String {
    "*".to_owned()
}

/// Why a fault cannot be scripted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFault {
    /// No status of a final answer.
    #[error("status: must be from 200 to 599")]
    Status,
    /// Not to be put into a header.
    #[error("retry_after: must be a number of seconds or an HTTP date")]
    RetryAfter,
    /// Not to be put into a header.
    #[error("content_type: must be a header value")]
    ContentType,
    /// It would meet nothing.
    #[error("times: must be at least 1; leave it out for every request")]
    Times,
}

impl Fault {
    /// A fault for the requests to `target` whose path matches the glob `path`: an answer 500 to
    /// each of them, until the methods below say otherwise.
    pub fn on(target: Target, path: &str) -> Self {
        Self {
            target,
            path: path.to_owned(),
            kind: FaultKind::Status,
            status: None,
            retry_after: None,
            delay_ms: None,
            body: None,
            content_type: None,
            times: None,
        }
    }

    /// What happens.
    #[must_use]
    pub fn kind(self, kind: FaultKind) -> Self {
        Self { kind, ..self }
    }

    /// The status of the answer; the kind stays what it is.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(RetryAfter::Seconds(seconds)), ..self }
    }

    /// `Retry-After` as an HTTP date.
    #[must_use]
    pub fn retry_after_date(self, date: &str) -> Self {
        Self { retry_after: Some(RetryAfter::Date(date.to_owned())), ..self }
    }

    /// The right answer after `delay`.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        self.kind(FaultKind::Delay).after(delay)
    }

    /// Time before anything happens, or between the bytes of a drip; the kind stays what it is.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay_ms: Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)), ..self }
    }

    /// This body, as JSON until [`Fault::content_type`] says otherwise.
    #[must_use]
    pub fn body(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self.kind(FaultKind::Body) }
    }

    /// The content type of the made-up answer.
    #[must_use]
    pub fn content_type(self, content_type: &str) -> Self {
        Self { content_type: Some(content_type.to_owned()), ..self }
    }

    /// How many requests it meets.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Whether the answer can be made.
    ///
    /// # Errors
    /// For the first field that no answer can carry.
    pub fn validate(&self) -> Result<(), InvalidFault> {
        let is_header = |text: &str| HeaderValue::from_str(text).is_ok();
        if self.status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err(InvalidFault::Status);
        }
        if matches!(&self.retry_after, Some(RetryAfter::Date(date)) if !is_header(date)) {
            return Err(InvalidFault::RetryAfter);
        }
        if self.content_type.as_deref().is_some_and(|text| !is_header(text)) {
            return Err(InvalidFault::ContentType);
        }
        if self.times == Some(0) { Err(InvalidFault::Times) } else { Ok(()) }
    }

    /// The status to answer with.
    pub(super) fn status_or(&self, default: StatusCode) -> StatusCode {
        self.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(default)
    }

    /// The value of `Retry-After`.
    pub(super) fn retry_after_header(&self) -> Option<HeaderValue> {
        match self.retry_after.as_ref()? {
            RetryAfter::Seconds(seconds) => Some((*seconds).into()),
            RetryAfter::Date(date) => HeaderValue::from_str(date).ok(),
        }
    }

    fn meets(&self, target: Target, path: &str) -> bool {
        self.target == target && WildMatch::new(&self.path).matches(path)
    }
}

/// A fault in the script, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptedFault {
    /// Counted from 1, in the order of scripting; never used again.
    pub id: String,
    /// The fault; of its `times` those that are left.
    #[serde(flatten)]
    pub fault: Fault,
}

/// The faults that are scripted now.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: Vec<ScriptedFault>,
    scripted: u64,
}

impl Script {
    /// Adds a fault behind the others, and gives its id.
    pub(super) fn add(&mut self, fault: Fault) -> String {
        self.scripted += 1;
        let id = self.scripted.to_string();
        self.faults.push(ScriptedFault { id: id.clone(), fault });
        id
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    /// Ends one fault; false when there is none of this id.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let before = self.faults.len();
        self.faults.retain(|scripted| scripted.id != id);
        self.faults.len() < before
    }

    pub(super) fn faults(&self) -> &[ScriptedFault] {
        &self.faults
    }

    /// The fault for this request, counted down.
    pub(super) fn take(&mut self, target: Target, path: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|it| it.fault.meets(target, path))?;
        let fault = self.faults[at].fault.clone();
        if let Some(times) = &mut self.faults[at].fault.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.faults.remove(at);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters() {
        let matches =
            |pattern: &str, path: &str| Fault::on(Target::Vmc, pattern).meets(Target::Vmc, path);
        assert!(matches("*", "/vmc/api/orgs"));
        assert!(matches("*/sddcs", "/vmc/api/orgs/a/sddcs"));
        assert!(!matches("*/sddcs", "/vmc/api/orgs/a/sddcs/b"));
        assert!(matches("/vmc/*/sddcs/*", "/vmc/api/orgs/a/sddcs/b"));
        assert!(matches("*a*ab*", "xaxaab"));
        assert!(!matches("/vmc/api/orgs", "/vmc/api/orgs/a"));
        assert!(!matches("", "/"));
        assert!(matches("**", ""));
    }

    #[test]
    fn every_kind_is_read() {
        for kind in [
            "status",
            "delay",
            "hang",
            "reset",
            "drip",
            "truncate",
            "garbage",
            "html",
            "empty",
            "body",
            "redirect",
            "huge",
            "gzip_bomb",
            "expire_tokens",
        ] {
            let fault = format!(r#"{{"target":"vmc","path":"*","kind":"{kind}"}}"#);
            let fault: Fault = serde_json::from_str(&fault).unwrap();
            assert_eq!(serde_json::to_value(&fault).unwrap()["kind"], kind);
            assert_eq!(fault.validate(), Ok(()));
        }
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let read = |value: &str| {
            let fault = format!(r#"{{"target":"csp","kind":"status","retry_after":{value}}}"#);
            serde_json::from_str::<Fault>(&fault).map(|fault| fault.retry_after)
        };
        assert_eq!(read("2").unwrap(), Some(RetryAfter::Seconds(2)));
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(read(&format!("{date:?}")).unwrap(), Some(RetryAfter::Date(date.to_owned())));
        assert!(read("[]").is_err());
    }

    #[test]
    fn the_first_match_wins_until_its_times_are_over() {
        let mut script = Script::default();
        script.add(Fault::on(Target::Vmc, "*/sddcs").status(503).times(2));
        script.add(Fault::on(Target::Vmc, "*").status(500));
        let mut status = |path: &str| script.take(Target::Vmc, path).unwrap().status;
        assert_eq!(status("/orgs"), Some(500));
        assert_eq!(status("/sddcs"), Some(503));
        assert_eq!(status("/sddcs"), Some(503));
        assert_eq!(status("/sddcs"), Some(500));
        assert_eq!(script.take(Target::Csp, "/sddcs"), None);
    }

    #[test]
    fn what_no_answer_can_carry_is_refused() {
        let fault = Fault::on(Target::Csp, "*");
        assert_eq!(fault.clone().status(99).validate(), Err(InvalidFault::Status));
        assert_eq!(fault.clone().content_type("a\nb").validate(), Err(InvalidFault::ContentType));
        assert_eq!(fault.clone().retry_after_date("\n").validate(), Err(InvalidFault::RetryAfter));
        assert_eq!(fault.times(0).validate(), Err(InvalidFault::Times));
    }
}
