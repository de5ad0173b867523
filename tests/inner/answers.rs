//! From a request to its answer: found again, kept, and made for a question that nobody has asked.
//!
//! All SDDCs pass the filter of a new question. Where it asks for one of them, hardly anything is
//! encoded: what the whole list takes beyond that is encoding and its entity tag.

use std::cell::Cell;

use axum::body::Body;
use divan::Bencher;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Body as _;
use jiff::Timestamp;

use crate::scene::Scene;

const SDDCS: [usize; 3] = [4, 100, 1000];

#[divan::bench]
fn found_again(bencher: Bencher) {
    let scene = Scene::start(4);
    let request = scene.request("/sddcs");
    recall(bencher, &scene, &request, StatusCode::OK);
}

#[divan::bench]
fn found_again_304(bencher: Bencher) {
    let scene = Scene::start(4);
    let tag = scene.answer(scene.request("/sddcs")).headers()[header::ETAG].clone();
    let request = scene.request_with("/sddcs", header::IF_NONE_MATCH, tag);
    recall(bencher, &scene, &request, StatusCode::NOT_MODIFIED);
}

/// As the edge does for a plain request.
fn recall(bencher: Bencher, scene: &Scene, request: &Request<Body>, status: StatusCode) {
    // What was asked for twice is found again.
    for _ in 0..2 {
        scene.answer(scene.request("/sddcs"));
    }
    let caller = scene.caller();
    let answer = || {
        let now = scene.cloud.clock.now();
        let admit = |scope| caller.admit(scope, now).is_ok();
        scene.api().recall(request, caller.caller(), now, admit).expect("it is remembered").0
    };
    assert_eq!(answer().status(), status);
    bencher.bench_local(answer);
}

/// What says more than its target goes all the way, to an answer that is kept.
#[divan::bench(sample_size = 100)]
fn kept(bencher: Bencher) {
    let scene = Scene::start(4);
    let max_age = HeaderValue::from_static("max-age=60");
    let request = || scene.request_with("/sddcs", header::CACHE_CONTROL, max_age.clone());
    bencher.with_inputs(request).bench_local_values(|request| scene.answer(request));
}

#[divan::bench(args = SDDCS)]
fn new_one(bencher: Bencher, sddcs: usize) {
    ask_new(bencher, sddcs, "&limit=1");
}

#[divan::bench(args = SDDCS)]
fn new_one_sorted(bencher: Bencher, sddcs: usize) {
    ask_new(bencher, sddcs, "&limit=1&sort=-updated_at");
}

#[divan::bench(args = SDDCS)]
fn new_whole(bencher: Bencher, sddcs: usize) {
    ask_new(bencher, sddcs, "");
}

fn ask_new(bencher: Bencher, sddcs: usize, more: &str) {
    let scene = Scene::start(sddcs);
    let whole = scene.answer(scene.request("/sddcs")).body().size_hint().exact();
    let asked = Cell::new(0);
    let request = || {
        asked.set(asked.get() + 1);
        let since = Timestamp::from_second(asked.get()).expect("soon after 1970");
        scene.request(&format!("/sddcs?created_at__gte={since}{more}"))
    };
    let length = scene.answer(request()).body().size_hint().exact();
    assert_eq!(length == whole, more.is_empty(), "the filter lets all pass");
    bencher.with_inputs(request).bench_local_values(|request| scene.answer(request));
}
