//! Killed, and started while VMware Cloud is down: the snapshot file answers, as old as it is.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::TcpStream,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use sddc_gateway::clock::{Clock, Instant};
use serde_json::json;
use tempfile::TempDir;

use super::run::{Answer, Cloud, SECRET, Setup, ask, gateway, own_address, until};

/// So many that a write of the file takes a while.
const SDDCS: usize = 150;

fn with_file(cloud: &Cloud, path: &Path) -> Setup {
    gateway(&[])
        .of(cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_INVENTORY__SNAPSHOT_FILE", path)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "1s")
        .with("SDDC_GATEWAY_INVENTORY__FRESH", "1s")
}

/// Files that are being written, or were when their writer was killed.
fn temporaries(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "tmp")).collect()
}

fn bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

fn age_s(answer: &Answer) -> u64 {
    let age = answer.head.lines().find_map(|line| line.strip_prefix("age: "));
    age.and_then(|age| age.parse().ok()).expect(&answer.head)
}

fn break_down(cloud: &Cloud, kind: &str) {
    for target in ["csp", "vmc"] {
        cloud.control("POST", "/__faults", &json!({"target": target, "kind": kind}));
    }
}

/// The oldest and the newest snapshot that a gateway may have.
struct Bounds {
    names: [String; 2],
    /// Before the older one was there to be read.
    from: Instant,
}

/// Starts a gateway while nothing can be read: it answers all of one snapshot.
fn answers_from_the_file(setup: Setup, bounds: &Bounds, read_until: Instant) -> String {
    let clock = Clock::system();
    let served = setup.serve();
    let least = clock.now().since(read_until).as_secs();
    let answer = served.get("/sddcs?fields=id,name");
    let most = clock.now().since(bounds.from).as_secs() + 1;
    assert_eq!(answer.status, 200, "{answer:?}");
    let age = age_s(&answer);
    assert!((least..=most).contains(&age), "{age} is not from {least} to {most}");
    let items = answer.json()["items"].as_array().cloned().unwrap();
    let ids: BTreeSet<_> = items.iter().map(|sddc| sddc["id"].to_string()).collect();
    assert_eq!(ids.len(), SDDCS);
    let marked = items.iter().filter_map(|sddc| sddc["name"].as_str());
    let marked: Vec<_> = marked.filter(|name| name.starts_with("round-")).collect();
    assert_eq!(marked.len(), 1, "{marked:?}");
    assert!(bounds.names.iter().any(|name| name == marked[0]), "{marked:?}");
    let marked = marked[0].to_owned();
    served.signal(Signal::KILL);
    served.ended();
    marked
}

