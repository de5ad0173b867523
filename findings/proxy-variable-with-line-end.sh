#!/usr/bin/env bash
# reqwest goes past the proxy without a word if the variable that names it ends with a line end.
#
# Software: crates.io reqwest 0.13.5 (blocking); control: the same text given to Proxy::all of the same crate, and the variable without
#   the line end.
# Expected: reqwest documents that proxies from the environment are used by default; a value that it takes in its builder means the
#   same in the variable, or it raises, as curl does ("Unsupported proxy syntax").
# Seen: the value does not parse and is ignored, so requests are sent directly. In a network that lets only the proxy out they time
#   out, and nothing tells that the variable was the cause; a Secret or a file made with echo ends with a line end.
# Output (2026-11-30), who answers:
#   without a line end: builder the proxy, variable the proxy
#   with a line end: builder the proxy, variable the server
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
reqwest = { version = "=0.13.5", default-features = false, features = ["blocking"] }
TOML
cat >src/main.rs <<'RUST'
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn serve(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let length = name.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{name}").unwrap();
        }
    });
    port
}

fn main() {
    let origin = format!("http://127.0.0.1:{}/", serve("the server"));
    let proxy = format!("http://127.0.0.1:{}", serve("the proxy"));
    let ask = |builder: reqwest::blocking::ClientBuilder| {
        builder.build().unwrap().get(&origin).send().unwrap().text().unwrap()
    };
    let with_line_end = format!("{proxy}\n");
    for (name, value, expected) in [
        ("without", &proxy, "the proxy"),
        ("with", &with_line_end, "the server"),
    ] {
        std::env::set_var("http_proxy", value);
        let from_variable = ask(reqwest::blocking::Client::builder());
        std::env::remove_var("http_proxy");
        let by_builder = ask(reqwest::blocking::Client::builder().proxy(reqwest::Proxy::all(value).unwrap()));
        println!("{name} a line end: builder {by_builder}, variable {from_variable}");
        assert_eq!(by_builder, "the proxy", "the control has changed");
        assert_eq!(from_variable, expected, "the behaviour has changed");
    }
}
RUST
cargo build --quiet
env -u HTTP_PROXY -u ALL_PROXY -u all_proxy -u NO_PROXY -u no_proxy target/debug/try
