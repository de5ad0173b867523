//! Watching: long polls and event streams, fed by the one poller.
//!
//! ```text
//! poller ─► snapshot turns ─► every watcher looks at its own view ─┬─ long poll: 200 once the ETag differs
//!                                                                 └─ stream: the step from what it knows
//! ```
//!
//! Nothing is queued for a watcher. It holds what it has been told, and takes the step from there to
//! the newest view when its connection takes more bytes: who is slow skips what lay between. Steps
//! are made once for all watchers that stand at the same place.

mod diff_cache;
mod events;
#[cfg(test)]
mod tests;
mod wait;
mod watched_state;
mod watchers;

pub use self::{diff_cache::EventDiffCache, events::StreamMarker, watchers::WatcherLimit};
pub(super) use self::{events::watch_sddcs, wait::LongPoll, watchers::WatchPermit};
#[cfg(test)]
pub(super) use self::{
    events::{__path_watch_sddcs, ResetEvent, StatusEvent},
    watched_state::{ChangeEvent, example},
};
