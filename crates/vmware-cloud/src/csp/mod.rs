//! The gateway's access tokens, one per organization, each shared by every request.
//!
//! Flow: client credentials → `POST {url}{token_path}` → [`Token`] → every VMC call.
//!
//! At most one mint is in flight per organization. A token is renewed ahead of its expiry by a
//! background task, so a caller waits for a mint only on a cold start or after VMC refused the
//! token. A failed renewal keeps the good token; a failed mint is never an answer that is kept, it
//! opens the [circuit](crate::upstream::CircuitBreaker) for a while. A caller that leaves cancels nothing.
//! Where replicas share, one of them mints for all: see [`TokenSharing`].

mod credentials;
mod decoded;
mod error;
mod facts;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod held;
mod hints;
mod mint;
mod proof;
mod scrub;
mod settings;
mod sharing;
mod source;
mod token;

pub use self::{
    credentials::{ClientId, ClientSecret, InvalidClientId, InvalidClientSecret},
    error::CspError,
    facts::TokenFacts,
    held::HeldSecrets,
    mint::{Mint, SecretCell},
    proof::{ProofFault, SecretProof},
    scrub::Scrubber,
    settings::{BasicEncoding, Settings},
    sharing::{ReplicaToken, TokenLease, TokenSharing, TokenTurn},
    source::{TokenSource, TokenState, TokenStatus},
    token::{Token, TokenTrust},
};
