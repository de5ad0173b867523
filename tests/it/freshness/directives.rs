//! Request directives (contract section 4.3, RFC 9111 section 5.2.1, RFC 5861 section 4).

use std::time::Duration;

use futures_util::{future::join_all, join};
use http::{Method, StatusCode};
use sddc_gateway::{
    access::Scope,
    simulator::{Fault, FaultKind, Target},
};
use serde_json::json;

use super::{MODES, Mode, SDDCS, ask, figure, paths, reads, slow, until_waiting};
use crate::harness::{Answer, Setup, TestGateway, cloud};

#[tokio::test]
async fn no_cache_is_answered_from_a_read_of_its_own_on_every_path() {
    for mode in MODES {
        let cloud = cloud().await;
        let gateway = mode.on_demand(&cloud).await;
        for path in paths(&cloud) {
            gateway.get(&path).await;
            // The list of orgs is read beside answers that are not made from it.
            let is_beside = mode == Mode::Discovered && !path.starts_with("/orgs");
            let is_beside = is_beside || path.contains("/sddcs");
            let count = || {
                let beside = cloud.simulator.stats().org_list_reads;
                reads(&cloud) - if is_beside { beside } else { 0 }
            };
            let before = count();
            for directive in ["no-cache", "max-age=0"] {
                // Six a minute.
                gateway.advance(11);
                let answer = ask(&gateway, &path, directive).await;
                let told = (answer.status, answer.served(), answer.header("age"));
                assert_eq!(told, (StatusCode::OK, "fwd=miss; stored", "0"), "{mode:?} {path}");
            }
            // The tasks of an SDDC are made from two lists.
            let lists = if path.ends_with("/tasks") && path.contains("sddcs") { 2 } else { 1 };
            assert_eq!(count(), before + 2 * lists, "{mode:?} {path}");
            assert_eq!(gateway.get(&path).await.served(), "hit; ttl=60", "{mode:?} {path}");
        }
    }
}

#[tokio::test]
async fn no_cache_shows_what_has_changed_since() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let id = cloud.simulator.sddc_ids()[0].clone();
    let path = format!("/sddcs/{id}");
    let before = gateway.get(&path).await;
    cloud.simulator.patch_sddc(&id, json!({ "name": "changed" }));
    assert_eq!(gateway.get(&path).await.header("etag"), before.header("etag"));
    assert_eq!(ask(&gateway, &path, "no-cache").await.json()["name"], "changed");
    // So is what is not there any more.
    cloud.simulator.delete_sddc(&id);
    gateway.advance(1);
    assert_eq!(ask(&gateway, &path, "no-cache").await.code(), "sddc-not-found");
}

#[tokio::test]
async fn max_age_costs_a_read_only_where_the_answer_is_older() {
    for mode in MODES {
        let cloud = cloud().await;
        let gateway = mode.on_demand(&cloud).await;
        for path in paths(&cloud) {
            gateway.get(&path).await;
            ask(&gateway, &path, "no-cache").await;
            gateway.advance(10);
            let before = reads(&cloud);
            let young = ask(&gateway, &path, "max-age=10").await;
            assert_eq!((young.served(), reads(&cloud)), ("hit; ttl=50", before), "{path}");
            let old = ask(&gateway, &path, "max-age=9").await;
            assert_eq!((old.served(), old.header("age")), ("fwd=miss; stored", "0"), "{path}");
            assert!(reads(&cloud) > before, "{path}");
            // More than fresh is no less than what everybody gets.
            gateway.advance(60);
            assert_eq!(ask(&gateway, &path, "max-age=90").await.served(), "fwd=miss; stored");
        }
    }
}

