#!/usr/bin/env bash
# A Rust parser of the Prometheus text format cuts label values at a comma and loses others, and their samples, without an error.
#
# Software: crates.io prometheus-parse 0.2.5; control: PyPI prometheus_client 0.26.0, and the crate on a plain value.
# Expected: the Prometheus text format: a label value is any text between quotes, in which a backslash, a quote and a line feed are
#   escaped; a metric name may have colons.
# Seen: of "a,b" is left "a"; a value "=" is gone, label and all; lines with a brace in a value or a colon in the name are skipped, which
#   is so for every recording rule; escapes stay as they are. Two series of a route and a path may fall into one.
# Output (2026-11-30), label values or samples read by prometheus_client / prometheus-parse:
#   x{l="plain"} 1: plain / plain
#   x{l="a,b"} 1: a,b / a
#   x{l="="} 1: = / no label
#   x{l="/sddcs/{id}"} 1: /sddcs/{id} / no sample
#   x{l="a\\b"} 1: a\b / a\\b
#   job:x{l="plain"} 1: plain / no sample
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --quiet install prometheus_client==0.26.0
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "try"
version = "0.0.0"
edition = "2021"

[dependencies]
prometheus-parse = "=0.2.5"
TOML
cat >lines.txt <<'TEXT'
x{l="plain"} 1
x{l="a,b"} 1
x{l="="} 1
x{l="/sddcs/{id}"} 1
x{l="a\\b"} 1
job:x{l="plain"} 1
TEXT
venv/bin/python - >control.txt <<'PY'
from prometheus_client.parser import text_string_to_metric_families as parse

for line in open("lines.txt"):
    (family,) = parse(line)
    print(family.samples[0].labels["l"])
PY
cat >src/main.rs <<'RUST'
fn main() {
    let lines = std::fs::read_to_string("lines.txt").unwrap();
    let control = std::fs::read_to_string("control.txt").unwrap();
    let right = ["plain", "a,b", "=", "/sddcs/{id}", "a\\b", "plain"];
    assert_eq!(control.lines().collect::<Vec<_>>(), right, "the control has changed");
    let expected = ["plain", "a", "no label", "no sample", "a\\\\b", "no sample"];
    for ((line, right), expected) in lines.lines().zip(right).zip(expected) {
        let scrape = prometheus_parse::Scrape::parse(std::iter::once(Ok(line.to_owned()))).unwrap();
        let seen = match scrape.samples.first() {
            None => "no sample",
            Some(sample) => sample.labels.get("l").unwrap_or("no label"),
        };
        println!("{line}: {right} / {seen}");
        assert_eq!(seen, expected, "the behaviour has changed");
    }
}
RUST
cargo run --quiet
