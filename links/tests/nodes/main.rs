//! Nodes that reach each other, or are refused, over real sockets and simulated ones: one program
//! for all of it, since each takes its time to build.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod certificates;
mod common;
mod joining;
mod lanes;
mod refusals;
mod rotation;
mod simulated;
mod tickets;
