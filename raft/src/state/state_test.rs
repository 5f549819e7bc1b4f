//! Proofs of the state machine: walks of a small model of clients, each step checked against the delivery contract, and
//! tables of single rules written as short plays.

mod invariants;
mod presence;
mod step;
mod walk;
mod world;
