//! The gateway's own access tokens: issued for a caller's key, verified on every read.