#[tokio::test]
async fn who_comes_during_a_forced_read_shares_the_next_one() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    gateway.advance(10);
    slow(&cloud, 1);
    let first = ask(&gateway, "/sddcs", "no-cache");
    let later = async {
        gateway.until("first read", async |_| cloud.sddc_reads() == 2).await;
        // What changes after the first read has begun may not be in it.
        let id = cloud.simulator.sddc_ids()[0].clone();
        cloud.simulator.patch_sddc(&id, json!({ "name": "changed" }));
        join_all((0..4).map(|_| ask(&gateway, "/sddcs", "no-cache"))).await
    };
    let bearing = async {
        until_waiting(&gateway, 5).await;
        ask(&gateway, "/sddcs", "max-age=5").await
    };
    let clock = async {
        until_waiting(&gateway, 6).await;
        // The first and who bears an age are answered; the others wait for the second to be over.
        let over = async |gateway: &TestGateway| {
            figure(gateway, "sddc_gateway_http_in_flight").await <= Some(4)
        };
        gateway.until("first read over", over).await;
        assert_eq!(cloud.sddc_reads(), 2);
        gateway.advance(1);
    };
    let (first, later, bearing, ()) = join!(first, later, bearing, clock);
    assert_eq!(first.served(), "fwd=miss; stored");
    assert_eq!(bearing.served(), "fwd=miss; collapsed", "recent enough");
    assert!(later.iter().all(|answer| answer.names().contains(&"changed".to_owned())));
    let stored = later.iter().filter(|answer| answer.served() == "fwd=miss; stored").count();
    let shared = later.iter().filter(|answer| answer.served() == "fwd=miss; collapsed").count();
    assert_eq!((stored, shared, cloud.sddc_reads()), (1, 3, 3));
}

#[tokio::test]
async fn reads_are_forced_no_closer_together_than_a_second() {
    let cloud = cloud().await;
    let (setup, other) = Setup::on_demand(&cloud).with_caller("second", &[Scope::SddcRead]);
    let gateway = setup.start().await;
    gateway.get("/sddcs").await;
    assert_eq!(ask(&gateway, "/sddcs", "no-cache").await.served(), "fwd=miss; stored");
    for second in 1..4 {
        let headers = [("cache-control", "no-cache"), ("x-api-key", other.reveal())];
        let mine = ask(&gateway, "/sddcs", "no-cache");
        let theirs = gateway.send_bare(Method::GET, "/sddcs", &headers);
        let clock = async {
            until_waiting(&gateway, 2).await;
            assert_eq!(cloud.sddc_reads(), 1 + second, "both wait for the second to be over");
            gateway.advance(1);
        };
        let (mine, theirs, ()) = join!(mine, theirs, clock);
        assert_eq!((mine.header("age"), theirs.header("age")), ("0", "0"));
        assert_eq!(cloud.sddc_reads(), 2 + second, "one for both");
    }
}

#[tokio::test]
async fn a_forced_read_that_fails_leaves_the_snapshot() {
    let cloud = cloud().await;
    let setup =
        Setup::on_demand(&cloud).with(|config| config.vmc.timeout = Duration::from_millis(300));
    let gateway = setup.start().await;
    gateway.get("/sddcs").await;
    gateway.advance(30);
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(429).retry_after(9).times(1));
    let told = |answer: Answer| {
        (answer.status.as_u16(), answer.header("age").to_owned(), answer.served().to_owned())
    };
    let stale = |age: &str, how: &str| (200, age.to_owned(), how.to_owned());
    let failed = "fwd=stale; fwd-status=503; detail=stale-upstream-unavailable";
    assert_eq!(told(ask(&gateway, "/sddcs", "no-cache").await), stale("30", failed));
    gateway.advance(1);
    // The circuit is open: nothing is asked.
    let held = "hit; ttl=29; detail=stale-upstream-unavailable";
    assert_eq!(told(ask(&gateway, "/sddcs", "max-age=5").await), stale("31", held));
    assert_eq!(cloud.sddc_reads(), 2);
    gateway.advance(9);
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).kind(FaultKind::Hang).times(1));
    let late = "fwd=stale; fwd-status=504; detail=stale-upstream-timeout";
    assert_eq!(told(ask(&gateway, "/sddcs", "no-cache").await), stale("40", late));
    gateway.advance(2);
    assert_eq!(ask(&gateway, "/sddcs", "no-cache").await.served(), "fwd=miss; stored");
}

