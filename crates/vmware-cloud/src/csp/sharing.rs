//! Tokens that replicas of one gateway share, seen from here: somewhere outside knows whose turn it
//! is to mint, and keeps what was minted.

use std::{fmt, time::Duration};

use base::ids::OrgId;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

/// Where replicas meet.
pub trait TokenSharing: fmt::Debug + Send + Sync {
    /// Finds out who mints an organization's next token, one newer than `newest`. While another replica
    /// is at it, waits for what comes of it.
    fn turn<'a>(&'a self, org: Option<&'a OrgId>, newest: u64) -> BoxFuture<'a, TokenTurn>;
}

/// Whose turn it is to mint.
pub enum TokenTurn {
    /// Another replica has.
    Taken(ReplicaToken),
    /// This one does, for all.
    Granted(Box<dyn TokenLease>),
    /// Each for itself: nothing can be shared now.
    Unshared,
}

/// The right to mint for all replicas. Dropped, it goes to another one.
pub trait TokenLease: Send {
    /// The generation of the token that is minted under it.
    fn generation(&self) -> u64;

    /// Gives the token to the others.
    fn publish(self: Box<Self>, token: ReplicaToken) -> BoxFuture<'static, ()>;
}

/// A token as replicas pass it on.
pub struct ReplicaToken {
    /// The JWT.
    pub token: SecretString,
    /// Grows with each mint of the organization.
    pub generation: u64,
    /// How long ago it was asked for.
    pub age: Duration,
    /// Its life from then on, as CSP told.
    pub life: Duration,
}
