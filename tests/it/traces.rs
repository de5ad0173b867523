//! Traces: what a collector gets, and that no request waits for it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, StatusCode};
use sddc_gateway::simulator::{Fault, FaultKind, Target};
use support::collector::{Collector, Span};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use crate::harness::{BETWEEN_LOOKS, Cloud, DEADLINE, Setup, TestGateway, cloud};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const SDDCS: &str = "/vmc/api/orgs/*/sddcs";

fn sampled() -> String {
    format!("00-{TRACE}-{CALLER}-01")
}

fn traced(cloud: &Cloud, collector: &Collector) -> Setup {
    let endpoint = format!("{}/v1/traces", collector.url()).parse().unwrap();
    Setup::on_demand(cloud).with(|config| config.telemetry.otlp_endpoint = Some(endpoint))
}

/// Waits until the collector has spans that are what is wanted.
async fn until(collector: &Collector, what: &str, holds: impl Fn(&[Span]) -> bool) -> Vec<Span> {
    let wait = async {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        while !holds(&collector.spans()) {
            looks.tick().await;
        }
        collector.spans()
    };
    let came = timeout(DEADLINE, wait).await;
    came.unwrap_or_else(|_| panic!("never came: {what}: {:#?}", collector.spans()))
}

fn has(name: &str) -> impl Fn(&[Span]) -> bool {
    move |spans| spans.iter().any(|span| span.name == name)
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// The only span of this name below a span.
fn below<'a>(spans: &'a [Span], parent: &str, name: &str) -> &'a Span {
    let found = named(spans, name).into_iter().filter(|it| it.parent_id == parent);
    let [span] = found.collect::<Vec<_>>()[..] else { panic!("{name}: {spans:#?}") };
    span
}

async fn spans_at_end(gateway: TestGateway, collector: &Collector) -> Vec<Span> {
    gateway.stop().await;
    collector.spans()
}

/// Passes bytes on to an upstream, and keeps what it is asked.
async fn tap(upstream: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    async fn pass(
        mut from: tcp::OwnedReadHalf,
        mut to: tcp::OwnedWriteHalf,
        seen: Option<Arc<Mutex<Vec<u8>>>>,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if let Some(seen) = &seen {
                seen.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
    let (tasks, seen) = (TaskTracker::new(), Arc::clone(&asked));
    tasks.clone().spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(upstream).await.unwrap();
            let ((near_read, near_write), (far_read, far_write)) =
                (near.into_split(), far.into_split());
            tasks.spawn(pass(near_read, far_write, Some(seen.clone())));
            tasks.spawn(pass(far_read, near_write, None));
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_request_is_a_part_of_its_callers_trace_and_so_are_the_reads_that_it_causes() {
    let (mut cloud, collector) = (cloud().await, Collector::start());
    let (front, asked) = tap(cloud.address).await;
    cloud.address = front;
    let gateway = traced(&cloud, &collector).start().await;
    let headers = [("traceparent", &*sampled()), ("x-request-id", "job-7")];
    gateway.send(Method::GET, "/sddcs?state=READY", &headers).await;
    let line = gateway.log.text();
    let spans = spans_at_end(gateway, &collector).await;
    let request = below(&spans, CALLER, "GET /sddcs");
    assert_eq!((&*request.trace_id, request.kind, request.is_error), (TRACE, 2, false));
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/sddcs"),
        ("http.response.status_code", "200"),
        ("http.request_id", "job-7"),
        ("caller", "tester"),
        ("cache", "miss"),
        ("age_s", "0"),
    ] {
        assert_eq!(request.attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    let read = below(&spans, &request.span_id, "read sddcs");
    let attempt = below(&spans, &read.span_id, "GET sddcs");
    assert_eq!((read.kind, attempt.kind, &*attempt.trace_id), (1, 3, TRACE));
    assert_eq!(attempt.attributes["peer.service"], "vmc");
    assert_eq!(attempt.attributes["http.response.status_code"], "200");
    // A mint of the gateway's own, at its start, is a trace of its own.
    let mint = &named(&spans, "mint token")[0];
    assert!(mint.parent_id.is_empty() && mint.trace_id != TRACE, "{mint:?}");
    assert_eq!(below(&spans, &mint.span_id, "POST token").attributes["peer.service"], "csp");
    // VMware Cloud is told which try it is.
    let asked = String::from_utf8_lossy(&asked.lock().unwrap()).into_owned();
    let sent = format!("traceparent: 00-{TRACE}-{}-01\r\n", attempt.span_id);
    assert!(asked.contains(&sent), "{asked}");
    assert!(!asked.contains(CALLER) && !asked.contains("job-7"));
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "sddc-gateway");
    assert!(!resource["service.instance.id"].is_empty());
    assert!(line.contains(&format!("\"trace_id\":\"{TRACE}\"")), "{line}");
}

#[tokio::test]
async fn an_answer_from_the_snapshot_is_one_span_however_it_is_found() {
    let (cloud, collector) = (cloud().await, Collector::start());
    let gateway = traced(&cloud, &collector).start().await;
    for _ in 0..4 {
        gateway.get("/sddcs").await;
    }
    gateway.get("/nothing/of-mine?key=value").await;
    gateway.get("/livez").await;
    let line = gateway.log.text().lines().last().unwrap().to_owned();
    let spans = spans_at_end(gateway, &collector).await;
    let requests = named(&spans, "GET /sddcs");
    let results: Vec<_> = requests.iter().map(|span| &*span.attributes["cache"]).collect();
    assert_eq!(results, ["miss", "hit", "hit", "hit"]);
    let is_root = |span: &&Span| span.parent_id.is_empty() && span.trace_id.len() == 32;
    assert!(requests.iter().all(is_root), "{requests:#?}");
    let below_hits = spans.iter().filter(|it| it.trace_id == requests[1].trace_id).count();
    assert_eq!(below_hits, 1);
    // What no route is has no name of the caller's making, and probes have no span.
    let unmatched = named(&spans, "GET unmatched");
    assert!(unmatched.len() == 1 && !unmatched[0].is_error, "{spans:#?}");
    assert!(!spans.iter().any(|span| span.name.contains("livez")), "{line}");
}

#[tokio::test]
async fn each_try_is_a_span_and_says_how_it_failed() {
    let (cloud, collector) = (cloud().await, Collector::start());
    let setup = traced(&cloud, &collector).with(|config| config.vmc.retries = 2);
    let gateway = setup.start().await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(503).times(1));
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(400));
    gateway.advance(3600 * 25);
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::BAD_GATEWAY);
    let spans = spans_at_end(gateway, &collector).await;
    let tries: Vec<_> = named(&spans, "GET sddcs")
        .iter()
        .map(|span| (&*span.attributes["http.response.status_code"], span.is_error))
        .collect();
    assert_eq!(tries, [("503", true), ("200", false), ("400", true)]);
    let reads: Vec<_> = named(&spans, "read sddcs");
    assert_eq!(reads.iter().map(|span| span.is_error).collect::<Vec<_>>(), [false, true]);
    assert_eq!(reads[1].attributes["error.type"], "upstream-contract");
    let requests = named(&spans, "GET /sddcs");
    assert!(!requests[0].is_error && requests[1].is_error);
    assert_eq!(requests[1].attributes["error.type"], "upstream-contract");
}

