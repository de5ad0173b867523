//! Which reads of VMware's own API a caller may make.

use std::str::FromStr;

base::closed_set! {
    /// Reads of VMware's own API that a caller may make or not, together: `drop_in` in the configuration.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum ReadGroup: Display {
        /// Organizations, SDDCs and what they consist of.
        Sddcs = "sddcs",
        /// What is under way.
        Tasks = "tasks",
        /// Transit Connect and connectivity.
        Network = "network",
        /// Site Recovery.
        Draas = "draas",
        /// Linked AWS accounts, providers, quotas, terms.
        Account = "account",
        /// Subscriptions, offers, payment methods.
        Billing = "billing",
    }
}

/// A text that names no group of reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown group; allowed: sddcs, tasks, network, draas, account, billing")]
pub struct UnknownGroup;

impl ReadGroup {
    /// Those of a caller whose settings name none.
    pub const DEFAULT: &[Self] = &[Self::Sddcs, Self::Tasks];
}

impl FromStr for ReadGroup {
    type Err = UnknownGroup;
    fn from_str(text: &str) -> Result<Self, UnknownGroup> {
        Self::ALL.into_iter().find(|group| group.as_str() == text).ok_or(UnknownGroup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_written_as_they_are_read() {
        for group in ReadGroup::ALL {
            assert_eq!(group.as_str().parse(), Ok(group));
        }
        assert_eq!("Sddcs".parse::<ReadGroup>(), Err(UnknownGroup));
        let names: Vec<_> = ReadGroup::ALL.iter().map(|group| group.as_str()).collect();
        assert!(UnknownGroup.to_string().ends_with(&names.join(", ")));
    }
}
