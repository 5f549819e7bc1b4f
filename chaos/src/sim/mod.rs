//! A whole node and its clients in one thread of virtual time, from one seed: crashes between any
//! two steps, flushes cut off, connections lost. The same seed gives the same trace, bit for bit.
//!
//! ```text
//!   world ── node (real groups, actors, streams; simulated disk, net, clock, randomness)
//!         └─ people (the client of `client`), each a script from the seed ─► history ─► invariants
//! ```

mod environment;
mod history;
pub mod invariants;
mod kernel;
#[cfg(test)]
mod kernel_test;
mod linear;
mod net;
pub mod pair;
mod people;
mod process;
mod process_net;
mod world;

pub use history::{Entry, Fact, History, Phase};
pub use world::{Plan, Run, run};
