//! Reads of VMware Cloud for callers: a closed table of routes, one shared read for all who ask at once.

pub mod routes;
