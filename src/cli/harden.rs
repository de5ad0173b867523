//! What the operating system is told before anything secret is read.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

use crate::{config::Config, listener};

/// Descriptors that are connections neither to the API nor to VMC: the log, listeners, mints, files,
/// and up to 128 connections to the ops port, with one each that waits for room.
const OWN_DESCRIPTORS: u64 = 256;

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
/// watchers, who hold one each, to what it then can hold. VMC is asked with two priorities, of
/// `vmc.max_in_flight` calls each.
pub(super) fn files(config: &mut Config) {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: files.maximum, ..files };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => files.current,
    };
    let upstream = 2 * config.vmc.max_in_flight as u64;
    fit(&mut config.api, limit.map(|limit| limit.saturating_sub(upstream)));
}

/// Lowers the caps to what a limit of open files can hold.
fn fit(settings: &mut listener::Settings, limit: Option<u64>) {
    let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(OWN_DESCRIPTORS).max(1));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let wanted = settings.max_connections;
    if room < wanted {
        tracing::warn!(
            wanted,
            room,
            "api.max_connections exceeds what the limit of open files allows, and is lowered"
        );
        settings.max_connections = room;
    }
    let (wanted, room) = (settings.max_watchers, settings.max_connections);
    if room < wanted {
        tracing::warn!(
            wanted,
            room,
            "api.max_watchers exceeds the number of possible connections, and is lowered"
        );
        settings.max_watchers = room;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::public_path::PublicPath;

    #[test]
    fn caps_are_lowered_to_what_the_limit_of_open_files_can_hold() {
        let fitted = |limit: Option<u64>, max_connections: usize, max_watchers: usize| {
            let mut settings = listener::Settings {
                listen: ([127, 0, 0, 1], 0).into(),
                hosts: Vec::new(),
                tls: None,
                max_in_flight: 1,
                max_connections,
                max_connections_per_client: None,
                max_watchers,
                header_timeout: Duration::ZERO,
                idle_timeout: Duration::ZERO,
                write_timeout: Duration::ZERO,
                request_timeout: Duration::ZERO,
                drain_delay: Duration::ZERO,
                drain: Duration::ZERO,
                public_path: PublicPath::default(),
                page: true,
                contact: None,
                trusted_proxies: Vec::new(),
            };
            fit(&mut settings, limit);
            (settings.max_connections, settings.max_watchers)
        };
        assert_eq!(fitted(None, 10_000, 6000), (10_000, 6000));
        assert_eq!(fitted(Some(1 << 20), 10_000, 6000), (10_000, 6000));
        assert_eq!(fitted(Some(8192), 10_000, 6000), (7936, 6000));
        assert_eq!(fitted(Some(1024), 10_000, 6000), (768, 768));
        assert_eq!(fitted(None, 100, 6000), (100, 100));
        assert_eq!(fitted(Some(100), 100, 6000), (1, 1));
    }
}
