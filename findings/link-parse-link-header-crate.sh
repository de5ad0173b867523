#!/usr/bin/env bash
# The Rust crate parse_link_header refuses an address with a comma and one that is only a query.
#
# Software: crates.io parse_link_header 0.4.1; control: crates.io http-link 1.0.1.
# Expected: RFC 8288, section 3: the target is a URI reference between < and >, so a comma within it is part of it, and
#   "?cursor=abc" (RFC 3986, section 4.2) is a relative reference as good as "/sddcs?cursor=abc".
# Seen: it splits at the comma within the brackets and wants a path in front of a query; either way there is an error
#   for the whole value, and the next page cannot be found.
# Output (2026-11-30), the address of "next":
#   </sddcs?fields=id,name>: http-link /sddcs?fields=id,name, parse_link_header error
#   <?cursor=abc>: http-link /sddcs?cursor=abc, parse_link_header error
#   </sddcs?page=2>: http-link /sddcs?page=2, parse_link_header /sddcs?page=2
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
parse_link_header = "=0.4.1"
http-link = "=1.0.1"
url = "2"
TOML
cat >src/main.rs <<'RUST'
use url::Url;

fn ask(target: &str) -> (String, String) {
    let header = format!("<{target}>; rel=\"next\"");
    let base = Url::parse("https://example.org/sddcs").unwrap();
    let links = http_link::parse_link_header(&header, &base).unwrap();
    let address = &links[0].target;
    let control = format!("{}?{}", address.path(), address.query().unwrap());
    let seen = match parse_link_header::parse_with_rel(&header) {
        Ok(links) => links["next"].raw_uri.clone(),
        Err(_) => "error".to_owned(),
    };
    println!("<{target}>: http-link {control}, parse_link_header {seen}");
    (control, seen)
}

fn main() {
    let pair = |control: &str, seen: &str| (control.to_owned(), seen.to_owned());
    assert_eq!(ask("/sddcs?fields=id,name"), pair("/sddcs?fields=id,name", "error"));
    assert_eq!(ask("?cursor=abc"), pair("/sddcs?cursor=abc", "error"));
    assert_eq!(ask("/sddcs?page=2"), pair("/sddcs?page=2", "/sddcs?page=2"), "the control has changed");
}
RUST
cargo run --quiet
