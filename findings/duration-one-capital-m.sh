#!/usr/bin/env bash
# "1M" is a month for one duration crate and a minute for another.
#
# Software: crates.io humantime 2.4.0, duration-str 0.21.0; control: both on "1m" and "5min".
# Expected: two crates that read the same small language of "1h 30m" for configuration files agree on what they accept;
#   humantime documents M as months and m as minutes, and systemd.time(7) does the same.
# Seen: duration-str does not look at the case, so a value moved from one program's file to another's is 43 834 times
#   shorter, without an error.
# Output (2026-11-30), seconds:
#   1m: humantime 60, duration-str 60
#   5min: humantime 300, duration-str 300
#   1M: humantime 2630016, duration-str 60
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "try"
version = "0.0.0"
edition = "2021"

[dependencies]
humantime = "=2.4.0"
duration-str = { version = "=0.21.0", default-features = false }
TOML
cat >src/main.rs <<'RUST'
fn ask(text: &str) -> (u64, u64) {
    let seen = (
        humantime::parse_duration(text).unwrap().as_secs(),
        duration_str::parse_std(text).unwrap().as_secs(),
    );
    println!("{text}: humantime {}, duration-str {}", seen.0, seen.1);
    seen
}

fn main() {
    assert_eq!(ask("1m"), (60, 60), "the control has changed");
    assert_eq!(ask("5min"), (300, 300), "the control has changed");
    assert_eq!(ask("1M"), (2_630_016, 60), "the behaviour has changed");
}
RUST
cargo run --quiet
