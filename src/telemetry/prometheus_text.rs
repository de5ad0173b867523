//! From `OpenMetrics` to the Prometheus text format 0.0.4.

use std::fmt::Write;

/// The same page in the text format 0.0.4, whose families are named as their samples are: a
/// counter's with `_total`. It has neither units nor an end, and fewer types. Samples are the same in
/// both, as there are no exemplars.
pub fn prometheus_text(open_metrics: &str) -> String {
    let mut page = String::with_capacity(open_metrics.len());
    // The help comes before the type, which decides its name.
    let mut help = None;
    for line in open_metrics.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            page.push_str(line);
            page.push('\n');
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("HELP"), Some(name), text) => help = Some((name, text.unwrap_or_default())),
            (Some("TYPE"), Some(name), Some(kind)) => {
                let (kind, suffix) = match kind {
                    "counter" => ("counter", "_total"),
                    "info" => ("gauge", "_info"),
                    "stateset" => ("gauge", ""),
                    "unknown" => ("untyped", ""),
                    kind => (kind, ""),
                };
                if let Some((_, text)) = help.take_if(|(named, _)| *named == name) {
                    // A quote is escaped in OpenMetrics only.
                    let text = text.replace("\\\"", "\"");
                    let _ = writeln!(page, "# HELP {name}{suffix} {text}");
                }
                let _ = writeln!(page, "# TYPE {name}{suffix} {kind}");
            }
            // `# UNIT`, `# EOF`.
            _ => {}
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_their_samples_and_nothing_of_openmetrics_is_left() {
        let open_metrics = "\
# HELP requests Requests \\\"answered\\\".
# TYPE requests counter
requests_total{path=\"# EOF\"} 1
# HELP took_seconds Time.
# TYPE took_seconds histogram
# UNIT took_seconds seconds
took_seconds_sum 0.5
took_seconds_count 2
took_seconds_bucket{le=\"+Inf\"} 2
# HELP build What runs.
# TYPE build info
build_info{version=\"1\"} 1
# HELP odd Nobody knows.
# TYPE odd unknown
odd 3
# EOF
";
        let text = "\
# HELP requests_total Requests \"answered\".
# TYPE requests_total counter
requests_total{path=\"# EOF\"} 1
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_sum 0.5
took_seconds_count 2
took_seconds_bucket{le=\"+Inf\"} 2
# HELP build_info What runs.
# TYPE build_info gauge
build_info{version=\"1\"} 1
# HELP odd Nobody knows.
# TYPE odd untyped
odd 3
";
        assert_eq!(prometheus_text(open_metrics), text);
    }
}
