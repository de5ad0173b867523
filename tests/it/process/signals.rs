//! Signals, and the end.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::DEADLINE;

use super::run::{Cloud, SECRET, Served, ask_meanwhile, gateway, new_key, until};

#[test]
fn sigterm_is_told_first_and_a_second_signal_cuts_it_short() {
    for second in [Signal::TERM, Signal::INT] {
        let cloud = Cloud::start(&[]);
        let mut served = gateway(&[])
            .of(&cloud)
            .with_secret(SECRET)
            .with("SDDC_GATEWAY_API__DRAIN_DELAY", "1h")
            .serve();
        let answer = served.get("/sddcs");
        assert_eq!((answer.status, served.ready().status), (200, 200));
        served.signal(Signal::TERM);
        served.process.line("shutting down");
        let ready = served.ready();
        assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
        assert_eq!(served.get("/readyz").status, 503);
        assert_eq!(served.get("/livez").status, 200);
        let mut stream = TcpStream::connect(served.api).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"GET /sddcs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        served.signal(second);
        let ended = served.process.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[test]
fn what_is_in_flight_at_sigterm_is_finished() {
    let cloud = Cloud::start(&[]);
    cloud.delay_reads(1500);
    let mut served = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", "100ms")
        .serve();
    let slow = ask_meanwhile(served.api, "/sddcs");
    until("the slow request", || served.in_flight() == "1");
    served.signal(Signal::TERM);
    served.process.line("shutting down");
    let answer = slow.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 4);
    let ended = served.process.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("\"message\":\"ended\""), "{}", ended.stderr);
}

/// Sends a request on a connection of its own.
fn open(served: &Served, path: &str, header: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(served.api).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n").unwrap();
    BufReader::new(stream)
}

/// Reads lines until some text has come.
fn read_until(stream: &mut impl BufRead, text: &str) {
    let mut lines = String::new();
    while !lines.contains(text) {
        assert_ne!(stream.read_line(&mut lines).unwrap(), 0, "{text} never came: {lines}");
    }
}

#[test]
fn sigterm_answers_who_waits_and_lets_event_streams_live_until_accepting_stops() {
    let cloud = Cloud::start(&[]);
    let served = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "1s")
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", "1h")
        .serve();
    assert_eq!(served.get("/sddcs").status, 200);
    let tasks = served.get("/tasks").json();
    let sddc = tasks["items"].as_array().unwrap().iter().find_map(|task| task["sddc_id"].as_str());
    let sddc = format!("/sddcs/{}?wait=100s", sddc.unwrap());
    let task = format!("/tasks/{}?wait=100s", tasks["items"][0]["id"].as_str().unwrap());
    let mut waiting = ["/sddcs?wait=100s", "/tasks?wait=100s", &sddc, &task]
        .map(|path| open(&served, path, "If-None-Match: *\r\n"));
    let mut watching = open(&served, "/sddcs/events", "");
    read_until(&mut watching, "event: sync");
    until("five watchers", || served.figure("sddc_gateway_watchers") == "5");
    served.signal(Signal::TERM);
    let answered = |waiting: &mut BufReader<TcpStream>| {
        let mut answer = String::new();
        waiting.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 304"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    };
    waiting.iter_mut().for_each(answered);
    // A wait that begins now ends at once, and a stream that begins now lives as the first one does.
    answered(&mut open(&served, "/sddcs?wait=100s", "If-None-Match: *\r\n"));
    let mut late = open(&served, "/sddcs/events", "");
    read_until(&mut late, "event: sync");
    cloud.control("POST", "/__sddcs", &json!({"name": "a-late-one"}));
    read_until(&mut watching, "a-late-one");
    read_until(&mut late, "a-late-one");
    // This ends the delay, and all that is left.
    served.signal(Signal::TERM);
    assert_eq!(served.process.ended().code, Some(0));
}

