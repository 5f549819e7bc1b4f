//! The local socket between `pollux ctl` and a node: one line of JSON with a request, one with its
//! response, then the connection ends. Knows operations as values; does not execute them.

mod client;
#[cfg(test)]
mod exchange_test;
mod server;
mod wire;

pub use client::{ClientError, ask};
pub use server::{ControlError, ControlServer, execute_in_time};
