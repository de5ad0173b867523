//! The shared access token, which each read of VMware Cloud takes.

use divan::Bencher;
use futures_util::FutureExt;
use sddc_gateway::{
    csp::TokenSource, gateway::Upstreams, tasks::BackgroundJobs, telemetry::Metrics,
};
use tokio::runtime::Handle;

use crate::scene::cloud;

#[divan::bench]
fn read(bencher: Bencher) {
    let (cloud, config) = cloud(1);
    let metrics = Metrics::new();
    let upstreams =
        Upstreams::new(&config, &cloud.clock, &metrics).expect("plain HTTP needs no CA");
    let jobs = BackgroundJobs::new(metrics);
    let source = TokenSource::new(None, upstreams.mint, cloud.clock.clone(), jobs, None);
    Handle::current().block_on(source.token()).expect("a token is minted");
    bencher.bench_local(|| source.token().now_or_never().expect("there is one"));
}