#[tokio::test]
async fn a_try_fails_by_its_body_too_and_a_read_by_what_the_body_says() {
    for (kind, attempt, read) in [
        (FaultKind::Truncate, Some("connection"), "upstream-unavailable"),
        (FaultKind::Html, Some("upstream-contract"), "upstream-contract"),
        // A whole answer: it is the read that makes nothing of it.
        (FaultKind::Garbage, None, "upstream-contract"),
    ] {
        let (cloud, collector) = (cloud().await, Collector::start());
        let setup = traced(&cloud, &collector).with(|config| config.vmc.retries = 0);
        let gateway = setup.start().await;
        cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).kind(kind));
        gateway.get("/sddcs").await;
        let spans = spans_at_end(gateway, &collector).await;
        for (name, error) in [("GET sddcs", attempt), ("read sddcs", Some(read))] {
            let span = named(&spans, name)[0];
            assert_eq!(span.attributes.get("error.type").map(String::as_str), error, "{span:?}");
            assert_eq!(span.is_error, error.is_some(), "{span:?}");
        }
        assert_eq!(named(&spans, "GET sddcs")[0].attributes["http.response.status_code"], "200");
    }
}

#[tokio::test]
async fn a_trace_that_its_caller_does_not_record_is_not_recorded_here_and_goes_on() {
    let (mut cloud, collector) = (cloud().await, Collector::start());
    let (front, asked) = tap(cloud.address).await;
    cloud.address = front;
    let gateway = traced(&cloud, &collector).start().await;
    let unsampled = format!("00-{TRACE}-{CALLER}-00");
    gateway.send(Method::GET, "/sddcs", &[("traceparent", &unsampled)]).await;
    let spans = spans_at_end(gateway, &collector).await;
    assert!(!spans.iter().any(|span| span.trace_id == TRACE), "{spans:#?}");
    let asked = String::from_utf8_lossy(&asked.lock().unwrap()).into_owned();
    let sent = asked.lines().filter(|line| line.contains(TRACE)).collect::<Vec<_>>();
    assert!(!sent.is_empty() && sent.iter().all(|line| line.ends_with("-00")), "{asked}");
}

