//! What tools see of VMware's own documents.

use divan::{Bencher, counter::BytesCount};
use sddc_gateway::{
    drop_in::redaction::{UnknownFields, redact},
    simulator::{Options, Simulator},
};

/// A list of SDDCs: about 120 KB, and 24 MB.
#[divan::bench(args = [6, 1000])]
fn sddcs(bencher: Bencher, sddcs: usize) {
    let cloud = Simulator::new(Options { sddcs, ..Options::default() });
    let documents: Vec<_> = cloud.sddc_ids().iter().filter_map(|id| cloud.sddc(id)).collect();
    let list = serde_json::to_vec(&documents).expect("documents have string keys only");
    let redact = || redact(&list, UnknownFields::Null).expect("it is JSON");
    bencher.counter(BytesCount::of_slice(&list)).bench_local(redact);
}
