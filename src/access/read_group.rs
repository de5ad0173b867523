//! Which reads of VMware's own API a caller may make.

use std::{fmt, str::FromStr};

/// Reads of VMware's own API that a caller may make or not, together: `drop_in` in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadGroup {
    /// Organizations, SDDCs and what they consist of.
    Sddcs,
    /// What is under way.
    Tasks,
    /// Transit Connect and connectivity.
    Network,
    /// Site Recovery.
    Draas,
    /// Linked AWS accounts, providers, quotas, terms.
    Account,
    /// Subscriptions, offers, payment methods.
    Billing,
}

/// A text that names no group of reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown group; allowed: sddcs, tasks, network, draas, account, billing")]
pub struct UnknownGroup;

impl ReadGroup {
    /// Every group.
    pub const ALL: &[Self] =
        &[Self::Sddcs, Self::Tasks, Self::Network, Self::Draas, Self::Account, Self::Billing];
    /// Those of a caller whose settings name none.
    pub const DEFAULT: &[Self] = &[Self::Sddcs, Self::Tasks];

    /// As written in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sddcs => "sddcs",
            Self::Tasks => "tasks",
            Self::Network => "network",
            Self::Draas => "draas",
            Self::Account => "account",
            Self::Billing => "billing",
        }
    }
}

impl fmt::Display for ReadGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ReadGroup {
    type Err = UnknownGroup;
    fn from_str(text: &str) -> Result<Self, UnknownGroup> {
        Self::ALL.iter().copied().find(|group| group.as_str() == text).ok_or(UnknownGroup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_written_as_they_are_read() {
        for group in ReadGroup::ALL {
            assert_eq!(group.as_str().parse(), Ok(*group));
        }
        assert_eq!("Sddcs".parse::<ReadGroup>(), Err(UnknownGroup));
        let names: Vec<_> = ReadGroup::ALL.iter().map(|group| group.as_str()).collect();
        assert!(UnknownGroup.to_string().ends_with(&names.join(", ")));
    }
}
