//! A process that is stopped, and goes on.

use rustix::process::Signal;

use super::run::{Cloud, SECRET, ask, ask_meanwhile, gateway, until};

/// Mints a token as the gateway does.
fn mint(cloud: &Cloud) -> String {
    let head = "POST /csp/gateway/am/api/auth/token HTTP/1.1\r\nHost: localhost\r\n\
        Authorization: Basic ZGVtby1hcHA6ZGVtby1zZWNyZXQ=\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = ask(cloud.address, head, "grant_type=client_credentials");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn refused(cloud: &Cloud) -> u64 {
    cloud.stats()["unauthorized"].as_u64().unwrap()
}

#[test]
fn no_token_that_ended_meanwhile_is_sent_and_no_age_is_too_low() {
    let cloud = Cloud::start(&["--token-ttl", "3"]);
    let served = gateway(&["serve"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "0s")
        .with("SDDC_GATEWAY_INVENTORY__FRESH", "1s")
        .serve();
    assert_eq!(served.get("/sddcs").status, 200);
    served.signal(Signal::STOP);
    // A younger token than the gateway's has ended: so has that one, and the snapshot is old.
    let younger = mint(&cloud);
    let before = refused(&cloud);
    let head =
        format!("GET /vmc/api/orgs HTTP/1.1\r\nHost: localhost\r\ncsp-auth-token: {younger}\r\n");
    until("the end of a token", || ask(cloud.address, &head, "").status == 401);
    served.signal(Signal::CONT);
    let askers: Vec<_> = (0..20).map(|_| ask_meanwhile(served.api, "/sddcs")).collect();
    for asker in askers {
        let answer = asker.join().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let age = answer.head.lines().find_map(|line| line.strip_prefix("age: ")).unwrap();
        let is_stale = answer.head.contains("detail=stale-");
        assert!(age.parse::<u64>().unwrap() <= 1 || is_stale, "{answer:?}");
    }
    assert_eq!(refused(&cloud), before + 1, "the test's own");
    assert_eq!(served.interrupt().code, Some(0));
}
