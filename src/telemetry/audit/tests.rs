//! What becomes of records when all is well, and when it is not.

mod files;

use std::{
    io,
    sync::{Condvar, Mutex},
};

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::*;

/// A disk with so much room, which can be made to hang.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<Content>, Condvar)>);

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// Bytes that still fit; `None`: any number.
    room: Option<usize>,
    hangs: bool,
    /// Bytes that one call takes at most; `None`: any number.
    bite: Option<usize>,
    calls: usize,
}

impl Disk {
    fn set(&self, change: impl FnOnce(&mut Content)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().bytes.clone()).unwrap()
    }

    /// Waits until writes are tried: `calls` of them since the beginning.
    fn wait_for_calls(&self, calls: usize) {
        let content = self.0.0.lock().unwrap();
        let waited = self
            .0
            .1
            .wait_timeout_while(content, Duration::from_secs(20), |content| content.calls < calls);
        assert!(!waited.unwrap().1.timed_out());
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut content = self.0.0.lock().unwrap();
        content.calls += 1;
        self.0.1.notify_all();
        let mut content = self.0.1.wait_while(content, |content| content.hangs).unwrap();
        let fits = content.room.unwrap_or(usize::MAX).min(content.bite.unwrap_or(usize::MAX));
        let taken = bytes.len().min(fits);
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        content.room = content.room.map(|room| room - taken);
        content.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Scene {
    disk: Disk,
    metrics: Metrics,
    audit: Audit,
    guard: AuditGuard,
}

impl Scene {
    fn new() -> Self {
        Self::with(100, PAUSE)
    }

    fn with(places: usize, pause: Duration) -> Self {
        let (disk, metrics) = (Disk::default(), Metrics::new());
        let output = Box::new(WriterOutput(disk.clone()));
        let (audit, guard) = Audit::start(output, places, pause, metrics.clone()).unwrap();
        Self { disk, metrics, audit, guard }
    }

    async fn slot(&self) -> AuditPermit {
        self.audit.reserve().await.unwrap()
    }

    /// The slot again once a failure's pause is over.
    async fn slot_after_failure(&self) -> AuditPermit {
        let retry = async {
            loop {
                if let Ok(slot) = self.audit.reserve().await {
                    return slot;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), retry).await.expect("it recovers")
    }

    fn failures(&self) -> String {
        failures(&self.metrics)
    }
}

fn failures(metrics: &Metrics) -> String {
    let page = metrics.page(&Registry::default()).unwrap();
    let name = "sddc_gateway_audit_failures_total ";
    page.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
}

fn record(request_id: &str) -> AuditRecord<'_> {
    AuditRecord {
        timestamp: Timestamp::UNIX_EPOCH,
        id: Uuid::nil(),
        request_id,
        caller: "billing",
        credential: Some("0a1b2c3d"),
        method: "GET",
        client: [192, 0, 2, 1].into(),
        route: "/sddcs",
        org_id: None,
        sddc_id: None,
        decision: Decision::Allow,
        reason: None,
        status: 200,
    }
}

/// The request ids of the records; a line that is none stands for itself.
fn ids(text: &str) -> Vec<String> {
    let id = |line: &str| {
        let record: Value = serde_json::from_str(line).ok()?;
        Some(record["http.request_id"].as_str()?.to_owned())
    };
    text.lines().map(|line| id(line).unwrap_or_else(|| line.to_owned())).collect()
}

#[test]
fn a_record_says_who_asked_what_and_what_was_decided() {
    let (org_id, sddc_id) = ("org-1".parse().unwrap(), "sddc-1".parse().unwrap());
    let record = AuditRecord {
        org_id: Some(&org_id),
        sddc_id: Some(&sddc_id),
        decision: Decision::Deny,
        reason: Some("forbidden"),
        status: 403,
        ..record("r")
    };
    assert_eq!(
        String::from_utf8(line(&record)).unwrap(),
        concat!(
            r#"{"timestamp":"1970-01-01T00:00:00Z","id":"00000000-0000-0000-0000-000000000000","#,
            r#""http.request_id":"r","caller":"billing","credential":"0a1b2c3d","#,
            r#""http.request.method":"GET","client.address":"192.0.2.1","http.route":"/sddcs","#,
            r#""org.id":"org-1","sddc.id":"sddc-1","decision":"deny","reason":"forbidden","#,
            r#""http.response.status_code":403}"#,
            "\n",
        ),
    );
}

#[tokio::test]
async fn an_audit_that_is_off_lets_everyone_pass() {
    let audit = Audit::off();
    assert!(!audit.is_on());
    let slot = audit.reserve().await.unwrap();
    assert_eq!(slot.write(&record("r")).await, Ok(()));
    audit.reserve().await.unwrap().leave(&record("r"));
}

#[tokio::test]
async fn a_record_is_out_when_its_writer_learns_so() {
    let scene = Scene::new();
    for number in 0..20 {
        let id = number.to_string();
        scene.slot().await.write(&record(&id)).await.unwrap();
        let told = ids(&scene.disk.text());
        assert_eq!(told, (0..=number).map(|id| id.to_string()).collect::<Vec<_>>());
    }
    assert_eq!(scene.failures(), "0");
}

#[tokio::test]
async fn what_gathers_during_a_write_is_written_in_one_call_and_in_order() {
    let scene = Scene::new();
    scene.disk.set(|disk| disk.hangs = true);
    let first = scene.slot().await.write(&record("first"));
    scene.disk.wait_for_calls(1);
    let mut rest = Vec::new();
    for number in 0..50 {
        rest.push(scene.slot().await.write(&record(&number.to_string())));
    }
    scene.disk.set(|disk| disk.hangs = false);
    first.await.unwrap();
    assert!(futures_util::future::join_all(rest).await.iter().all(Result::is_ok));
    let order: Vec<_> =
        ["first".into()].into_iter().chain((0..50).map(|n| n.to_string())).collect();
    assert_eq!(ids(&scene.disk.text()), order);
    assert_eq!(scene.disk.0.0.lock().unwrap().calls, 2);
}

#[tokio::test]
async fn a_disk_that_takes_a_byte_at_a_time_gets_whole_records() {
    let scene = Scene::new();
    scene.disk.set(|disk| disk.bite = Some(1));
    scene.slot().await.write(&record("a")).await.unwrap();
    scene.slot().await.write(&record("b")).await.unwrap();
    assert_eq!(ids(&scene.disk.text()), ["a", "b"]);
}

#[tokio::test]
async fn a_full_disk_fails_exactly_what_is_not_whole_and_then_recovers() {
    let scene = Scene::with(100, Duration::from_millis(1));
    let size = line(&record("a")).len();
    scene.disk.set(|disk| (disk.hangs, disk.room) = (true, Some(2 * size + 10)));
    let first = scene.slot().await.write(&record("0"));
    scene.disk.wait_for_calls(1);
    let mut rest = Vec::new();
    for id in ["a", "b", "c"] {
        rest.push(scene.slot().await.write(&record(id)));
    }
    scene.disk.set(|disk| disk.hangs = false);
    assert_eq!(first.await, Ok(()));
    let results = futures_util::future::join_all(rest).await;
    assert_eq!(results, [Ok(()), Err(AuditFailed), Err(AuditFailed)]);
    scene.disk.set(|disk| disk.room = None);
    let refused = scene.failures().parse::<u32>().unwrap();
    assert_eq!(refused, 2);
    scene.slot_after_failure().await.write(&record("d")).await.unwrap();
    // The half line stands alone, and is ended. The record that was tried again follows.
    assert_eq!(ids(&scene.disk.text()), ["0", "a", r#"{"timestam"#, "b", "d"]);
    scene.slot().await.write(&record("e")).await.unwrap();
    assert_eq!(ids(&scene.disk.text()).len(), 6);
}

#[tokio::test]
async fn a_disk_that_breaks_right_after_ending_a_torn_line_makes_no_empty_ones() {
    let scene = Scene::with(100, Duration::from_millis(1));
    scene.disk.set(|disk| disk.room = Some(3));
    assert!(scene.slot().await.write(&record("a")).await.is_err());
    let calls = scene.disk.0.0.lock().unwrap().calls;
    scene.disk.set(|disk| disk.room = Some(1));
    scene.disk.wait_for_calls(calls + 4);
    scene.disk.set(|disk| disk.room = None);
    scene.slot_after_failure().await.write(&record("c")).await.unwrap();
    assert_eq!(ids(&scene.disk.text()), [r#"{"t"#, "a", "c"]);
}

#[tokio::test]
async fn it_is_found_out_without_a_request_that_records_can_be_written_again() {
    let scene = Scene::with(100, Duration::from_millis(1));
    assert_eq!(scene.audit.last_error(), None);
    scene.disk.set(|disk| disk.room = Some(0));
    assert!(scene.slot().await.write(&record("a")).await.is_err());
    assert_eq!(scene.audit.last_error(), Some("storage_full"));
    let failures = scene.failures();
    scene.disk.wait_for_calls(5);
    assert_eq!(scene.audit.last_error(), Some("storage_full"));
    assert_eq!(scene.audit.reserve().await.unwrap_err(), AuditFailed);
    scene.disk.set(|disk| disk.room = None);
    let written = async {
        while scene.audit.last_error().is_some() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), written).await.expect("it is found out");
    assert_eq!(ids(&scene.disk.text()), ["a"]);
    let refused = failures.parse::<u32>().unwrap() + 1;
    assert_eq!(scene.failures(), refused.to_string(), "another try is no failure of its own");
}

#[tokio::test]
async fn after_a_failure_nobody_is_let_in_for_a_while_but_who_has_a_place_may_try() {
    let scene = Scene::with(100, Duration::from_secs(3600));
    let held = scene.slot().await;
    scene.disk.set(|disk| disk.room = Some(0));
    assert_eq!(scene.slot().await.write(&record("a")).await, Err(AuditFailed));
    assert_eq!(scene.audit.reserve().await.unwrap_err(), AuditFailed);
    assert_eq!(scene.failures(), "2");
    scene.disk.set(|disk| disk.room = None);
    held.write(&record("b")).await.unwrap();
    scene.slot().await.write(&record("c")).await.unwrap();
    assert_eq!(ids(&scene.disk.text()), ["b", "c"]);
    assert_eq!(scene.audit.last_error(), None);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stays_full_refuses_after_a_second() {
    let scene = Scene::with(2, PAUSE);
    let (one, other) = (scene.slot().await, scene.slot().await);
    let nearly = PERMIT_PATIENCE.saturating_sub(Duration::from_millis(10));
    assert!(timeout(nearly, scene.audit.reserve()).await.is_err(), "it waits");
    assert_eq!(scene.audit.reserve().await.unwrap_err(), AuditFailed);
    assert_eq!(scene.failures(), "1");
    // Nothing is wrong with the writer: as soon as a place is free it can be had.
    drop((one, other));
    scene.slot().await.leave(&record("a"));
    drop(scene.guard);
    assert_eq!(ids(&scene.disk.text()), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_hangs_fails_the_request_and_is_known_until_it_moves() {
    let scene = Scene::new();
    scene.disk.set(|disk| disk.hangs = true);
    assert_eq!(scene.slot().await.write(&record("a")).await, Err(AuditFailed));
    assert_eq!(scene.audit.reserve().await.unwrap_err(), AuditFailed);
    scene.disk.set(|disk| disk.hangs = false);
    // Late, but nobody had been promised anything.
    scene.slot_after_failure().await.leave(&record("b"));
    drop(scene.guard);
    assert_eq!(ids(&scene.disk.text()), ["a", "b"]);
}

#[tokio::test]
async fn who_left_is_recorded_and_the_end_writes_what_is_queued() {
    let scene = Scene::new();
    scene.disk.set(|disk| disk.hangs = true);
    for number in 0..30 {
        scene.slot().await.leave(&record(&number.to_string()));
    }
    // A future that is dropped takes nothing back either.
    drop(scene.slot().await.write(&record("30")));
    let late = scene.slot().await;
    scene.disk.set(|disk| disk.hangs = false);
    drop(scene.guard);
    assert_eq!(ids(&scene.disk.text()), (0..=30).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(failures(&scene.metrics), "0");
    assert_eq!(late.write(&record("late")).await, Err(AuditFailed));
    assert_eq!(scene.audit.reserve().await.unwrap_err(), AuditFailed);
    assert_eq!(failures(&scene.metrics), "2");
}

#[tokio::test]
async fn a_writer_that_panics_fails_everybody_at_once() {
    struct Panics;
    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("on purpose")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (audit, _guard) = Audit::to_writer(Panics, 10, Metrics::new()).unwrap();
    assert_eq!(audit.reserve().await.unwrap().write(&record("a")).await, Err(AuditFailed));
    let ended = async {
        while audit.reserve().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), ended).await.expect("nobody gets a place any more");
}

#[tokio::test]
async fn a_thread_that_dies_is_told() {
    struct Broken;
    impl std::io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            panic!("on purpose")
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (audit, mut guard) = Audit::to_writer(Broken, 10, Metrics::new()).unwrap();
    let mut ended = std::pin::pin!(guard.ended());
    assert!(futures_util::poll!(&mut ended).is_pending());
    let written = audit.reserve().await.unwrap().write(&record("1")).await;
    assert!(written.is_err());
    ended.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_at_once_all_get_their_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let (audit, guard) = Audit::to_file(&path, 1000, Metrics::new()).unwrap();
    let (tasks, clock) = (tokio_util::task::TaskTracker::new(), crate::clock::Clock::system());
    let began = clock.now();
    for task in 0..64 {
        let audit = audit.clone();
        tasks.spawn(async move {
            for number in 0..200 {
                let id = format!("{task}-{number}");
                audit.reserve().await.unwrap().write(&record(&id)).await.unwrap();
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    let took = clock.now().since(began);
    println!("12800 records of 64 at a time in {took:?}: {:?} each", took / 12_800);
    drop(guard);
    let mut told = ids(&std::fs::read_to_string(&path).unwrap());
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 12_800);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_two_lines_or_another_record(
        texts in prop::collection::vec(any::<String>(), 6),
        status in any::<u16>(),
    ) {
        let record = AuditRecord {
            request_id: &texts[0],
            caller: &texts[1],
            credential: Some(&texts[2]),
            method: &texts[3],
            route: &texts[4],
            reason: Some(&texts[5]),
            status,
            ..record("r")
        };
        let line = line(&record);
        let controls = line.iter().filter(|byte| **byte < b' ').count();
        prop_assert_eq!(controls, 1);
        prop_assert_eq!(line.last(), Some(&b'\n'));
        let read: Value = serde_json::from_slice(&line).unwrap();
        let names = [
            "http.request_id", "caller", "credential", "http.request.method", "http.route", "reason",
        ];
        for (name, text) in names.into_iter().zip(&texts) {
            prop_assert_eq!(read[name].as_str(), Some(text.as_str()));
        }
        prop_assert_eq!(read["decision"].as_str(), Some("allow"));
        prop_assert_eq!(read["http.response.status_code"].as_u64(), Some(status.into()));
        prop_assert_eq!(read.as_object().unwrap().len(), 11);
    }
}
