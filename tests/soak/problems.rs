//! Whether a failure is an honest one: of the closed set, in its form, and with a cause.

use std::time::Duration;

use serde_json::Value;

use crate::{
    answers::{Answer, Asked, Judge, ROUNDING},
    history::Window,
    process::{STALE, STALE_DENIED},
    questions::Form,
};

const CODES: [(u16, &str); 14] = [
    (400, "invalid-parameter"),
    (401, "unauthenticated"),
    (404, "not-found"),
    (404, "sddc-not-found"),
    (404, "task-not-found"),
    (404, "org-not-found"),
    (405, "method-not-allowed"),
    (429, "rate-limited"),
    (502, "upstream-contract"),
    (502, "upstream-credentials-rejected"),
    (503, "incomplete"),
    (503, "upstream-unavailable"),
    (504, "upstream-timeout"),
    (504, "not-cached"),
];

impl Judge {
    /// What went wrong, for the count; or why that is not right.
    pub fn problem(&self, asked: &Asked<'_>, answer: &Answer) -> Result<String, String> {
        let Asked { caller, question, .. } = asked;
        let status = answer.status.as_u16();
        if asked.is_head {
            // Its reason is only in the body; the same question as GET tells.
            return Ok(format!("{status} to HEAD"));
        }
        let problem: Value =
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        let code = problem["code"].as_str().unwrap_or_default();
        let is_made_well = answer.header("content-type") == "application/problem+json"
            && answer.header("cache-control") == "no-store"
            && problem["status"] == status
            && problem["request_id"] == answer.header("x-request-id")
            && CODES.contains(&(status, code));
        if !is_made_well {
            return Err("no problem of ours".to_owned());
        }
        // Or one that was taken from its caller meanwhile.
        let has_wrong_key = caller.key().reveal() != asked.key;
        let is_right = match code {
            // Who shows wrong keys too often has to wait too.
            "rate-limited" => {
                (caller.is_limited || has_wrong_key) && !answer.header("retry-after").is_empty()
            }
            "unauthenticated" => has_wrong_key,
            "not-cached" => asked.cache_control == Some("only-if-cached"),
            "sddc-not-found" | "task-not-found" | "org-not-found" => self.is_absent(asked, answer),
            _ if status < 500 => question.expected == Some(status),
            _ => {
                is_promised(asked, answer)?;
                self.weather.excuses(code, asked.at, answer.at)
            }
        };
        if is_right {
            Ok(format!("{status} {code}"))
        } else {
            Err("not the time for it".to_owned())
        }
    }

    fn is_absent(&self, asked: &Asked<'_>, answer: &Answer) -> bool {
        let Asked { caller, question, .. } = asked;
        let window = Window { from: asked.at - STALE - ROUNDING, to: answer.at };
        if let Some(org) = &question.org {
            return !caller.sees_org(org);
        }
        let Some(id) = &question.id else { return false };
        let sddcs = self.world.sddcs();
        let is_hidden = |id: &str| {
            sddcs.could(id, &window, |sddc| {
                sddc.is_none_or(|sddc| sddc.is_deleted || !caller.sees(sddc))
            })
        };
        if question.form != Form::Task {
            return is_hidden(id);
        }
        let tasks = self.world.tasks();
        tasks.now(id).is_some_and(|task| {
            !caller.sees_org(&task.org)
                || task.sddc.as_ref().map_or(caller.names.is_some(), |sddc| is_hidden(sddc))
        })
    }
}

/// A snapshot that was shown is shown until it is too old, whatever goes wrong meanwhile.
fn is_promised(asked: &Asked<'_>, answer: &Answer) -> Result<(), String> {
    let Some(snapshot) = asked.snapshot.filter(|_| asked.question.is_main()) else {
        return Ok(());
    };
    let allowed = match asked.cache_control {
        Some("stale-if-error=5") => Duration::from_secs(5),
        _ => STALE_DENIED,
    };
    if answer.at.since(snapshot) < allowed {
        return Err("a snapshot that is young enough was not shown".to_owned());
    }
    Ok(())
}