#[tokio::test]
async fn without_a_collector_upstreams_see_no_traceparent() {
    let mut cloud = cloud().await;
    let (front, asked) = tap(cloud.address).await;
    cloud.address = front;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.send(Method::GET, "/sddcs", &[("traceparent", &sampled())]).await;
    gateway.stop().await;
    let asked = String::from_utf8_lossy(&asked.lock().unwrap()).into_owned();
    assert!(asked.contains("/sddcs") && !asked.contains("traceparent"), "{asked}");
}

#[tokio::test]
async fn a_collector_that_is_back_soon_gets_what_was_queued() {
    let (cloud, collector) = (cloud().await, Collector::start());
    collector.answer(503);
    let gateway = traced(&cloud, &collector).start().await;
    gateway.get("/sddcs").await;
    gateway.until("it was tried", async |_| collector.requests() > 0).await;
    assert!(collector.spans().is_empty());
    collector.answer(200);
    until(&collector, "the request", has("GET /sddcs")).await;
    let exported = "sddc_gateway_trace_spans_total";
    gateway.until("they are counted", async |it| it.metric(exported, "exported").await > 0.0).await;
    assert!(gateway.metric(exported, "failed").await.abs() < 0.5);
}

#[tokio::test]
async fn a_batch_that_is_refused_is_lost_and_the_next_one_is_not() {
    let (cloud, collector) = (cloud().await, Collector::start());
    collector.answer(400);
    let gateway = traced(&cloud, &collector).start().await;
    gateway.get("/sddcs").await;
    let failed =
        async |it: &TestGateway| it.metric("sddc_gateway_trace_spans_total", "failed").await > 0.0;
    gateway.until("it is lost", failed).await;
    collector.answer(200);
    gateway.get("/orgs").await;
    until(&collector, "the next", has("GET /orgs")).await;
}

#[tokio::test]
async fn a_batch_that_any_2xx_answers_is_taken() {
    for status in [202, 204] {
        let (cloud, collector) = (cloud().await, Collector::start());
        collector.answer(status);
        let gateway = traced(&cloud, &collector).start().await;
        gateway.get("/sddcs").await;
        let spans = "sddc_gateway_trace_spans_total";
        gateway.until("taken", async |it| it.metric(spans, "exported").await > 0.0).await;
        assert!(gateway.metric(spans, "failed").await.abs() < 0.5);
    }
}

#[tokio::test]
async fn spans_that_a_collector_rejects_in_a_200_are_lost_and_not_sent_again() {
    let (cloud, collector) = (cloud().await, Collector::start());
    let gateway = traced(&cloud, &collector).start().await;
    until(&collector, "the mint", has("mint token")).await;
    collector.reject(1, "over the quota");
    gateway.get("/sddcs").await;
    let each_is_counted = async |it: &TestGateway| {
        let spans = "sddc_gateway_trace_spans_total";
        let (taken, lost) = (it.metric(spans, "exported").await, it.metric(spans, "failed").await);
        let came = u32::try_from(collector.spans().len()).unwrap();
        taken > 0.5 && lost > 0.5 && (taken + lost - f64::from(came)).abs() < 0.5
    };
    gateway.until("each is counted once", each_is_counted).await;
}

#[tokio::test]
async fn a_collector_that_says_nothing_holds_up_neither_requests_nor_the_end() {
    let (cloud, collector) = (cloud().await, Collector::start());
    collector.fall_silent();
    let gateway = traced(&cloud, &collector).start().await;
    gateway.get("/sddcs").await;
    gateway.until("it waits for the collector", async |_| collector.requests() > 0).await;
    for _ in 0..20 {
        let answered = timeout(Duration::from_secs(1), gateway.get("/sddcs")).await;
        assert_eq!(answered.unwrap().status, StatusCode::OK);
    }
    timeout(Duration::from_secs(4), gateway.stop()).await.expect("an end in time");
}

#[tokio::test]
async fn a_batch_that_is_being_sent_at_the_end_is_not_sent_again() {
    let (cloud, collector) = (cloud().await, Collector::start());
    let gateway = traced(&cloud, &collector).start().await;
    until(&collector, "the mint", has("mint token")).await;
    let (held, before) = (collector.hold_next(), collector.requests());
    gateway.get("/sddcs").await;
    gateway.until("a batch is being sent", async |_| collector.requests() > before).await;
    gateway.get("/orgs").await;
    let mut end = std::pin::pin!(gateway.stop());
    let early = timeout(Duration::from_millis(300), &mut end).await;
    assert!(early.is_err(), "it waits for the answer");
    drop(held);
    end.await;
    let spans = collector.spans();
    assert_eq!(named(&spans, "GET /orgs").len(), 1, "what waited is sent: {spans:#?}");
    let ids: std::collections::HashSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "{spans:#?}");
}
