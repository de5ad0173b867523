//! The documents that callers see (contract section 4.1).
