//! What an answer costs, and what is held, as everything but the list grows: callers, organizations, and the
//! revisions that fifty watchers see.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use futures_util::future::join_all;
use sddc_gateway::access::CallerKey;
use support::http;
use tempfile::TempDir;

use crate::{
    ROUNDS,
    crowd::{Kind, Member},
    load::Load,
    server::{self, KEY, KEY_SHA256, Server},
    turns::{self, Turn},
};

const SIZES: [usize; 4] = [1, 10, 100, 1000];
const WATCHERS: usize = 50;
/// One a second, as a list is polled at most so often: five minutes.
const REVISIONS: usize = 300;

/// A table of each.
pub fn compare(span: Duration) {
    println!("callers and organizations: {ROUNDS} rounds of {span:?}, 64 connections, in turns\n");
    callers(span);
    orgs(span);
    revisions();
}

/// 4 SDDCs, asked for by one caller after the other.
fn callers(span: Duration) {
    let folder = TempDir::new().expect("a temporary folder");
    let gateways = SIZES.map(|count| {
        let keys: Vec<_> =
            (0..count).map(|_| CallerKey::generate().expect("there is chance")).collect();
        let file = folder.path().join(format!("{count}.toml"));
        fs::write(&file, callers_file(&keys)).expect("the temporary folder has room");
        let file = file.display().to_string();
        let gateway = Server::gateway_with(4, &[("ACCESS__CALLERS_FILE", &file)]);
        (count, gateway, in_turn(folder.path(), &keys))
    });
    let turns = gateways.iter().map(|(count, gateway, script)| {
        let load = Load::new(gateway, &[]).scripted(script);
        Turn::new(format!("{count} callers"), 0, move |span| load.run(span))
    });
    turns::compare(&turns.collect::<Vec<_>>(), ROUNDS, span);
}

fn callers_file(keys: &[CallerKey]) -> String {
    let mut file = String::new();
    for (at, key) in keys.iter().enumerate() {
        let _ = write!(
            file,
            "[[callers]]\nname = \"caller-{at}\"\nkey_sha256 = [\"{}\"]\n",
            key.digest()
        );
    }
    file
}

/// A script of `wrk`'s that sends the keys in turn.
fn in_turn(folder: &Path, keys: &[CallerKey]) -> std::path::PathBuf {
    let script = folder.join(format!("{}.lua", keys.len()));
    let keys: Vec<_> = keys.iter().map(|key| format!("\"{}\"", key.reveal())).collect();
    let text = format!(
        "local requests, at = {{}}, 0\n\
         function init()\n\
           for place, key in ipairs({{{}}}) do\n\
             requests[place] = wrk.format(\"GET\", \"/sddcs\", {{ [\"Authorization\"] = \"Bearer \" .. key }})\n\
           end\n\
         end\n\
         function request()\n\
           at = at % #requests + 1\n\
           return requests[at]\n\
         end\n",
        keys.join(", ")
    );
    fs::write(&script, text).expect("the temporary folder has room");
    script
}

/// 1000 SDDCs, of which a page of 4 is asked for, in more and more organizations.
fn orgs(span: Duration) {
    let keys = format!("bench:{KEY_SHA256}");
    let gateways =
        SIZES.map(|orgs| (orgs, Server::gateway_of_orgs(orgs, 1000, &[("ACCESS__KEYS", &keys)])));
    let key = [server::authorization()];
    let turns = gateways.iter().map(|(orgs, gateway)| {
        let load = Load::new(gateway, &key).on("/sddcs?limit=4", 64);
        Turn::new(format!("{orgs} organizations"), 0, move |span| load.run(span))
    });
    turns::compare(&turns.collect::<Vec<_>>(), ROUNDS, span);
    for (orgs, gateway) in &gateways {
        println!("  {orgs} organizations: {:.1} MiB", gateway.resident_mib());
    }
    println!();
}

/// 1000 SDDCs, one of which is renamed again as soon as all have seen its last name.
pub fn revisions() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let keys = format!("bench:{KEY_SHA256}");
        let settings = [("ACCESS__KEYS", &*keys), ("INVENTORY__POLL", "1s")];
        let gateway = Server::gateway_with(1000, &settings);
        let list: serde_json::Value =
            serde_json::from_slice(&gateway.answer().body).expect("the list is JSON");
        let id = list["items"][500]["id"].as_str().expect("an id").to_owned();
        let watch = (0..WATCHERS).map(|_| Member::open(&gateway, Kind::Stream, "", KEY));
        let mut watchers = join_all(watch).await;
        let (begun, start) = (server::now(), gateway.resident_mib());
        for revision in 0..REVISIONS {
            gateway.rename(&id, &format!("revision {revision}"));
            join_all(watchers.iter_mut().map(|it| it.until("event: changed"))).await;
            gateway.answer();
        }
        let (took, end) = (begun.elapsed().as_secs_f64(), gateway.resident_mib());
        // Nothing changes: it is answered when its time is over, and by then what is kept of old revisions is gone.
        for _ in 0..14 {
            let (tag, (name, key)) = (gateway.answer().etag, server::authorization());
            let head = format!(
                "GET /sddcs?wait=5s HTTP/1.1\r\nHost: localhost\r\n{name}: {key}\r\nIf-None-Match: {tag}\r\n\
                 Connection: close\r\n\r\n"
            );
            http::exchange(gateway.address(), &head).expect("an answer");
        }
        let after = gateway.resident_mib();
        println!(
            "{REVISIONS} revisions of 1000 SDDCs in {took:.0} s, {WATCHERS} watchers: {start:.1} MiB before, {end:.1} \
             MiB after the last, {after:.1} MiB a minute later ({:.2} x), at most {:.1} MiB\n",
            after / start,
            gateway.peak_mib()
        );
    });
}
