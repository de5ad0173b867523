//! Whether the certificates and CRLs that the configuration names are valid, and for how long.

use jiff::Timestamp;

use super::report::CheckStep;
use crate::{
    config::Config,
    validity::{DatedFile, Finding, Severity},
};

/// A step or more for each file.
pub(super) fn check(config: &Config, now: Timestamp) -> Vec<CheckStep> {
    config.dated_files().iter().flat_map(|file| steps(file, now)).collect()
}

fn steps(file: &DatedFile, now: Timestamp) -> Vec<CheckStep> {
    let (key, path) = (file.key, file.file.path().display());
    let dates = match file.dates() {
        Ok(dates) => dates,
        Err(error) => {
            return vec![
                CheckStep::warning(
                    "certificate",
                    format!("{key}: the dates of {path} cannot be read: {error}"),
                )
                .remedy(format!("check the content of {path}")),
            ];
        }
    };
    let findings = dates.findings(now);
    if findings.is_empty() {
        let until = dates.not_after().map_or_else(
            || "without an end".to_owned(),
            |end| format!("until {}", end.strftime("%Y-%m-%dT%H:%M:%SZ")),
        );
        return vec![CheckStep::ok("certificate", format!("{key}: {path} is valid {until}"))];
    }
    findings.into_iter().map(|finding| step(file, finding)).collect()
}

fn step(file: &DatedFile, Finding { severity, text }: Finding) -> CheckStep {
    let message = format!("{}: {}: {text}", file.key, file.file.path().display());
    let step = match severity {
        Severity::Failure => CheckStep::failure("certificate", message),
        Severity::Warning => CheckStep::warning("certificate", message),
    };
    step.remedy("replace it in the file; the gateway re-reads the file while it runs")
}
