//! How a report is shown: lines for people as the steps are taken, or one JSON document at the end.

use clap::ValueEnum;
use serde::Serialize;

use super::{
    callers::{self, CallerRow},
    report::{CheckReport, CheckStep, StepStatus},
};
use crate::cli::say;

/// How `check` writes its report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// The document of `--format json`.
#[derive(Serialize)]
struct ReportDocument<'a> {
    /// `ok`, `warning` or `failure`: the worst of the steps.
    status: StepStatus,
    failures: usize,
    warnings: usize,
    steps: &'a [CheckStep],
    callers: &'a [CallerRow],
}

/// A report that is written while it grows.
#[derive(Debug, Default)]
pub(super) struct ReportWriter {
    format: ReportFormat,
    pub(super) report: CheckReport,
}

impl ReportWriter {
    pub(super) fn new(format: ReportFormat) -> Self {
        Self { format, report: CheckReport::default() }
    }

    /// Adds a step; as text it is shown at once.
    pub(super) fn add(&mut self, step: CheckStep) {
        if self.format == ReportFormat::Text {
            lines(&step).iter().for_each(say);
        }
        self.report.steps.push(step);
    }

    /// Adds several.
    pub(super) fn extend(&mut self, steps: impl IntoIterator<Item = CheckStep>) {
        steps.into_iter().for_each(|step| self.add(step));
    }

    /// Adds the table of callers.
    pub(super) fn callers(&mut self, rows: Vec<CallerRow>) {
        if self.format == ReportFormat::Text && !rows.is_empty() {
            for line in callers::table(&rows) {
                say(format_args!("{INDENT}{line}"));
            }
        }
        self.report.callers = rows;
    }

    /// Ends it: a line that sums it up, or the document.
    pub(super) fn finish(self) -> CheckReport {
        match self.format {
            ReportFormat::Text => say(summary(&self.report)),
            ReportFormat::Json => say(json(&self.report)),
        }
        self.report
    }
}

/// Under the first letter of a step's message.
const INDENT: &str = "      ";

fn lines(step: &CheckStep) -> Vec<String> {
    let mark = match step.status {
        StepStatus::Ok => "ok",
        StepStatus::Warning => "warn",
        StepStatus::Failure => "FAIL",
    };
    let more = step.details.iter().chain(&step.remedy).map(|line| format!("{INDENT}{line}"));
    std::iter::once(format!("{mark:<5} {}", step.message)).chain(more).collect()
}

fn summary(report: &CheckReport) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    format!(
        "{}, {}",
        count(report.count(StepStatus::Failure), "failure"),
        count(report.count(StepStatus::Warning), "warning")
    )
}

fn json(report: &CheckReport) -> String {
    let document = ReportDocument {
        status: report.status(),
        failures: report.count(StepStatus::Failure),
        warnings: report.count(StepStatus::Warning),
        steps: &report.steps,
        callers: &report.callers,
    };
    serde_json::to_string_pretty(&document).expect("texts and numbers make JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> CheckReport {
        let token = CheckStep::ok("token", "token of org o-1").details(["organization o-1".into()]);
        let port = CheckStep::warning("port", "api.listen: taken").remedy("free it");
        CheckReport { steps: vec![token, port], ..CheckReport::default() }
    }

    #[test]
    fn a_step_is_a_line_with_what_to_do_below_it() {
        let lines: Vec<_> = report().steps.iter().flat_map(lines).collect();
        let expected = [
            "ok    token of org o-1",
            "      organization o-1",
            "warn  api.listen: taken",
            "      free it",
        ];
        assert_eq!(lines, expected);
        assert_eq!(summary(&report()), "0 failures, 1 warning");
    }

    #[test]
    fn the_document_holds_every_step_and_the_worst_of_them() {
        let document: serde_json::Value = serde_json::from_str(&json(&report())).unwrap();
        let expected = serde_json::json!({
            "status": "warning", "failures": 0, "warnings": 1,
            "steps": [
                {"name": "token", "status": "ok", "message": "token of org o-1",
                 "details": ["organization o-1"], "remedy": null},
                {"name": "port", "status": "warning", "message": "api.listen: taken",
                 "details": [], "remedy": "free it"},
            ],
            "callers": [],
        });
        assert_eq!(document, expected);
    }
}
