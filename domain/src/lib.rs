//! The language of the product: pure values and rules. No I/O, no async, no clock, no randomness.

pub mod jid;
pub mod operations;
