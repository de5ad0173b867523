//! Long polls: an answer that waits until it is another one than the caller has.

use super::Watching;
use crate::{
    access::Admitted,
    api::{ApiState, ask::Ask, error::ApiError},
    clock::Instant,
    in_flight::Permit,
    inventory::Watch,
};

/// A request that waits for turns of the picture. It takes a watcher's place, and gives back that
/// of a request being worked on, from the first wait on.
pub(in crate::api) struct LongPoll<'a> {
    state: &'a ApiState,
    watch: Watch,
    end: Instant,
    is_over: bool,
    place: Option<Watching>,
    permit: Option<&'a Permit>,
    /// Who waits, judged again when the rules change.
    reader: Admitted,
}

impl<'a> LongPoll<'a> {
    /// Waits until `end`. `watch` is from before the first look.
    pub(in crate::api) fn new(ask: &'a Ask, watch: Watch, end: Instant) -> Self {
        let Ask { state, permit, reader, .. } = ask;
        let (permit, reader) = (permit.as_ref(), reader.0.clone());
        Self { state, watch, end, is_over: false, place: None, permit, reader }
    }

    /// Whether there was nothing more to wait for at the last turn.
    pub(in crate::api) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns when it is worth looking again.
    ///
    /// # Errors
    /// [`ApiError::TooManyWatchers`]; 401 or 403 when the caller may no more.
    pub(in crate::api) async fn turned(&mut self) -> Result<(), ApiError> {
        if self.place.is_none() {
            self.place = Some(self.state.watchers.enter().ok_or(ApiError::TooManyWatchers)?);
            if let Some(permit) = self.permit {
                permit.park();
            }
        }
        self.is_over = tokio::select! {
            () = self.watch.turned() => false,
            () = self.state.clock.rest_until(self.end) => true,
            // Who waits is answered before the end.
            () = self.state.readiness.ending() => true,
            // Who sees something else now has to ask anew.
            changed = self.reader.changed() => {
                changed?;
                true
            }
        };
        Ok(())
    }
}

impl Drop for LongPoll<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit {
            permit.resume();
        }
    }
}
