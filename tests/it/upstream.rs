//! Trouble with the upstreams, and what is left of it for callers (contract section 6).
//!
//! Each file looks at one thing closely. What goes wrong
//! above TCP the simulator plays, what is below it `front` does.

mod connections;
mod front;
mod places;
mod retries;
