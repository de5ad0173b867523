//! How replicas take turns at reading a resource: one reads for all, and the others take over what it
//! publishes, its failures included.

use std::{future::Future, time::Duration};

use super::{CachedResource, ReadVerdict};
use crate::{
    clock::Instant,
    inventory::{
        shared_state::{self, SharedContent},
        state::State,
    },
    sharing::{Lease, Record, SharedResource, Turn},
    tasks::blocking,
    vmc::{Endpoint, Reader, VmcError},
};

/// A reading of another replica that began so shortly before one is due here stands in for it.
const AT_ONCE: Duration = Duration::from_secs(1);

impl<T: SharedContent> CachedResource<T> {
    /// Reads and keeps what came, or takes over what another replica has read. Part of a refresh's job.
    /// `reader` reads the `endpoint` in `read`, which is told when it begins. A 404 is a failure like
    /// others, unless `may_go`: then it says that there is nothing any longer.
    pub(in crate::inventory) async fn update<R>(
        &self,
        may_go: bool,
        (reader, endpoint): (&Reader, Endpoint<'_>),
        read: impl FnOnce(Instant) -> R,
    ) -> Result<(), VmcError>
    where
        R: Future<Output = Result<ReadVerdict<T>, VmcError>>,
    {
        let wanted = self.clock.now();
        let Some(shared) = &self.shared else { return self.read(may_go, wanted, read).await };
        let _updating = self.updating.lock().await;
        loop {
            match shared.turn().await {
                Turn::Unshared => return self.read(may_go, self.clock.now(), read).await,
                Turn::Granted(mut lease) => {
                    let outcome = self.read(may_go, self.clock.now(), read).await;
                    if outcome.as_ref().err().is_none_or(shared_state::is_shared) {
                        lease.stamp();
                        self.share(shared, lease, reader.held_for(endpoint));
                    }
                    return outcome;
                }
                Turn::Taken(record) => {
                    let adopted = self.adopt(shared, record, reader).await;
                    if let Some(state) = adopted.filter(|it| self.stands_in(it, wanted)) {
                        return state
                            .last_error
                            .map_or(Ok(()), |error| Err(VmcError::clone(&error)));
                    }
                }
            }
        }
    }

    /// Gives what was just read to the other replicas. Nobody waits for that: what is kept is not shown
    /// before its refresh is over.
    fn share(&self, shared: &SharedResource, lease: Lease, held_for: Option<Duration>) {
        let (state, now, life) = (self.state(), self.clock.now(), self.settings.stale);
        // It is in use here already.
        shared.adopted(lease.fence());
        self.jobs.spawn("share", async move {
            let encode = move || shared_state::encode(&state, now, held_for);
            if let Some(body) = blocking(encode).await {
                lease.publish(&body, life).await;
            }
        });
    }

    /// Takes over what another replica has published, if that is newer, and reads nothing: what is
    /// announced, by whomever, costs VMware Cloud no read. Tells how that replica's read had ended.
    pub(in crate::inventory) async fn catch_up(
        &self,
        reader: &Reader,
    ) -> Option<Result<(), VmcError>> {
        let shared = self.shared.as_ref()?;
        let _updating = self.updating.lock().await;
        let record = shared.published().await?;
        let state = self.adopt(shared, record, reader).await?;
        Some(state.last_error.map_or(Ok(()), |error| Err(VmcError::clone(&error))))
    }

    /// Takes over what another replica has read, unless this one has read later. `None`: it has, or
    /// the record is of another version.
    async fn adopt(
        &self,
        shared: &SharedResource,
        record: Record,
        reader: &Reader,
    ) -> Option<State<T>> {
        let before = self.state();
        let (fence, now) = (record.fence, self.clock.now());
        let written = now - record.age();
        let (known, scrubber) = (before.reading.clone(), reader.tokens().scrubber());
        let decode = move || {
            let before = known.as_ref().map(|reading| &*reading.content);
            shared_state::decode::<T>(&record.body, written, now, before, &scrubber)
        };
        let state = blocking(decode).await.flatten();
        let is_later = |last: &Instant| before.last_attempt.is_none_or(|it| it < *last);
        let state = state.filter(|it| it.last_attempt.as_ref().is_some_and(is_later));
        if let Some(state) = &state {
            self.change(|own| *own = state.clone().over(own));
            if self.confirm_at().is_some() {
                self.doubted.notify_one();
            }
        }
        shared.adopted(fence);
        state
    }

    /// Whether another replica's read is new enough to stand in for one that was `wanted`.
    fn stands_in(&self, state: &State<T>, wanted: Instant) -> bool {
        let is_new = state.last_attempt.is_some_and(|last| last + AT_ONCE >= wanted);
        is_new
            || match &state.last_error {
                None => state.age(wanted).is_some_and(|age| age < self.settings.fresh),
                // It holds reads back here too.
                Some(error) => error.retry_in().is_some_and(|left| !left.is_zero()),
            }
    }

    /// Returns when another replica has published what is not in use here.
    pub(in crate::inventory) async fn fallen_behind(&self) {
        match &self.shared {
            Some(shared) => shared.changed().await,
            None => std::future::pending().await,
        }
    }
}
