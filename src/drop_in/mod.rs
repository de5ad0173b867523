//! Drop-in: VMware's own read API, for tools that people already have. A tool is pointed at the gateway for both
//! of its base URLs and gets a caller's key in the place of its API token.
//!
//! ```text
//! POST /csp/…/authorize ─► tokens   a caller's key becomes a token of the gateway's own
//! GET  /vmc/…, /api/…   ─► reads    the token's caller ─► route ─► VMware Cloud ─► redaction ─► answer
//! ```
//!
//! *Must not break*: VMware's token never leaves the gateway, a token of the gateway is worth nothing at VMware,
//! and no byte of an answer has passed by [`redaction`]. Tests: `tests/it/drop_in`.

pub mod reads;
pub mod redaction;
pub mod tokens;
pub mod vmc_error;
