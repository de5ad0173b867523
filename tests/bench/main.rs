//! What an answer costs: the gateway against a bare hyper server that sends the same bytes.
//!
//! Server CPU per request is the measure: on a small machine the load generator saturates first.
//! Servers take turns in one run, because the machine's speed drifts; figures are medians over the
//! rounds, with the spread. Run it with `make bench`.

#![expect(unreachable_pub, reason = "a program of its own: nobody reaches into it")]

mod crowd;
mod growth;
// The tests have a shorter one.
#[path = "../it/freshness/hour.rs"]
mod hour;
mod load;
mod polling;
mod server;

use std::{env, time::Duration};

use self::{
    load::{Load, Round},
    server::Server,
};

const ROUNDS: usize = 5;

fn main() {
    // The bench starts itself as the bare server.
    if let Some(body) = env::var_os("BARE_SERVER") {
        return server::serve_bare(body.as_ref());
    }
    // One part alone: `cargo bench --bench serve -- crowd`.
    if env::args().any(|argument| argument == "crowd") {
        return crowd::measure();
    }
    let seconds = env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let span = Duration::from_secs(seconds);
    println!("CPU per request, {ROUNDS} rounds of {seconds} s, 64 connections, in turns\n");
    for sddcs in [4, 1000] {
        compare(sddcs, span);
    }
    growth::compare(span);
    polling::hour();
    start_and_memory();
    println!();
    crowd::measure();
}

/// The list, and a 304, against the bare server's same bytes and its smallest answer.
fn compare(sddcs: usize, span: Duration) {
    let gateway = Server::gateway(sddcs);
    let answer = gateway.answer();
    let bare = Server::bare(&answer.body);
    let smallest = Server::bare(b"");
    println!("{sddcs} SDDCs, {} bytes", answer.body.len());
    let (key, known) = (server::authorization(), ("If-None-Match".to_owned(), answer.etag));
    let loads = [
        ("bare hyper, the same bytes", Load::new(&bare, &[])),
        ("gateway, GET /sddcs", Load::new(&gateway, std::slice::from_ref(&key))),
        ("bare hyper, no bytes", Load::new(&smallest, &[])),
        ("gateway, 304", Load::new(&gateway, &[key, known])),
    ];
    for (_, load) in &loads {
        load.run(Duration::from_secs(1));
    }
    let mut rounds: Vec<Vec<Round>> = loads.iter().map(|_| Vec::new()).collect();
    for turn in 0..ROUNDS {
        for step in 0..loads.len() {
            let at = (turn + step) % loads.len();
            rounds[at].push(loads[at].1.run(span));
        }
    }
    let head = ["CPU µs", "ratio", "req/s", "p50 µs", "p99 µs"];
    println!(
        "  {:<28} {:>8} {:>17} {:>9} {:>9} {:>9}",
        "", head[0], head[1], head[2], head[3], head[4]
    );
    for (at, (name, _)) in loads.iter().enumerate() {
        // Each pair has its own bare server: the same bytes, or none.
        let reference = &rounds[at / 2 * 2];
        let ratios = rounds[at].iter().zip(reference).map(|(one, other)| one.cpu_us / other.cpu_us);
        let (low, mid, high) = spread(ratios.collect());
        let median = |of: fn(&Round) -> f64| spread(rounds[at].iter().map(of).collect()).1;
        println!(
            "  {name:<28} {:>8.2} {:>17} {:>9.0} {:>9.0} {:>9.0}",
            median(|round| round.cpu_us),
            format!("{mid:.2} ({low:.2}-{high:.2})"),
            median(|round| round.per_second),
            median(|round| round.p50_us),
            median(|round| round.p99_us),
        );
    }
    println!();
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
