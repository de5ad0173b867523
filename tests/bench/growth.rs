//! What an answer costs as the number of SDDCs grows: by question, from the snapshot and after a change.

use std::time::Duration;

use crate::{
    load::{Load, Round},
    server::{self, Server},
    spread,
};

const SIZES: [usize; 4] = [4, 100, 1000, 10_000];
const ROUNDS: usize = 2;
const CONNECTIONS: u32 = 8;
/// As many reads as a caller may force in a minute.
const CHANGES: usize = 5;

/// A table of every size and question, each beside a bare server that sends the same bytes.
pub fn compare(span: Duration) {
    let head =
        ["bytes", "p50 µs", "bare", "req/s", "bare", "CPU µs", "ratio", "first ms", "again ms"];
    println!("growth: {ROUNDS} rounds of {span:?}, {CONNECTIONS} connections, in turns;");
    println!("first and again: one new connection each, after a change upstream\n");
    println!(
        "  {:>6} {:<22} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>6} {:>9} {:>9}",
        "SDDCs",
        "",
        head[0],
        head[1],
        head[2],
        head[3],
        head[4],
        head[5],
        head[6],
        head[7],
        head[8]
    );
    for sddcs in SIZES {
        let gateway = Server::gateway(sddcs);
        let (id, questions) = questions(&gateway);
        let changed = after_changes(&gateway, &id, &questions);
        for (question, (first, again)) in questions.iter().zip(changed) {
            line(&gateway, sddcs, question, span, first, again);
        }
    }
    println!();
}

/// What is asked, by name and path; and the id of the one that is asked for.
fn questions(gateway: &Server) -> (String, [(&'static str, String); 4]) {
    let page: serde_json::Value =
        serde_json::from_slice(&gateway.answer().body).expect("the list is JSON");
    let items = page["items"].as_array().expect("items");
    let id = items[items.len() / 2]["id"].as_str().expect("an id").to_owned();
    let one = format!("/sddcs/{id}");
    let questions = [
        ("whole list", "/sddcs".to_owned()),
        ("state=READY", "/sddcs?state=READY".to_owned()),
        ("fields=id,name,state", "/sddcs?fields=id,name,state".to_owned()),
        ("one id", one),
    ];
    (id, questions)
}

fn line(
    gateway: &Server,
    sddcs: usize,
    (name, path): &(&'static str, String),
    span: Duration,
    first: f64,
    again: f64,
) {
    let bytes = gateway.ask(path, "").body;
    let bare = Server::bare(&bytes);
    let key = server::authorization();
    let loads = [
        Load::new(gateway, std::slice::from_ref(&key)).on(path, CONNECTIONS),
        Load::new(&bare, &[]).on("/", CONNECTIONS),
    ];
    let mut rounds = [Vec::new(), Vec::new()];
    for turn in 0..ROUNDS {
        for step in 0..2 {
            let at = (turn + step) % 2;
            rounds[at].push(loads[at].run(span));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "rounds are few")]
    let mean = |at: usize, of: fn(&Round) -> f64| {
        rounds[at].iter().map(of).sum::<f64>() / rounds[at].len() as f64
    };
    let cpu = [mean(0, |round| round.cpu_us), mean(1, |round| round.cpu_us)];
    println!(
        "  {sddcs:>6} {name:<22} {:>9} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>9.1} {:>6.2} {first:>9.2} {again:>9.2}",
        bytes.len(),
        mean(0, |round| round.p50_us),
        mean(1, |round| round.p50_us),
        mean(0, |round| round.per_second),
        mean(1, |round| round.per_second),
        cpu[0],
        cpu[0] / cpu[1],
    );
}

/// The first answer after a change, which is encoded, and the next one, which is there.
fn after_changes(
    gateway: &Server,
    id: &str,
    questions: &[(&'static str, String)],
) -> Vec<(f64, f64)> {
    let mut took = vec![(Vec::new(), Vec::new()); questions.len()];
    for change in 0..CHANGES {
        gateway.rename(id, &format!("changed {change}"));
        // The snapshot is new when this is answered; nothing of what is measured is made by it.
        gateway.ask(&format!("/sddcs/{id}?fields=name"), "Cache-Control: no-cache\r\n");
        for ((_, path), (first, again)) in questions.iter().zip(&mut took) {
            first.push(gateway.ask(path, "").took_ms);
            again.push(gateway.ask(path, "").took_ms);
        }
    }
    took.into_iter().map(|(first, again)| (spread(first).1, spread(again).1)).collect()
}
