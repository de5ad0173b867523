//! The faults.

use std::time::Duration;

use sddc_gateway::simulator::{Fault, FaultKind};

use super::super::front::Mode;

/// One way to go wrong.
#[derive(Debug)]
pub struct Trouble {
    pub name: &'static str,
    pub how: How,
    /// What the operator reads of it in the log.
    pub logged: &'static str,
}

/// Who plays it.
#[derive(Debug)]
pub enum How {
    /// The hop in front of the upstream.
    Below(Mode),
    /// The upstream, at the place's endpoint.
    Answers(fn(Fault) -> Fault),
    /// The upstream, the first time only.
    AnswersOnce(fn(Fault) -> Fault),
}

impl Trouble {
    /// How long a call is waited for: short only where it is waited for in vain, since on a busy
    /// machine a good answer may take its time.
    pub fn patience(&self) -> Duration {
        match self.name {
            "no answer to a connection" | "never an answer" | "a byte at a time" => {
                Duration::from_millis(1500)
            }
            _ => Duration::from_secs(10),
        }
    }
}

const fn below(name: &'static str, mode: Mode, logged: &'static str) -> Trouble {
    Trouble { name, how: How::Below(mode), logged }
}

const fn answers(name: &'static str, logged: &'static str, fault: fn(Fault) -> Fault) -> Trouble {
    Trouble { name, how: How::Answers(fault), logged }
}

pub const FAULTS: [Trouble; 30] = [
    below("connection refused", Mode::Refuse, "no connection"),
    below("no answer to a connection", Mode::Silent, "no connection"),
    answers("reset before the head", "connection", |fault| fault.kind(FaultKind::Reset)),
    below("reset after the head", Mode::ResetAfterHead, "connection"),
    below("reset in the body", Mode::ResetInBody, "the connection broke"),
    answers("body cut short", "the connection broke", |fault| fault.kind(FaultKind::Truncate)),
    answers("never an answer", "no whole answer within", |fault| fault.kind(FaultKind::Hang)),
    answers("a byte at a time", "no whole answer within", |fault| {
        fault.kind(FaultKind::Drip).after(Duration::from_millis(20))
    }),
    answers("a page with 200", "a content type other than JSON", |fault| {
        fault.kind(FaultKind::Html)
    }),
    answers("another content type", "a content type other than JSON", |fault| {
        fault.body("<a/>").content_type("application/xml")
    }),
    answers("JSON that breaks off", "a body that is not", |fault| {
        fault.body(r#"{"access_token": "a.b.c", "keys": ["#)
    }),
    answers("garbage", "a body that is not", |fault| fault.kind(FaultKind::Garbage)),
    answers("JSON of another shape", "a body that is not", |fault| {
        fault.body(r#"{"error": "CANARY"}"#)
    }),
    answers("nothing, with 200", "a content type other than JSON", |fault| {
        fault.kind(FaultKind::Empty)
    }),
    answers("an endless body", "an answer of more than", |fault| fault.kind(FaultKind::Huge)),
    answers("a gzip bomb", "an answer of more than", |fault| fault.kind(FaultKind::GzipBomb)),
    answers("a redirect to another host", "unexpected status 302", |fault| {
        fault.kind(FaultKind::Redirect)
    }),
    answers("400", "400", |fault| fault.status(400)),
    Trouble { name: "401 once", how: How::AnswersOnce(|fault| fault.status(401)), logged: "401" },
    answers("401", "401", |fault| fault.status(401)),
    answers("403", "403", |fault| fault.status(403)),
    answers("404", "404", |fault| fault.status(404)),
    answers("409", "unexpected status 409", |fault| fault.status(409)),
    answers("429", "too many requests (429)", |fault| fault.status(429)),
    answers("429, Retry-After: 7", "too many requests (429)", |fault| {
        fault.status(429).retry_after(7)
    }),
    answers("500", "server error (500", |fault| fault.status(500)),
    answers("502 with a page", "server error (502", |fault| {
        fault.kind(FaultKind::Html).status(502)
    }),
    answers("503", "server error (503", |fault| fault.status(503)),
    answers("503 with a page, Retry-After: 7", "server error (503", |fault| {
        fault.kind(FaultKind::Html).status(503).retry_after(7)
    }),
    answers("504", "server error (504", |fault| fault.status(504)),
];
