//! What `check` found: steps, each with what to do where it is not good.

use std::process::ExitCode;

use serde::Serialize;

use super::callers::CallerRow;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StepStatus {
    /// As it should be.
    Ok,
    /// It works, but is probably not meant; fails the command with `--strict`.
    Warning,
    /// It does not work; fails the command.
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CheckStep {
    /// What kind of thing, from a closed set: `configuration`, `upstream`, `token`, `permission`,
    /// `organizations`, `sddcs`, `issuer`, `shared`, `traces`, `callers`, `secret`, `certificate`,
    /// `port`, `file`.
    pub(super) name: &'static str,
    /// How it went.
    pub(super) status: StepStatus,
    /// What was found, in a sentence.
    pub(super) message: String,
    /// More of it, a line each.
    pub(super) details: Vec<String>,
    /// What to do, where it is not good.
    pub(super) remedy: Option<String>,
}

impl CheckStep {
    fn new(name: &'static str, status: StepStatus, message: String) -> Self {
        Self { name, status, message, details: Vec::new(), remedy: None }
    }

    /// A step that is as it should be.
    pub(super) fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, StepStatus::Ok, message.into())
    }

    /// A step that works but is probably not meant.
    pub(super) fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, StepStatus::Warning, message.into())
    }

    /// A step that does not work.
    pub(super) fn failure(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, StepStatus::Failure, message.into())
    }

    /// Adds what to do.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds lines.
    pub(super) fn details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }
}

/// All steps, in the order in which they were taken.
#[derive(Debug, Default)]
pub(super) struct CheckReport {
    pub(super) steps: Vec<CheckStep>,
    /// What each caller may do; empty where access is open.
    pub(super) callers: Vec<CallerRow>,
}

impl CheckReport {
    /// How many steps went so.
    pub(super) fn count(&self, status: StepStatus) -> usize {
        self.steps.iter().filter(|step| step.status == status).count()
    }

    /// The worst of its steps.
    pub(super) fn status(&self) -> StepStatus {
        self.steps.iter().map(|step| step.status).max().unwrap_or(StepStatus::Ok)
    }

    /// 0, or 1 after a failure, and with `strict` after a warning too.
    pub(super) fn outcome(&self, strict: bool) -> Result<(), ExitCode> {
        match self.status() {
            StepStatus::Ok => Ok(()),
            StepStatus::Warning if !strict => Ok(()),
            StepStatus::Warning | StepStatus::Failure => Err(ExitCode::FAILURE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_fails_only_when_strict_and_a_failure_always() {
        let ok = CheckStep::ok("token", "good");
        let warning = CheckStep::warning("port", "taken");
        let failure = CheckStep::failure("token", "refused");
        for (steps, is_ok, is_ok_when_strict) in [
            (vec![], true, true),
            (vec![ok.clone()], true, true),
            (vec![ok.clone(), warning.clone()], true, false),
            (vec![failure, warning, ok], false, false),
        ] {
            let report = CheckReport { steps, ..CheckReport::default() };
            assert_eq!(report.outcome(false).is_ok(), is_ok, "{report:?}");
            assert_eq!(report.outcome(true).is_ok(), is_ok_when_strict, "{report:?}");
        }
    }
}