#[tokio::test]
async fn only_if_cached_never_asks_upstream() {
    for mode in MODES {
        let cloud = cloud().await;
        let gateway = mode.on_demand(&cloud).await;
        for path in paths(&cloud) {
            let answer = ask(&gateway, &path, "only-if-cached").await;
            assert_eq!(answer.told(), (504, "not-cached".to_owned()), "{mode:?} {path}");
        }
        assert_eq!(reads(&cloud), 0, "{mode:?}");
        for path in paths(&cloud) {
            gateway.get(&path).await;
        }
        gateway.advance(100);
        let before = reads(&cloud);
        for path in paths(&cloud) {
            let answer = ask(&gateway, &path, "only-if-cached").await;
            let told = (answer.status, answer.served(), answer.header("age"));
            let stale = "hit; ttl=-40; detail=stale-only-if-cached";
            assert_eq!(told, (StatusCode::OK, stale, "100"), "{mode:?} {path}");
            let bounded = ask(&gateway, &path, "only-if-cached, max-age=99").await;
            assert_eq!(bounded.told(), (504, "not-cached".to_owned()), "{mode:?} {path}");
            let both = ask(&gateway, &path, "no-cache, only-if-cached").await;
            assert_eq!(both.told(), (504, "not-cached".to_owned()), "{mode:?} {path}");
        }
        assert_eq!(reads(&cloud), before, "{mode:?}");
    }
}

#[tokio::test]
async fn stale_if_error_bounds_how_old_an_answer_may_be_during_an_outage() {
    const STALE: u64 = 24 * 3600;
    for mode in MODES {
        let cloud = cloud().await;
        let gateway = mode.on_demand(&cloud).await;
        for path in paths(&cloud) {
            gateway.get(&path).await;
        }
        let ages = paths(&cloud);
        cloud.simulator.script(Fault::on(Target::Vmc, "*").status(503));
        gateway.advance(90);
        for path in &ages {
            // The first of these finds out that there is an outage.
            gateway.get(path).await;
            for (directive, status) in [
                ("stale-if-error=30", 200),
                ("stale-if-error=29", 503),
                ("stale-if-error=0", 503),
                ("max-age=90, stale-if-error=30", 200),
                ("stale-if-error=29, stale-if-error=40", 503),
                ("stale-if-error=nonsense", 200),
                ("only-if-cached, stale-if-error=30", 200),
            ] {
                let answer = ask(&gateway, path, directive).await;
                assert_eq!(answer.status, status, "{mode:?} {path} {directive}");
            }
        }
        gateway.advance(STALE + 1 - 90);
        for path in &ages {
            let answer = ask(&gateway, path, "stale-if-error=999999").await;
            assert_eq!(answer.code(), "upstream-unavailable", "{mode:?} {path}: never above stale");
        }
    }
}

#[tokio::test]
async fn who_bears_nothing_stale_waits_until_the_read_has_failed() {
    let cloud = cloud().await;
    let setup =
        Setup::on_demand(&cloud).with(|config| config.vmc.timeout = Duration::from_millis(1500));
    let gateway = setup.start().await;
    gateway.get("/sddcs").await;
    gateway.advance(61);
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).kind(FaultKind::Hang));
    let (strict, lax) = join!(ask(&gateway, "/sddcs", "stale-if-error=0"), gateway.get("/sddcs"));
    assert_eq!(strict.told(), (504, "upstream-timeout".to_owned()));
    assert_eq!(lax.served(), "hit; ttl=-1; detail=stale-refresh-pending");
}

#[tokio::test]
async fn what_is_no_directive_is_ignored() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    gateway.advance(30);
    for directives in [
        "",
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age=99999999999999999999",
        "no-store",
        "no-cachex",
        "\"no-cache\"",
        "x=\"no-cache\"",
        "min-fresh=50, max-stale",
        ";;;,,,===",
    ] {
        let answer = ask(&gateway, "/sddcs", directives).await;
        assert_eq!(
            (answer.status, answer.served()),
            (StatusCode::OK, "hit; ttl=30"),
            "{directives}"
        );
    }
    assert_eq!(cloud.sddc_reads(), 1);
    let garbage_first = ask(&gateway, "/sddcs", "max-age=x, ,=, NO-CACHE").await;
    assert_eq!(garbage_first.served(), "fwd=miss; stored");
}