#[test]
fn sigint_skips_the_delay_but_not_what_is_in_flight() {
    let cloud = Cloud::start(&[]);
    let slow = json!({"target": "vmc", "path": "*/tasks", "kind": "delay", "delay_ms": 1000});
    cloud.control("POST", "/__faults", &slow);
    let mut served = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
        .with("SDDC_GATEWAY_API__DRAIN_DELAY", "1h")
        .serve();
    // A connection that nobody uses must not be waited for.
    let idle = TcpStream::connect(served.api).unwrap();
    let mut watching = open(&served, "/sddcs/events", "");
    read_until(&mut watching, "event: sync");
    let slow = ask_meanwhile(served.api, "/tasks");
    until("the slow request", || served.in_flight() == "1");
    served.signal(Signal::INT);
    served.process.line("shutting down");
    let answer = slow.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    // An event stream ends, whole.
    read_until(&mut watching, "\r\n0\r\n");
    assert_eq!(served.process.ended().code, Some(0));
    drop(idle);
}

/// Tells a gateway to end that has one request, which hangs, and an audit; then looks for the two
/// lines about it.
pub fn is_cut_on_record(mut served: Served, second: Option<Signal>, audit: &Path) {
    until("it hangs", || served.in_flight() == "1");
    served.signal(Signal::TERM);
    served.process.line("shutting down");
    if let Some(second) = second {
        served.signal(second);
    }
    let ended = served.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let records = fs::read_to_string(audit).unwrap();
    for (text, what) in [(&ended.stderr, "sddc_gateway::access"), (&records, "\"caller\"")] {
        let mut lines = text.lines().filter(|line| line.contains(what));
        let line: Value = serde_json::from_str(lines.next().expect(text)).unwrap();
        assert_eq!(lines.next(), None);
        assert_eq!(line["http.response.status_code"], 503, "{line}");
        assert_eq!(line["http.route"], "/tasks", "{line}");
        assert_eq!(line["caller"], "billing", "{line}");
    }
}

#[test]
fn what_is_in_flight_at_the_end_of_a_drain_is_answered_503_and_recorded() {
    let cloud = Cloud::start(&[]);
    let hang = json!({"target": "vmc", "path": "*/tasks", "kind": "hang"});
    cloud.control("POST", "/__faults", &hang);
    let folder = TempDir::new().unwrap();
    let caller = new_key("billing");
    for (drain, second) in [("100ms", None), ("1h", Some(Signal::TERM))] {
        let audit = folder.path().join(format!("{drain}.jsonl"));
        let served = gateway(&["serve"])
            .of(&cloud)
            .with_secret(SECRET)
            .with("SDDC_GATEWAY_ACCESS__KEYS", &caller.variable)
            .with("SDDC_GATEWAY_TELEMETRY__AUDIT", &audit)
            .with("SDDC_GATEWAY_API__DRAIN_DELAY", "0s")
            .with("SDDC_GATEWAY_API__DRAIN", drain)
            .serve();
        let mut hanging = TcpStream::connect(served.api).unwrap();
        let key = &caller.key;
        write!(
            hanging,
            "GET /tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
        )
        .unwrap();
        is_cut_on_record(served, second, &audit);
        let mut answer = String::new();
        hanging.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\"code\":\"shutting-down\""), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    }
}

#[test]
fn a_hangup_says_which_keys_of_the_main_file_need_a_restart() {
    let (cloud, folder) = (Cloud::start(&[]), TempDir::new().unwrap());
    let path = folder.path().join("gateway.toml");
    let text = "[inventory]\npoll = \"30s\"\n[api]\nmax_watchers = 100\n";
    fs::write(&path, text).unwrap();
    let mut served =
        gateway(&[]).of(&cloud).with_secret(SECRET).with("SDDC_GATEWAY_CONFIG", &path).serve();
    // Other lines, and the same values.
    fs::write(&path, format!("# a comment\n\n{text}")).unwrap();
    served.signal(Signal::HUP);
    fs::write(&path, text.replace("30s", "40s").replace("max_watchers = 100", "")).unwrap();
    served.signal(Signal::HUP);
    let line = served.process.line("these keys take effect after a restart");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["keys"], "api.max_watchers, inventory.poll", "{line}");
    fs::write(&path, text.replace("30s", "soon")).unwrap();
    served.signal(Signal::HUP);
    let line = served.process.line("a restart would fail");
    assert!(line.contains("inventory.poll: "), "{line}");
}
