//! A histogram of durations that is counted without a lock: the library's has one, which all threads
//! would take for each request.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// Counts durations. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct DurationHistogram(Arc<HistogramState>);

#[derive(Debug)]
struct HistogramState {
    /// Upper bounds in seconds, ascending.
    bounds: &'static [f64],
    /// One for each bound, and one for what is above the last.
    counts: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

impl DurationHistogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(HistogramState { bounds, counts, sum_ns: AtomicU64::new(0) }))
    }

    pub(super) fn observe(&self, took: Duration) {
        let HistogramState { bounds, counts, sum_ns } = &*self.0;
        let seconds = took.as_secs_f64();
        let at = bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len());
        counts[at].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        sum_ns.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl EncodeMetric for DurationHistogram {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let HistogramState { bounds, counts, sum_ns } = &*self.0;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(sum_ns.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for DurationHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, metrics::histogram::Histogram, registry::Registry};

    use super::*;

    #[test]
    fn it_looks_like_the_librarys() {
        const BOUNDS: [f64; 3] = [0.001, 0.5, 2.0];
        let (own, library) = (DurationHistogram::new(&BOUNDS), Histogram::new(BOUNDS));
        for millis in [0, 1, 2, 499, 500, 501, 2000, 2001, 60_000] {
            let took = Duration::from_millis(millis);
            own.observe(took);
            library.observe(took.as_secs_f64());
        }
        let page = |register: &dyn Fn(&mut Registry)| {
            let (mut registry, mut page) = (Registry::default(), String::new());
            register(&mut registry);
            text::encode(&mut page, &registry).unwrap();
            page
        };
        let own = page(&|registry| registry.register("it", "It", own.clone()));
        assert_eq!(own, page(&|registry| registry.register("it", "It", library.clone())));
    }
}
