//! Long polls: an answer that waits until it is another one than the caller has.

use std::{sync::Arc, time::Duration};

use super::WatchPermit;
use crate::{
    access::Admitted,
    api::{
        ApiState, caller::Visibility, error::ApiError, pipeline::EncodedPage,
        request::InventoryRequest,
    },
    clock::Instant,
    in_flight::Permit,
    inventory::ListWatch,
};

/// How often a connection that waits looks for its peer, at least.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// A request that waits until its answer is another one than the caller has. It takes a watcher's
/// place, and gives back that of a request being worked on, from the first wait on.
pub(in crate::api) struct LongPoll {
    state: Arc<ApiState>,
    /// `None` for a request that does not wait.
    watch: Option<ListWatch>,
    end: Instant,
    is_over: bool,
    place: Option<WatchPermit>,
    permit: Option<Permit>,
    /// The caller that waits, judged again when the rules change.
    reader: Admitted,
}

impl LongPoll {
    /// Waits until `end`. `watch` is from before the first look.
    pub(in crate::api) fn new(
        request: &InventoryRequest,
        watch: Option<ListWatch>,
        end: Instant,
    ) -> Self {
        let (state, permit) = (request.state.clone(), request.permit.clone());
        let reader = request.reader.0.clone();
        Self { state, watch, end, is_over: false, place: None, permit, reader }
    }

    /// Waits while the caller has this answer. True when it is worth making it again, of what
    /// `request` may see then; false when it is to be sent.
    ///
    /// # Errors
    /// [`ApiError::TooManyWatchers`]; 401 or 403 when the caller may no longer ask.
    pub(in crate::api) async fn outdates(
        &mut self,
        page: &EncodedPage,
        request: &mut InventoryRequest,
    ) -> Result<bool, ApiError> {
        if self.is_over || !request.conditions.known.holds(page.encoded.etag()) {
            return Ok(false);
        }
        let Some(mut watch) = self.watch.take() else { return Ok(false) };
        let changed = self.changed(&mut watch).await;
        self.watch = Some(watch);
        changed?;
        request.visibility = Visibility::from(&self.reader);
        Ok(true)
    }

    async fn changed(&mut self, watch: &mut ListWatch) -> Result<(), ApiError> {
        if self.place.is_none() {
            let place = self.state.watchers.enter(self.reader.caller().name());
            self.place = Some(place.ok_or(ApiError::TooManyWatchers)?);
            if let Some(permit) = &self.permit {
                permit.park();
            }
        }
        // Being polled now and then, the connection sees that its peer has gone, also where bytes that
        // nobody has read yet hide that from it.
        let look = (self.state.clock.now() + LOOK_EVERY).min(self.end);
        self.is_over = tokio::select! {
            // First of all: nothing may be shown that it may not see. Who sees something else now may
            // have another answer.
            biased;
            changed = self.reader.changed() => {
                changed?;
                false
            }
            () = watch.changed() => false,
            () = self.state.clock.sleep_until_coarse(look) => look == self.end,
            // A wait is answered before the end.
            () = self.state.readiness.ending() => true,
        };
        Ok(())
    }
}

impl Drop for LongPoll {
    fn drop(&mut self) {
        if let Some(permit) = &self.permit {
            permit.resume();
        }
    }
}
