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

mod events;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod wait;
mod watchers;

pub use self::{events::Streaming, steps::Steps, watchers::Watchers};
pub(super) use self::{events::watch_sddcs, wait::LongPoll, watchers::Watching};
#[cfg(test)]
pub(super) use self::{
    events::{__path_watch_sddcs, Reset, Status},
    state::{Data as Change, example},
};
