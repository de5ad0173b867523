//! The event of an event stream: one SDDC of a thousand has changed.
//!
//! Another caller has asked for the list already, so that the event's id, its entity tag, is there.

use std::{cell::Cell, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use divan::Bencher;
use futures_util::FutureExt;
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use serde_json::json;

use crate::scene::Scene;

const SDDCS: usize = 1000;
/// A forced reading each so often is within a caller's budget, and nothing gets old.
const BETWEEN_READINGS: Duration = Duration::from_secs(10);

/// Compares the snapshots.
#[divan::bench(sample_size = 1, sample_count = 50)]
fn first_watcher(bencher: Bencher) {
    watch(bencher, |_other| ());
}

/// Finds what was made for another one.
#[divan::bench(sample_size = 1, sample_count = 50)]
fn next_watcher(bencher: Bencher) {
    watch(bencher, |other| drop(next(other)));
}

fn watch(bencher: Bencher, before: impl Fn(&mut Body)) {
    let (scene, changes) = (Scene::start(SDDCS), Cell::new(0));
    let streams = || {
        let [mut other, stream] = [(); 2].map(|()| begin(&scene));
        changes.set(changes.get() + 1);
        change(&scene, changes.get());
        before(&mut other);
        stream
    };
    bencher.with_inputs(streams).bench_local_refs(|stream| {
        let event = next(stream);
        assert!(event.starts_with(b"event: changed\n"));
        event
    });
}

/// A stream whose watcher has been told everything.
fn begin(scene: &Scene) -> Body {
    let mut stream = scene.answer(scene.request("/sddcs/events")).into_body();
    while next(&mut stream) != "\n\n" {}
    stream
}

fn next(stream: &mut Body) -> Bytes {
    let frame = stream.frame().now_or_never().flatten().expect("there is something to tell");
    frame.expect("a stream does not fail").into_data().expect("no trailers")
}

fn change(scene: &Scene, number: usize) {
    let id = scene.cloud.simulator.sddc_ids().swap_remove(SDDCS / 2);
    assert!(scene.cloud.simulator.patch_sddc(&id, json!({ "name": format!("name-{number}") })));
    scene.cloud.clock.advance(BETWEEN_READINGS);
    let no_cache = HeaderValue::from_static("no-cache");
    scene.wait_for(scene.request_with("/sddcs", header::CACHE_CONTROL, no_cache));
}
