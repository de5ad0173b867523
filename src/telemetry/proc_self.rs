//! What Linux tells of this process in `/proc` (proc(5)). Nothing on a system without it.

use std::{fs, path::Path};

use rustix::param::{clock_ticks_per_second, page_size};

/// `/proc/self/stat`, as far as it is asked for.
#[derive(Debug)]
pub(super) struct ProcessStat {
    pub(super) cpu_seconds: f64,
    pub(super) threads: u64,
    pub(super) virtual_bytes: u64,
    pub(super) resident_bytes: u64,
    /// From the system's start to the process's.
    pub(super) started_after_seconds: u64,
}

impl ProcessStat {
    pub(super) fn read() -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&fs::read("/proc/self/stat").ok()?))
    }

    fn parse(text: &str) -> Option<Self> {
        // The program's name, in parentheses, may hold anything.
        let fields: Vec<_> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // Fields have numbers from 1 on, and the name is the second.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "seconds of CPU are far below 2^52 ticks")]
        let cpu_seconds = (field(14)? + field(15)?) as f64 / clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds,
            threads: field(20)?,
            started_after_seconds: field(22)? / clock_ticks_per_second(),
            virtual_bytes: field(23)?,
            resident_bytes: field(24)?.saturating_mul(page_size() as u64),
        })
    }
}

/// Open file descriptors.
pub(super) fn open_fds() -> Option<u64> {
    let fds = Path::new("/proc/self/fd");
    // Since Linux 6.2 the folder's size is their number.
    match fds.metadata().ok()?.len() {
        // Without the one of the folder itself.
        0 => Some(fds.read_dir().ok()?.count().saturating_sub(1) as u64),
        count => Some(count),
    }
}

/// When the system started, in seconds since 1970.
pub(super) fn boot_seconds() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_hold_anything() {
        let numbers =
            (4..=52).map(|number| (number * 1000).to_string()).collect::<Vec<_>>().join(" ");
        for name in ["sddc-gateway", "a b", ") S 1 (", "\u{fffd}"] {
            let stat = ProcessStat::parse(&format!("7 ({name}) S {numbers}\n")).unwrap();
            assert_eq!((stat.threads, stat.virtual_bytes), (20_000, 23_000), "{name}");
            assert_eq!(stat.resident_bytes, 24_000 * page_size() as u64);
            assert_eq!(stat.started_after_seconds, 22_000 / clock_ticks_per_second());
        }
        assert!(ProcessStat::parse("7 (sddc-gateway) S 1 2 3").is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_what_every_process_has() {
        let stat = ProcessStat::read().unwrap();
        assert!(stat.threads > 0 && stat.virtual_bytes > stat.resident_bytes, "{stat:?}");
        assert!(stat.resident_bytes > 0 && open_fds() > Some(2));
        assert!(boot_seconds() > Some(1_000_000_000));
    }
}
