//! The compressor: makes variants of answers, off the requests' threads.
//!
//! Flow: a request finds no variant → it claims the making and goes on with what there is → a tracked
//! job waits for its turn → a blocking thread compresses → later requests find the variant.
//!
//! Each variant of an answer is made at most once, and no request waits for one or fails with it.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{coding::ContentCoding, encoded::EncodedAnswer};
use crate::tasks::BackgroundJobs;

/// At once: compressing must leave the small machine's other CPU to the requests.
const WORKERS: usize = 1;
/// Jobs under way and waiting. Who finds no place asks again with the next request.
const PLACES: usize = 64;

/// Makes variants. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Compressor {
    jobs: BackgroundJobs,
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

/// The right to make a variant. Dropped before it is settled, another one may try: a job ends with
/// the runtime, an answer may outlive it. Weak, so that what waits here keeps no answer alive that nobody asks for any more.
struct CompressionClaim {
    encoded: Weak<EncodedAnswer>,
    coding: ContentCoding,
}

impl Drop for CompressionClaim {
    fn drop(&mut self) {
        if let Some(encoded) = self.encoded.upgrade() {
            encoded.give_up(self.coding);
        }
    }
}

impl Compressor {
    /// A compressor whose jobs are tracked by `jobs`.
    pub(super) fn new(jobs: BackgroundJobs) -> Self {
        Self {
            jobs,
            places: Arc::new(Semaphore::new(PLACES)),
            workers: Arc::new(Semaphore::new(WORKERS)),
        }
    }

    /// Starts making a variant unless that was done before; `made` is called when it is there.
    pub(super) fn make(
        &self,
        encoded: &Arc<EncodedAnswer>,
        coding: ContentCoding,
        made: impl FnOnce(&Arc<EncodedAnswer>) + Send + 'static,
    ) {
        self.make_by(encoded, coding, ContentCoding::compress, made);
    }

    fn make_by(
        &self,
        encoded: &Arc<EncodedAnswer>,
        coding: ContentCoding,
        compress: fn(ContentCoding, &[u8]) -> std::io::Result<Bytes>,
        made: impl FnOnce(&Arc<EncodedAnswer>) + Send + 'static,
    ) {
        if !encoded.begin(coding) {
            return;
        }
        let claim = CompressionClaim { encoded: Arc::downgrade(encoded), coding };
        let Ok(place) = self.places.clone().try_acquire_owned() else { return };
        let compressor = self.clone();
        self.jobs.spawn("compressor", async move {
            if let Ok(_turn) = compressor.workers.acquire().await
                && let Some(encoded) = claim.encoded.upgrade()
                && let Ok(variant) = compressor.compressed(&encoded, coding, compress).await
            {
                encoded.settle(coding, variant);
                made(&encoded);
            }
            drop((claim, place));
        });
    }

