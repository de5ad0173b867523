//! What the operating system is told before anything secret is read.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

use crate::listener;

/// Descriptors that are not connections: the log, listeners, upstream, files.
const OWN_DESCRIPTORS: u64 = 64;

/// No core dump may hold a token: neither a file, nor one through a pipe, which ignores the limit.
pub(super) fn memory() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // A panic's text may quote what it stumbled over; where it happened is enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// Raises the limit of open files as far as allowed, and lowers the caps on connections and on
/// watchers, who hold one each, to what it then can hold.
pub(super) fn files(settings: &mut listener::Settings) {
    let wanted = settings.max_connections;
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: files.maximum, ..files };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => files.current,
    };
    let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(OWN_DESCRIPTORS).max(1));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(
            wanted,
            room,
            "api.max_connections is more than the limit of open files allows: lowered"
        );
    }
    settings.max_connections = wanted.min(room);
    settings.max_watchers = settings.max_watchers.min(settings.max_connections);
}
