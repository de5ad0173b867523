//! What it writes to standard error.

use std::{
    fs,
    io::{BufRead, Read, Write},
    net::TcpStream,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::run::{
    Cloud, SECRET, Served, addresses, bearer, dead_address, file, gateway, new_key, own_address,
    until,
};

#[test]
fn rust_log_is_ignored() {
    let cloud = Cloud::start(&[]);
    let served = gateway(&[]).of(&cloud).with_secret(SECRET).with("RUST_LOG", "trace").serve();
    assert_eq!(served.get("/sddcs").status, 200);
    let ended = served.interrupt();
    for line in ended.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let level = line["level"].as_str().unwrap();
        assert!(!matches!(level, "DEBUG" | "TRACE"), "{line}");
    }
}

#[test]
fn the_log_at_trace_holds_no_secret_and_each_line_is_json() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let secret = "CANARY-client+secret/%:ü";
    let cloud = Cloud::start(&["--client-secret", secret]);
    let key = new_key("billing");
    let served = gateway(&[])
        .of(&cloud)
        .with_secret(secret)
        .with("SDDC_GATEWAY_ACCESS__KEYS", &key.variable)
        .with("SDDC_GATEWAY_TELEMETRY__LOG", "trace")
        .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
        .with("SDDC_GATEWAY_INVENTORY__FRESH", "0s")
        .serve();
    assert_eq!(bearer(served.api, "/sddcs", &key.key).status, 200);
    assert_eq!(bearer(served.api, "/orgs", "sgw_CANARY-wrong-key").status, 401);
    // Pasted where it does not belong.
    let misplaced = format!("/{0}?{0}={0}", key.key);
    assert_eq!(bearer(served.api, &misplaced, &key.key).status, 404);
    assert_eq!(bearer(served.api, &format!("/sddcs/{}", key.key), &key.key).status, 404);
    // A token that VMC refuses, bodies that cannot be read, and a refused mint.
    cloud.control("PATCH", "/__csp", &json!({"revoke_tokens": true}));
    bearer(served.api, "/sddcs", &key.key);
    for kind in ["garbage", "truncate", "reset"] {
        let fault = json!({"target": "vmc", "path": "*", "kind": kind, "times": 1});
        cloud.control("POST", "/__faults", &fault);
        bearer(served.api, "/sddcs", &key.key);
    }
    // What is no HTTP, which is told at debug.
    let mut garbage = TcpStream::connect(served.api).unwrap();
    garbage.write_all(format!("{}\r\n\r\n", key.key).as_bytes()).unwrap();
    garbage.read_to_string(&mut String::new()).unwrap();
    drop(garbage);
    let mut log = served.interrupt().stderr;
    let refused = gateway(&[])
        .of(&cloud)
        .with_secret("CANARY-refused")
        .with("SDDC_GATEWAY_TELEMETRY__LOG", "trace")
        .serve();
    assert_eq!(refused.get("/sddcs").status, 502);
    log += &refused.interrupt().stderr;
    let mut levels = Vec::new();
    for line in log.lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(event["timestamp"].is_string() && event["message"].is_string(), "{line}");
        let level = event["level"].as_str().unwrap().to_owned();
        if matches!(&*level, "DEBUG" | "TRACE") {
            let target = event["target"].as_str().unwrap();
            assert!(target.starts_with("sddc_gateway"), "{line}");
        }
        levels.push(level);
    }
    assert!(levels.iter().any(|level| level == "DEBUG" || level == "TRACE"), "{log}");
    let basic = BASE64_STANDARD.encode(format!("demo-app:{secret}"));
    for text in ["CANARY", "Q0FOQVJZLXRva2VuL", &*key.key, "client+secret", &*basic, "sgw_"] {
        assert!(!log.contains(text), "{text} is in\n{log}");
    }
}

#[test]
fn each_file_in_use_is_named_at_the_start() {
    let (cloud, folder) = (Cloud::start(&[]), TempDir::new().unwrap());
    let keys = file(&folder, "keys", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=\n");
    let url = file(&folder, "url", &format!("redis://{}\n", dead_address()));
    let served = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_KEYS__FILE", keys.to_str().unwrap())
        .with("SDDC_GATEWAY_SHARED__REDIS_URL_FILE", url.to_str().unwrap())
        .serve();
    let log = served.interrupt().stderr;
    let line = log.lines().find(|line| line.contains("files in use")).unwrap();
    for (key, path) in [("keys.file", &keys), ("shared.redis_url_file", &url)] {
        assert!(line.contains(&format!("{key}={}", path.display())), "{line}");
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_it() {
    let cloud = Cloud::start(&[]);
    let (process, mut stderr) = gateway(&[]).of(&cloud).with_secret(SECRET).start_with_own_stderr();
    let mut started = String::new();
    while !started.contains("\"message\":\"started\"") {
        started.clear();
        assert!(stderr.read_line(&mut started).unwrap() > 0, "it ended");
    }
    let (api, ops) = addresses(&started);
    drop(stderr);
    let served = Served { process, api, ops };
    for _ in 0..20 {
        assert_eq!(served.get("/sddcs").status, 200);
    }
    assert_eq!(served.ready().status, 200);
    served.signal(Signal::INT);
    assert_eq!(served.process.ended().code, Some(0));
}

#[test]
fn a_full_disk_below_the_log_does_not_end_it() {
    let cloud = Cloud::start(&[]);
    let (api, ops) = (own_address(1, 8080), own_address(1, 9090));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let process = gateway(&[])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_API__LISTEN", api.to_string())
        .with("SDDC_GATEWAY_OPS__LISTEN", ops.to_string())
        .with_stderr(full)
        .start();
    let served = Served { process, api, ops };
    until("it listens", || TcpStream::connect(api).is_ok());
    for _ in 0..20 {
        assert_eq!(served.get("/sddcs").status, 200);
    }
    served.signal(Signal::INT);
    assert_eq!(served.process.ended().code, Some(0));
}
