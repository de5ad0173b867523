//! Trouble with the upstreams, and what is left of it for callers (contract section 6).
//!
//! `matrix` plays each fault at each place; the others look at one thing closely. What goes wrong
//! above TCP the simulator plays, what goes wrong below it `front` does.

mod connections;
mod front;
mod matrix;
mod places;
mod retries;
