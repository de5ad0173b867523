//! What the integration tests, the soak and the bench share: one way to start the program, one raw
//! HTTP client, one reader of event streams, one CA, one server with TLS, one collector of traces and one
//! simulated cloud.
//!
//! Nothing here knows the gateway's library: only what a user of the program knows.

#![expect(clippy::unwrap_used, reason = "a test's own trouble may panic, in its helpers too")]
#![expect(missing_docs, reason = "names that tests read say enough")]
#![expect(clippy::missing_errors_doc, clippy::return_self_not_must_use, reason = "likewise")]

use std::time::Duration;

pub mod authority;
pub mod cloud;
pub mod collector;
pub mod events;
pub mod hour;
pub mod http;
pub mod issuer;
pub mod process;
pub mod redis;
pub mod signer;
pub mod tls;

/// Longer than anything takes that goes well.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// Who looks again and again takes the processor from what is waited for.
pub const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
