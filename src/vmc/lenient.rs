//! Reading what VMware really sends: a field of the wrong kind is odd, not fatal.
