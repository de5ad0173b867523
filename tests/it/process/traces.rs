//! What the log says of a collector of traces that does not take them.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use base::clock::Clock;
use rustix::process::Signal;
use support::collector::Collector;

use super::run::{Cloud, SECRET, Served, gateway, until};

fn traced(cloud: &Cloud, collector: &Collector) -> Served {
    gateway(&[])
        .of(cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_TELEMETRY__OTLP_ENDPOINT", collector.url())
        .serve()
}

#[test]
fn spans_that_find_the_queue_full_are_warned_of_once() {
    let (cloud, collector) = (Cloud::start(&[]), Collector::start());
    collector.fall_silent();
    let mut served = traced(&cloud, &collector);
    let stream = TcpStream::connect(served.api).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    // More than a batch and the queue hold.
    for _ in 0..50 {
        (&stream)
            .write_all("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100).as_bytes())
            .unwrap();
        let is_head = |line: &String| line.starts_with("HTTP/1.1 404");
        assert_eq!(answers.by_ref().map(Result::unwrap).filter(is_head).take(100).count(), 100);
    }
    served.process.line("spans are dropped: they come faster than the collector");
    let log = served.interrupt().stderr;
    assert_eq!(log.matches("spans are dropped").count(), 1, "{log}");
}

#[test]
fn what_a_collector_rejects_is_warned_of_in_its_words() {
    let (cloud, collector) = (Cloud::start(&[]), Collector::start());
    collector.reject(1, "over the quota");
    let mut served = traced(&cloud, &collector);
    let line = served.process.line("spans are lost: the collector of traces does not take them");
    assert!(line.contains(r#"1 rejected: \"over the quota\""#), "{line}");
}

#[test]
fn a_collector_that_refuses_every_other_batch_is_warned_of_once() {
    let (cloud, collector) = (Cloud::start(&[]), Collector::start());
    let served = traced(&cloud, &collector);
    for (status, outcome) in [(400, "failed"), (200, "exported")].repeat(2) {
        collector.answer(status);
        let count =
            || served.figure(&format!("sddc_gateway_trace_spans_total{{outcome=\"{outcome}\"}}"));
        let before = count();
        served.get("/sddcs");
        until("the next batch", || count() != before);
    }
    let log = served.interrupt().stderr;
    assert_eq!(log.matches("spans are lost").count(), 1, "{log}");
    assert!(!log.contains("takes spans again"), "{log}");
}

#[test]
fn a_second_signal_ends_the_wait_for_a_collector() {
    let (cloud, collector) = (Cloud::start(&[]), Collector::start());
    collector.fall_silent();
    let mut served = traced(&cloud, &collector);
    until("a batch is being sent", || collector.requests() > 0);
    served.signal(Signal::INT);
    served.process.line("shutting down");
    let clock = Clock::system();
    let second = clock.now();
    served.signal(Signal::TERM);
    assert_eq!(served.exit_code(), Some(0));
    let took = clock.now().since(second);
    assert!(took < Duration::from_millis(1500), "{took:?}");
}
