//! Each way in which CSP or VMC can go wrong, at each place where the gateway asks (contract
//! section 6): what the caller is told, and what it costs the upstream.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::StatusCode;
use sddc_gateway::simulator::{self, Fault, FaultKind, Target};

use crate::harness::{Answer, Captured, Cloud, Setup, TestGateway, clock};

/// A place where the gateway asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Mint,
    Discovery,
    Sddcs,
}

use Place::{Discovery, Mint, Sddcs};

impl Place {
    const ALL: [Self; 3] = [Mint, Discovery, Sddcs];

    fn fault(self) -> Fault {
        match self {
            Mint => Fault::on(Target::Csp, "*/auth/token"),
            Discovery => Fault::on(Target::Vmc, "/vmc/api/orgs"),
            Sddcs => Fault::on(Target::Vmc, "*/sddcs"),
        }
    }

    fn asked(self, cloud: &Cloud) -> u64 {
        let stats = cloud.simulator.stats();
        match self {
            Mint => stats.mint_attempts(),
            Discovery => stats.org_list_reads(),
            Sddcs => stats.sddc_list_reads(),
        }
    }
}

/// The status and the code that callers are told.
type Told = (u16, &'static str);

const UNAVAILABLE: Told = (503, "upstream-unavailable");
const TIMEOUT: Told = (504, "upstream-timeout");
const CONTRACT: Told = (502, "upstream-contract");
const REJECTED: Told = (502, "upstream-credentials-rejected");

/// What goes wrong, what callers are told, and what the operator reads in the log.
type Case = (&'static str, fn(Fault) -> Fault, Told, &'static str);

const CASES: [Case; 15] = [
    ("reset", |fault| fault.kind(FaultKind::Reset), UNAVAILABLE, "connection"),
    ("truncate", |fault| fault.kind(FaultKind::Truncate), UNAVAILABLE, "the connection broke"),
    (
        "drip",
        |fault| fault.kind(FaultKind::Drip).after(Duration::from_millis(20)),
        TIMEOUT,
        "no whole answer within",
    ),
    ("hang", |fault| fault.kind(FaultKind::Hang), TIMEOUT, "no whole answer within"),
    ("garbage", |fault| fault.kind(FaultKind::Garbage), CONTRACT, "a body that is not"),
    ("html", |fault| fault.kind(FaultKind::Html), CONTRACT, "a content type other than JSON"),
    ("empty", |fault| fault.kind(FaultKind::Empty), CONTRACT, "a content type other than JSON"),
    ("empty JSON", |fault| fault.body(""), CONTRACT, "a body that is not"),
    ("redirect", |fault| fault.kind(FaultKind::Redirect), CONTRACT, "unexpected status 302"),
    ("429", |fault| fault.status(429).retry_after(7), UNAVAILABLE, "too many requests (429)"),
    ("500", |fault| fault.status(500), UNAVAILABLE, "server error (500"),
    ("503", |fault| fault.kind(FaultKind::Html).status(503), UNAVAILABLE, "server error (503"),
    ("504", |fault| fault.status(504), UNAVAILABLE, "server error (504"),
    ("huge", |fault| fault.kind(FaultKind::Huge), CONTRACT, "an answer of more than"),
    ("gzip bomb", |fault| fault.kind(FaultKind::GzipBomb), CONTRACT, "an answer of more than"),
];

/// A cloud whose organization no other test has: its id tells whose log events are whose.
async fn own_cloud() -> Cloud {
    static SEED: AtomicU64 = AtomicU64::new(1000);
    let seed = SEED.fetch_add(1, Ordering::Relaxed);
    Cloud::start(&clock(), simulator::Options { seed, ..simulator::Options::default() }).await
}

/// A gateway whose tries and answers are bounded tightly.
async fn gateway(cloud: &Cloud, place: Place) -> TestGateway {
    let setup = Setup::on_demand(cloud).with(|config| {
        config.vmc.timeout = Duration::from_millis(300);
        config.vmc.max_body = 1024 * 1024;
    });
    match place {
        Discovery => setup.start().await,
        Mint | Sddcs => setup.with_configured_orgs(cloud).start().await,
    }
}

/// An answer well before a request's own deadline of 30 s.
async fn get_in_time(gateway: &TestGateway, path: &str) -> Answer {
    let answer = tokio::time::timeout(Duration::from_secs(15), gateway.get(path)).await;
    answer.expect("an answer in time")
}

/// The events at `warn` and above that tell of `org`; of the list of orgs, where no org is known.
fn told_in_log(place: Place, org: &str) -> String {
    let mark = if place == Discovery { "organizations not refreshed" } else { org };
    let events = Captured::events();
    let events = events.lines().filter(|line| {
        line.contains(mark) && (line.contains("\"WARN\"") || line.contains("\"ERROR\""))
    });
    events.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn without_a_picture_each_fault_is_told_at_once_and_costs_one_call() {
    for place in Place::ALL {
        for (name, fault, told, logged) in CASES {
            let cloud = own_cloud().await;
            cloud.simulator.script(fault(place.fault()));
            let gateway = gateway(&cloud, place).await;
            for _ in 0..2 {
                let answer = get_in_time(&gateway, "/sddcs").await;
                let (status, code) = answer.told();
                assert_eq!((status, &*code), told, "{place:?}: {name}");
                assert_eq!(place.asked(&cloud), 1, "{place:?}: {name}");
                if name == "429" {
                    assert_eq!(answer.header("retry-after"), "7", "{place:?}");
                } else if told == UNAVAILABLE {
                    assert_eq!(answer.header("retry-after"), "1", "{place:?}: {name}");
                }
            }
            let events = told_in_log(place, &cloud.simulator.org_ids()[0]);
            assert!(events.contains(logged), "{place:?}: {name}: {events}");
        }
    }
    assert!(!Captured::events().contains("CANARY"));
}

#[tokio::test]
async fn a_4xx_is_told_by_what_it_means_at_each_place() {
    for (place, status, told) in [
        (Mint, 400, REJECTED),
        (Mint, 401, REJECTED),
        (Mint, 403, REJECTED),
        (Mint, 404, CONTRACT),
        (Discovery, 400, CONTRACT),
        (Discovery, 401, REJECTED),
        (Discovery, 403, REJECTED),
        (Discovery, 404, CONTRACT),
        (Sddcs, 400, CONTRACT),
        (Sddcs, 401, REJECTED),
        (Sddcs, 403, REJECTED),
    ] {
        let cloud = own_cloud().await;
        cloud.simulator.script(place.fault().status(status));
        let gateway = gateway(&cloud, place).await;
        let answer = get_in_time(&gateway, "/sddcs").await;
        let (seen, code) = answer.told();
        assert_eq!((seen, &*code), told, "{place:?}: {status}");
        assert_eq!(place.asked(&cloud), 1, "{place:?}: {status}");
        let events = told_in_log(place, &cloud.simulator.org_ids()[0]);
        assert!(events.contains(&status.to_string()), "{place:?}: {status}: {events}");
    }
}

#[tokio::test]
async fn a_400_of_vmc_does_not_close_the_gate() {
    let cloud = own_cloud().await;
    cloud.simulator.script(Sddcs.fault().status(400).times(1));
    let gateway = gateway(&cloud, Sddcs).await;
    assert_eq!(gateway.get("/sddcs").await.code(), "upstream-contract");
    assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
}

#[tokio::test]
async fn nobody_at_the_other_end_is_an_upstream_that_is_unavailable() {
    let cloud = own_cloud().await;
    let nobody = {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", socket.local_addr().unwrap())
    };
    for place in Place::ALL {
        let setup = Setup::on_demand(&cloud).with(|config| match place {
            Mint => config.csp.url = nobody.parse().unwrap(),
            Discovery | Sddcs => config.vmc.url = nobody.parse().unwrap(),
        });
        let setup = if place == Sddcs { setup.with_configured_orgs(&cloud) } else { setup };
        let gateway = setup.start().await;
        let answer = get_in_time(&gateway, "/sddcs").await;
        assert_eq!(answer.told(), (503, "upstream-unavailable".to_owned()), "{place:?}");
        assert_eq!(answer.header("retry-after"), "1", "{place:?}");
    }
    let events = told_in_log(Sddcs, &cloud.simulator.org_ids()[0]);
    assert!(events.contains("no connection"), "{events}");
}

#[tokio::test]
async fn with_a_picture_each_fault_costs_freshness_only() {
    for (name, fault, (status, code), _) in CASES {
        let cloud = own_cloud().await;
        let gateway = gateway(&cloud, Sddcs).await;
        let before = gateway.get("/sddcs").await;
        assert_eq!(before.served(), "fwd=miss; stored");
        cloud.simulator.script(fault(Sddcs.fault()));
        gateway.advance(90);
        let answer = get_in_time(&gateway, "/sddcs").await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &before.body), "{name}");
        let told = format!("fwd=stale; fwd-status={status}; detail=stale-{code}");
        assert_eq!((answer.served(), answer.header("age")), (&*told, "90"), "{name}");
        let held = get_in_time(&gateway, "/sddcs").await;
        assert_eq!(held.served(), format!("hit; ttl=-30; detail=stale-{code}"), "{name}");
        assert_eq!(cloud.sddc_reads(), 2, "{name}");
        // The gate's first hold is a second at most, `Retry-After` was seven.
        cloud.simulator.clear_faults();
        gateway.advance(7);
        assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored", "{name}");
    }
}

#[tokio::test]
async fn with_a_picture_a_csp_that_fails_costs_freshness_only() {
    for (name, fault, (_, code), _) in CASES {
        let cloud = own_cloud().await;
        let gateway = gateway(&cloud, Mint).await;
        let before = gateway.get("/sddcs").await;
        cloud.simulator.script(fault(Mint.fault()));
        // The token has ended, and the background task asks for another one meanwhile.
        gateway.advance(1800);
        let answer = get_in_time(&gateway, "/sddcs").await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &before.body), "{name}");
        let told = format!("detail=stale-{code}");
        assert!(answer.served().ends_with(&told), "{name}: {}", answer.served());
        assert_eq!((cloud.mint_attempts(), cloud.sddc_reads()), (2, 1), "{name}");
    }
}
