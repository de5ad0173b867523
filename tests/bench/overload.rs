//! More than the gateway can do: what it still does, and for whom.
//!
//! The peak is found by callers who wait for their answers (a closed loop). Then requests come at a
//! fixed rate, as many as the peak and many times as many, whether answers come or not (an open loop).
//! Gateway and generator have a core each. Goodput is what is answered well within a second.

mod generator;
mod probes;

use std::{fmt::Write, thread, time::Duration};

use self::{
    generator::{Generator, Mode, Tally},
    probes::{Probes, Seen},
};
use crate::{
    access::take_core_1,
    crowd::raise_open_files,
    server::{KEY, KEY_SHA256, OTHER_KEY_SHA256, Server},
};

const TIMES: [f64; 4] = [1.0, 2.0, 5.0, 10.0];
/// Callers who find the peak of what needs the processor.
const FEW: usize = 64;
/// Connections that callers have.
const MANY: usize = 2000;
/// Of a step: a few rounds of slow work, and less than a connection may wait for its first request.
const SPAN: Duration = Duration::from_secs(4);
/// Of the slow work.
const MAX_IN_FLIGHT: usize = 64;
const UPSTREAM_MS: u64 = 200;
/// Of the burst: distinct questions, and the rest after which memory is compared.
const BURST: usize = 1750;
/// With a limit each makes a question that no other one is.
const SORTS: [&str; 4] = ["name", "-name", "created_at", "-created_at"];
const REST: Duration = Duration::from_secs(20);

/// A table for each kind of work.
pub fn measure() {
    raise_open_files();
    take_core_1();
    let key = format!("bench:{KEY_SHA256},neighbour:{OTHER_KEY_SHA256}");
    let keys = ("ACCESS__KEYS", &*key);
    println!("overload: {SPAN:?} a step, {MANY} connections\n");

    let snapshot = Server::gateway_with(4, &[keys]);
    table("GET /sddcs from the snapshot", &snapshot, FEW, true, |_| "/sddcs".to_owned());
    drop(snapshot);

    let questions = Server::gateway_with(1000, &[keys]);
    let each_new = |id: u64| format!("/sddcs?q=none-{id}");
    table("1000 SDDCs, each question a new one", &questions, FEW, true, each_new);
    drop(questions);

    burst(&Server::gateway_with(1000, &[keys]));

    let most = MAX_IN_FLIGHT.to_string();
    let on_demand = [("INVENTORY__POLL", "0s"), ("INVENTORY__FRESH", "0s")];
    let bounds = [keys, on_demand[0], on_demand[1], ("API__MAX_IN_FLIGHT", &*most)];
    let slow = Server::gateway_with(4, &bounds);
    slow.answer();
    slow.delay_reads(UPSTREAM_MS);
    let name = format!("reads of {UPSTREAM_MS} ms, api.max_in_flight = {MAX_IN_FLIGHT}");
    table(&name, &slow, MAX_IN_FLIGHT, false, |_| "/sddcs".to_owned());
}

/// What many answers, asked for once, leave behind.
fn burst(server: &Server) {
    server.answer();
    let before = server.resident_mib();
    for id in 0..BURST {
        let (sort, limit) = (SORTS[id % SORTS.len()], 1 + id / SORTS.len());
        server.ask(&format!("/sddcs?sort={sort}&limit={limit}"), "");
    }
    let after = server.resident_mib();
    thread::sleep(REST);
    let rested = server.resident_mib();
    println!(
        "{BURST} distinct questions over 1000 SDDCs: RSS {before:.1} MiB before, {after:.1} after, \
         {rested:.1} {REST:?} later\n"
    );
}

/// Finds the peak with `few` callers, and then offers it many times.
fn table(name: &str, server: &Server, few: usize, from_snapshot: bool, path: fn(u64) -> String) {
    let request = |id: u64| {
        let mut text = format!("GET {} HTTP/1.1\r\n", path(id));
        let _ = write!(text, "Host: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n");
        text.into_bytes()
    };
    println!("{name}");
    println!(
        "  {:>6} {:>10} {:>10} {:>6} {:>8} {:>9} {:>9} {:>8} {:>8} {:>9} {:>7} {:>8} {:>22}",
        "load",
        "offered/s",
        "200s/s",
        "",
        "late/s",
        "503s/s",
        "no conn/s",
        "p50 ms",
        "p99 ms",
        "other p99",
        "CPU µs",
        "RSS MiB",
        "livez readyz metrics ms"
    );
    let generator = Generator::new(server.address(), &request);
    if from_snapshot {
        let quiet = Probes::start(server, from_snapshot);
        thread::sleep(SPAN);
        println!("  {:>6} {:>84.1}", "quiet", quiet.stop().other_p99_ms);
    }
    generator.run(Mode::Closed(few), SPAN);
    let peak = step("peak", server, &generator, Mode::Closed(few), from_snapshot, None);
    for times in TIMES {
        let mode = Mode::Open { per_second: peak * times, connections: MANY };
        step(&format!("{times:.0}x"), server, &generator, mode, from_snapshot, Some(peak));
    }
    println!();
}

/// One line; gives the goodput.
fn step(
    name: &str,
    server: &Server,
    generator: &Generator<'_>,
    mode: Mode,
    from_snapshot: bool,
    peak: Option<f64>,
) -> f64 {
    let probes = Probes::start(server, from_snapshot);
    let cpu = server.cpu_us();
    let tally = generator.run(mode, SPAN);
    let cpu_us = server.cpu_us() - cpu;
    let resident = server.resident_mib();
    let Seen { slowest, other_p99_ms } = probes.stop();
    let Tally { offered, good, late, shed, unsent, mut took_ms } = tally;
    took_ms.sort_by(f64::total_cmp);
    let at = |share: usize| took_ms.get(took_ms.len() * share / 100).copied().unwrap_or(f64::NAN);
    let per_second = |count: u32| f64::from(count) / SPAN.as_secs_f64();
    let goodput = per_second(good);
    let share = peak.map_or(String::new(), |peak| format!("{:.0} %", 100.0 * goodput / peak));
    println!(
        "  {name:>6} {:>10.0} {goodput:>10.0} {share:>6} {:>8.0} {:>9.0} {:>9.0} {:>8.1} {:>8.1} {other_p99_ms:>9.1} {:>7.1} {resident:>8.1} {slowest:>22}",
        per_second(offered),
        per_second(late),
        per_second(shed),
        per_second(unsent),
        at(50),
        at(99),
        cpu_us / f64::from(good + late + shed),
    );
    goodput
}