    /// The variant, or that it cannot be made. An error: the runtime ends.
    async fn compressed(
        &self,
        encoded: &EncodedAnswer,
        coding: ContentCoding,
        compress: fn(ContentCoding, &[u8]) -> std::io::Result<Bytes>,
    ) -> Result<Option<Bytes>, ()> {
        let body = encoded.identity().clone();
        match tokio::task::spawn_blocking(move || compress(coding, &body)).await {
            Ok(Ok(variant)) => Ok(Some(variant)),
            Ok(Err(error)) => {
                tracing::error!(?coding, kind = %error.kind(), "an answer was not compressed");
                Ok(None)
            }
            Err(ended) if ended.is_panic() => {
                tracing::error!(?coding, "compressing an answer panicked");
                self.jobs.note_panic("compressor");
                Ok(None)
            }
            Err(_cancelled) => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::atomic::{AtomicU32, Ordering},
    };

    use http::{HeaderMap, header::ACCEPT_ENCODING};

    use super::{super::coding::AcceptedCodings, *};

    fn document() -> Arc<EncodedAnswer> {
        Arc::new(EncodedAnswer::fixed("an answer ".repeat(1000)))
    }

    fn accepts(field: &'static str) -> AcceptedCodings {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, http::HeaderValue::from_static(field));
        AcceptedCodings::of(&headers)
    }

    async fn idle(compressor: &Compressor) {
        compressor.jobs.ended().await;
    }

    #[tokio::test]
    async fn a_hundred_who_ask_at_once_make_one_variant_of_each_coding() {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let compressor = Compressor::new(BackgroundJobs::new(crate::telemetry::Metrics::new()));
        let encoded = document();
        let compress = |coding: ContentCoding, body: &[u8]| {
            MADE.fetch_add(1, Ordering::SeqCst);
            coding.compress(body)
        };
        for _ in 0..100 {
            for coding in ContentCoding::ALL {
                compressor.make_by(&encoded, coding, compress, |_| ());
            }
        }
        assert_eq!(compressor.jobs.under_way(), 3);
        idle(&compressor).await;
        compressor.make_by(&encoded, ContentCoding::Gzip, compress, |_| ());
        idle(&compressor).await;
        assert_eq!(MADE.load(Ordering::SeqCst), 3);
        let choice = encoded.choose(accepts("gzip, br"));
        assert_eq!((choice.coding, choice.unmade), (Some(ContentCoding::Brotli), None));
        assert_eq!(compressor.places.available_permits(), PLACES);
    }

    #[tokio::test]
    async fn a_failure_or_a_panic_is_not_tried_again_and_leaves_identity() {
        let compressor = Compressor::new(BackgroundJobs::new(crate::telemetry::Metrics::new()));
        let encoded = document();
        let fails = |_: ContentCoding, _: &[u8]| Err(io::Error::other("on purpose"));
        compressor.make_by(&encoded, ContentCoding::Zstd, fails, |_| ());
        compressor.make_by(&encoded, ContentCoding::Gzip, |_, _| panic!("on purpose"), |_| ());
        idle(&compressor).await;
        let choice = encoded.choose(accepts("zstd, gzip"));
        assert_eq!((choice.coding, choice.unmade), (None, None));
        compressor.make(&encoded, ContentCoding::Gzip, |_| ());
        assert_eq!(compressor.jobs.under_way(), 0);
        compressor.make(&encoded, ContentCoding::Brotli, |_| ());
        idle(&compressor).await;
        assert_eq!(encoded.choose(accepts("gzip, br")).coding, Some(ContentCoding::Brotli));
    }

    #[tokio::test]
    async fn what_saves_less_than_a_tenth_is_not_sent() {
        let compressor = Compressor::new(BackgroundJobs::new(crate::telemetry::Metrics::new()));
        let noise: Vec<u8> = (0..4096).map(|_| rand::random()).collect();
        let encoded = Arc::new(EncodedAnswer::fixed(noise));
        compressor.make(&encoded, ContentCoding::Gzip, |_| ());
        idle(&compressor).await;
        let choice = encoded.choose(accepts("gzip"));
        assert_eq!((choice.coding, choice.unmade), (None, None));
        assert_eq!(encoded.size(), 4096);
    }

    #[tokio::test]
    async fn a_better_variant_is_asked_for_while_a_ready_one_is_sent() {
        let compressor = Compressor::new(BackgroundJobs::new(crate::telemetry::Metrics::new()));
        let encoded = document();
        compressor.make(&encoded, ContentCoding::Gzip, |_| ());
        idle(&compressor).await;
        let choice = encoded.choose(accepts("zstd, gzip"));
        assert_eq!(
            (choice.coding, choice.unmade),
            (Some(ContentCoding::Gzip), Some(ContentCoding::Zstd))
        );
    }

    #[tokio::test]
    async fn who_finds_no_place_may_ask_again_and_the_forgotten_is_not_made() {
        let compressor = Compressor::new(BackgroundJobs::new(crate::telemetry::Metrics::new()));
        let all = u32::try_from(PLACES).unwrap();
        let places = compressor.places.clone().acquire_many_owned(all).await.unwrap();
        let encoded = document();
        compressor.make(&encoded, ContentCoding::Zstd, |_| ());
        assert_eq!(compressor.jobs.under_way(), 0);
        drop(places);
        compressor.make(&encoded, ContentCoding::Zstd, |_| ());
        assert_eq!(compressor.jobs.under_way(), 1);
        drop(encoded);
        compressor.make(&document(), ContentCoding::Zstd, |_| panic!("nobody holds it"));
        idle(&compressor).await;
        assert_eq!(compressor.places.available_permits(), PLACES);
    }

    #[test]
    fn an_answer_that_outlives_the_runtime_can_be_compressed_in_the_next_one() {
        let encoded = document();
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let compressor = Compressor::new(BackgroundJobs::new(crate::telemetry::Metrics::new()));
        runtime().block_on(async { compressor.make(&encoded, ContentCoding::Zstd, |_| ()) });
        assert!(encoded.choose(accepts("zstd")).coding.is_none());
        let compressor = Compressor::new(BackgroundJobs::new(crate::telemetry::Metrics::new()));
        runtime().block_on(async {
            compressor.make(&encoded, ContentCoding::Zstd, |_| ());
            idle(&compressor).await;
        });
        assert_eq!(encoded.choose(accepts("zstd")).coding, Some(ContentCoding::Zstd));
    }

    #[test]
    fn small_bodies_stay_as_they_are() {
        let choice = EncodedAnswer::fixed("x".repeat(1023)).choose(accepts("zstd"));
        assert_eq!(choice.unmade, None);
        let choice = EncodedAnswer::fixed("x".repeat(1024)).choose(accepts("zstd"));
        assert_eq!(choice.unmade, Some(ContentCoding::Zstd));
    }
}