#[test]
fn killed_amidst_a_write_it_has_the_old_snapshot_or_the_new_one() {
    let clock = Clock::system();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("snapshot");
    let cloud = Cloud::start(&["--sddcs", &(SDDCS - 1).to_string()]);
    let marked = "POST /__sddcs HTTP/1.1\r\nHost: localhost\r\n";
    let marked = ask(cloud.address, marked, r#"{"name": "round-0"}"#).json();
    let id = marked["id"].as_str().unwrap().to_owned();
    let mark = |round: usize| {
        let name = format!("round-{round}");
        cloud.control("PATCH", &format!("/__sddcs/{id}"), &json!({"name": name}));
        name
    };
    let mut bounds = Bounds { names: [mark(0), String::new()], from: clock.now() };
    let served = with_file(&cloud, &path).serve();
    until("a first file", || path.exists());
    served.signal(Signal::KILL);
    served.ended();
    let whole = bytes(&path);

    let mut cut = 0;
    // At its begin, amidst it, when it is as good as done, and when it is.
    for (round, quarters) in [0, 1, 2, 3, 5].into_iter().enumerate() {
        let begun = clock.now();
        bounds.names[1] = mark(round + 1);
        let (known, place) = (temporaries(&folder), inode(&path));
        let served = with_file(&cloud, &path).serve();
        until("a write", || {
            let new = temporaries(&folder).into_iter().find(|path| !known.contains(path));
            new.is_some_and(|new| bytes(&new) * 4 >= whole * quarters) || inode(&path) != place
        });
        served.signal(Signal::KILL);
        served.ended();
        let killed_at = clock.now();
        cut += usize::from(temporaries(&folder).len() > known.len());
        break_down(&cloud, "status");
        let kept = answers_from_the_file(with_file(&cloud, &path), &bounds, killed_at);
        cloud.control("DELETE", "/__faults", &json!(null));
        if kept == bounds.names[1] {
            bounds.from = begun;
        }
        bounds.names[0] = kept;
    }
    assert_eq!(bounds.names[0], "round-5", "the last write was not cut");
    assert!(cut > 0, "no write was cut");
    assert_eq!(temporaries(&folder).len(), cut);

    let long_ago = fs::metadata(&path).unwrap().modified().unwrap() - Duration::from_secs(3600);
    for left in temporaries(&folder) {
        File::options().write(true).open(left).unwrap().set_modified(long_ago).unwrap();
    }
    let newest = mark(9);
    let served = with_file(&cloud, &path).serve();
    until("a write", || fs::read_to_string(&path).unwrap().contains(&newest));
    assert_eq!(served.interrupt().code, Some(0));
    assert_eq!(temporaries(&folder).len(), 0, "what was left is swept away");
}

#[test]
fn started_while_nothing_can_be_reached_it_answers_at_once_from_the_file() {
    let clock = Clock::system();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("snapshot");
    let cloud = Cloud::start_at(own_address(4, 8081), &[]);
    let begun = clock.now();
    let served = with_file(&cloud, &path).serve();
    until("the file", || path.exists());
    let sddcs = served.get("/sddcs").body;
    assert_eq!(served.interrupt().code, Some(0));
    let ended = clock.now();
    let start = |what: &str| {
        let served = with_file(&cloud, &path)
            .with("SDDC_GATEWAY_INVENTORY__FRESH", "0s")
            .with("SDDC_GATEWAY_VMC__CONNECT_TIMEOUT", "1m")
            .with("SDDC_GATEWAY_VMC__TIMEOUT", "1m")
            .serve();
        let asked = clock.now();
        let answer = served.get("/sddcs");
        let answered = clock.now();
        assert_eq!((answer.status, &answer.body), (200, &sddcs), "{what}");
        assert!(answered.since(asked) < Duration::from_secs(10), "{what} was waited for");
        let least = asked.since(ended).as_secs();
        let most = answered.since(begun).as_secs() + 1;
        assert!((least..=most).contains(&age_s(&answer)), "{least} to {most}: {answer:?}");
        assert!(answer.head.contains("detail=stale-"), "{answer:?}");
        let ready = served.ready();
        assert_eq!(ready.status, 200, "{ready:?}");
        let org = &ready.json()["orgs"][0];
        assert_eq!(
            (&org["token"]["state"], &org["inventory"]["sddcs"]),
            (&json!("none"), &json!(4))
        );
        assert!(org["inventory"]["age_s"].as_u64().unwrap() >= least, "{ready:?}");
        served
    };
    break_down(&cloud, "hang");
    let served = start("a black hole");
    until("it counts the time", || age_s(&served.get("/sddcs")) >= 3);
    drop(served);
    cloud.process.signal(Signal::KILL);
    until("nobody listens", || TcpStream::connect(cloud.address).is_err());
    let served = start("a refusal");
    until("the truth about it", || {
        let ready = served.ready();
        assert_eq!(ready.status, 200, "{ready:?}");
        let org = ready.json()["orgs"][0].clone();
        [&org["token"], &org["inventory"]]
            .iter()
            .all(|part| part["last_error"] == "upstream-unavailable")
    });
}
