//! Whether the gateway has grown: between two moments at which nobody asks.

use std::{collections::BTreeSet, time::Duration};

use sddc_gateway::clock::Clock;

use crate::{
    callers::Callers,
    process::{DEADLINE, Gateway, Sample},
    world::World,
};

/// Memory that comes and goes with the moment of the sample: buffers of a few answers, and what the
/// allocator keeps in its arenas. A leak of 500 bytes for each request is as much after four minutes.
const MEMORY_NOISE_KIB: u64 = 10 * 1024;

/// Samples that have to be equal until the first one is taken.
const ALIKE: usize = 5;

/// The first sample: once nothing moves any more.
pub async fn first(gateway: &Gateway, watchers: u64) -> Result<Sample, String> {
    let mut alike = Vec::new();
    poll("rest", async || {
        let sample = gateway.sample().await;
        let is_at_rest = sample.in_flight == 0 && sample.watchers == watchers;
        let figures = (sample.fds, sample.tasks);
        if !is_at_rest || alike.last().is_some_and(|last| *last != figures) {
            alike.clear();
        }
        alike.push(figures);
        (alike.len() >= ALIKE).then_some(sample)
    })
    .await
}

/// A later sample: once it takes no more of what can be counted than at first.
pub async fn later(gateway: &Gateway, first: &Sample) -> Result<Sample, String> {
    let mut last = None;
    let sample = poll("no more than at first", async || {
        let sample = gateway.sample().await;
        let is_as_before = sample.fds <= first.fds
            && sample.tasks <= first.tasks
            && sample.in_flight == 0
            && sample.watchers <= first.watchers;
        last = Some((sample.fds, sample.tasks, sample.in_flight, sample.watchers));
        is_as_before.then_some(sample)
    })
    .await;
    let before = (first.fds, first.tasks, first.in_flight, first.watchers);
    sample.map_err(|late| {
        format!("{late}: fds, tasks, requests and watchers {last:?} instead of {before:?}")
    })
}

/// Asks until there is something.
pub async fn poll<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T, String> {
    let clock = Clock::system();
    let began = clock.now();
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    loop {
        pace.tick().await;
        if let Some(found) = look().await {
            return Ok(found);
        }
        // A circuit may be open for a minute, and a read takes its time after that.
        if clock.now().since(began) > DEADLINE + DEADLINE {
            return Err(format!("never came: {what}"));
        }
    }
}

/// Memory of the last third of the run against that of the first. The median bears a sample at a bad
/// moment. What the gateway keeps of answers has a bound of its own, which a short run does not
/// reach: by how much that has grown is allowed.
pub fn memory(samples: &[Sample]) -> Result<(u64, u64), String> {
    let third = samples.len().div_ceil(3);
    let (first, last) = (&samples[..third], &samples[samples.len() - third..]);
    let rss = |samples: &[Sample]| median(samples.iter().map(|sample| sample.rss_kib));
    let kept = |samples: &[Sample]| median(samples.iter().map(|sample| sample.kept_bytes / 1024));
    let (before, after) = (rss(first), rss(last));
    let kept = kept(last).saturating_sub(kept(first));
    let allowed = before + before / 10 + MEMORY_NOISE_KIB + kept;
    if after <= allowed {
        Ok((before, after))
    } else {
        Err(format!("memory has grown from {before} to {after} KiB, {allowed} are allowed"))
    }
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Labels whose values are names of the program's own: words that no caller and no cloud can write.
/// Which of them were met so far is chance, so series may still come late; what bounds them is that
/// all values are from closed sets.
const OWN_WORDS: [&str; 16] = [
    "answer", "commit", "endpoint", "file", "le", "listener", "method", "outcome", "reason",
    "resource", "result", "route", "status", "task", "upstream", "version",
];
const METHODS: [&str; 5] = ["GET", "HEAD", "OPTIONS", "POST", "other"];
const STATES: [&str; 10] = [
    "ACTIVE",
    "CANCELED",
    "DELETED",
    "DELETING",
    "DEPLOYING",
    "FAILED",
    "READY",
    "READY_FOR_GLCM_BRINGUP",
    "null",
    "other",
];

/// Whether all labels are from closed sets: then nothing that is asked or answered adds series for
/// ever.
pub fn series(series: &BTreeSet<String>, world: &World, callers: &Callers) -> Result<(), String> {
    for one in series {
        let labels = one.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once("=\"").ok_or("no label")?;
            let value = value.trim_end_matches('"');
            let is_known = match name {
                "org_id" => value == "default" || world.orgs.iter().any(|org| org == value),
                "caller" => {
                    value == "none" || callers.all.iter().any(|caller| caller.name == value)
                }
                "state" => STATES.contains(&value),
                "method" => METHODS.contains(&value),
                // Paths that are made up have `odd` in them, and so have states.
                _ => OWN_WORDS.contains(&name) && !value.to_ascii_lowercase().contains("odd"),
            };
            if !is_known {
                return Err(format!("a series for what others say: {one}"));
            }
        }
    }
    Ok(())
}
