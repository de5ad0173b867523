//! What an answer costs: the gateway against a bare hyper server that sends the same bytes.
//!
//! Server CPU per request is the measure: on a small machine the load generator saturates first.
//! Servers take turns in one run, because the machine's speed drifts; figures are medians over the
//! rounds, with the spread. Run it with `make bench`.

#![expect(unreachable_pub, reason = "a program of its own: nobody reaches into it")]

mod access;
mod crowd;
mod drop_in;
mod growth;
mod kinds;
mod load;
mod overload;
mod polling;
mod replicas;
mod rivals;
mod scale;
mod server;
mod turns;

use std::{env, time::Duration};

use self::{load::Load, server::Server, turns::Turn};

const ROUNDS: usize = 5;

fn main() {
    // The bench starts itself as the bare server.
    if let Some(body) = env::var_os("BARE_SERVER") {
        return server::serve_bare(body.as_ref());
    }
    let seconds = env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let span = Duration::from_secs(seconds);
    // One part alone: `cargo bench --profile dist --bench serve -- crowd`.
    let alone = |part: &str| env::args().any(|argument| argument == part);
    if alone("crowd") {
        return crowd::measure();
    }
    if alone("access") {
        return access::compare(span);
    }
    if alone("overload") {
        return overload::measure();
    }
    if alone("drop_in") {
        return drop_in::compare(span);
    }
    if alone("kinds") {
        return kinds::compare(span);
    }
    if alone("replicas") {
        return replicas::measure();
    }
    if alone("rivals") {
        return rivals::compare(span);
    }
    if alone("growth") {
        growth::compare(span);
        return scale::compare(span);
    }
    if alone("revisions") {
        return scale::revisions();
    }
    println!("CPU per request, {ROUNDS} rounds of {seconds} s, 64 connections, in turns\n");
    for sddcs in [4, 1000] {
        compare(sddcs, span);
    }
    rivals::compare(span);
    kinds::compare(span);
    drop_in::compare(span);
    growth::compare(span);
    scale::compare(span);
    polling::hour();
    start_and_memory();
    println!();
    crowd::measure();
    access::compare(span);
    overload::measure();
    replicas::measure();
}

/// The list, and a 304, against the bare server's same bytes and its smallest answer.
fn compare(sddcs: usize, span: Duration) {
    let gateway = Server::gateway(sddcs);
    let answer = gateway.answer();
    let bare = Server::bare(&answer.body);
    let smallest = Server::bare(b"");
    println!("{sddcs} SDDCs, {} bytes", answer.body.len());
    let (key, known) = (server::authorization(), ("If-None-Match".to_owned(), answer.etag));
    // Each pair has its own bare server: the same bytes, or none.
    let loads = [
        ("bare hyper, the same bytes", 0, Load::new(&bare, &[])),
        ("gateway, GET /sddcs", 0, Load::new(&gateway, std::slice::from_ref(&key))),
        ("bare hyper, no bytes", 2, Load::new(&smallest, &[])),
        ("gateway, 304", 2, Load::new(&gateway, &[key, known])),
    ];
    let turns =
        loads.map(|(name, reference, load)| Turn::new(name, reference, move |span| load.run(span)));
    turns::compare(&turns, ROUNDS, span);
}

fn start_and_memory() {
    let starts = (0..ROUNDS).map(|_| Server::gateway(4).ready_ms).collect();
    let (low, mid, high) = spread(starts);
    println!("start to ready, 4 SDDCs: {mid:.0} ms ({low:.0}-{high:.0})");
    let gateway = Server::gateway(1000);
    println!(
        "resident with 1000 SDDCs, after the first GET /sddcs: {:.1} MiB",
        gateway.resident_mib()
    );
}

fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}
