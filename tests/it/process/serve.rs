//! `serve`: what starts it, and files that are re-read.

use std::{fs, net::TcpListener};

use rustix::process::Signal;
use tempfile::TempDir;

use super::run::{Cloud, SECRET, bearer, dead_address, file, gateway, new_key, until};

#[test]
fn three_settings_serve_the_sddcs() {
    let cloud = Cloud::start(&[]);
    let folder = TempDir::new().unwrap();
    let key = new_key("billing");
    for arguments in [&["serve"][..], &[]] {
        let secret = file(&folder, "secret", "demo-secret\n");
        let served = gateway(arguments)
            .of(&cloud)
            .with("SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE", secret)
            .with("SDDC_GATEWAY_ACCESS__KEYS", &key.variable)
            .serve();
        let log = &served.process.stderr;
        assert!(log.contains("\"access\":\"callers\",\"callers\":1"), "{log}");
        assert!(log.contains("\"files\":\"csp.client_secret_file="), "{log}");
        let answer = bearer(served.api, "/sddcs", &key.key);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["items"].as_array().unwrap().len(), 4);
        assert_eq!(served.interrupt().code, Some(0));
    }
}

#[test]
fn a_corrected_secret_file_is_taken_up_without_a_restart() {
    let cloud = Cloud::start(&[]);
    let folder = TempDir::new().unwrap();
    let secret = file(&folder, "secret", "wrong\n");
    let served =
        gateway(&[]).of(&cloud).with("SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE", &secret).serve();
    let answer = served.get("/sddcs");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.json()["code"], "upstream-credentials-rejected");
    let ready = served.ready();
    assert_eq!(ready.status, 503, "{ready:?}");
    let token = ready.json()["orgs"][0]["token"].clone();
    assert_eq!(token["last_error"], "upstream-credentials-rejected");
    fs::write(&secret, "demo-secret\n").unwrap();
    served.signal(Signal::HUP);
    until("recovery", || served.get("/sddcs").status == 200);
    assert_eq!(served.ready().status, 200);
    assert_eq!(served.interrupt().code, Some(0));
}

#[test]
fn sighup_never_ends_it_even_with_nothing_to_read_again() {
    let cloud = Cloud::start(&[]);
    let served = gateway(&[]).of(&cloud).with_secret(SECRET).serve();
    served.signal(Signal::HUP);
    assert_eq!(served.get("/sddcs").status, 200);
    let ended = served.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_port_in_use_is_told_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["api.listen", "ops.listen"] {
        let variable = format!("SDDC_GATEWAY_{}", key.replace('.', "__").to_ascii_uppercase());
        let nowhere = format!("http://{}", dead_address());
        let ended = gateway(&["serve"])
            .with("SDDC_GATEWAY_API__LISTEN", "127.0.0.1:0")
            .with("SDDC_GATEWAY_OPS__LISTEN", "127.0.0.1:0")
            .with("SDDC_GATEWAY_CSP__URL", nowhere)
            .with("SDDC_GATEWAY_CSP__CLIENT_ID", "demo-app")
            .with_secret(SECRET)
            .with(&variable, &address)
            .run();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = format!("{key}: the gateway cannot listen on {address}");
        assert!(ended.stderr.contains(&told), "{told} is not in {}", ended.stderr);
    }
}

#[test]
fn core_dumps_are_off_wherever_a_secret_is_held() {
    let cloud = Cloud::start(&[]);
    let served = gateway(&[]).of(&cloud).with_secret(SECRET).serve();
    let any = "127.0.0.1:0";
    let mut demo =
        gateway(&["demo", "--listen", any, "--ops-listen", any, "--control-listen", any]).start();
    demo.line("Paste one of these");
    for pid in [served.process.child.id(), demo.child.id()] {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let numbers: Vec<_> = line.split_whitespace().skip(4).take(2).collect();
        assert_eq!(numbers, ["0", "0"], "{line}");
    }
}
