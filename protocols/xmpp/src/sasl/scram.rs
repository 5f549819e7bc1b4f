//! SCRAM with SHA-1, SHA-256 and SHA-512 (RFC 5802, RFC 7677), bound to the channel or not, as pure
//! steps. Not for nonces, which come in, nor for where keys are kept.
//!
//! ```text
//! client                                   server
//! ScramClient::new ──── client-first ────▶ ClientFirst::parse ─▶ look up the keys, or fake them
//!                  ◀─── server-first ───── ClientFirst::challenge
//! ScramClient::answer ─ client-final ────▶ ServerFirst::verify
//! Expected::check  ◀─── server-final ───── ServerFinal
//! ```

mod client;
mod hash;
mod keys;
mod message;
mod server;
mod stored;

#[cfg(test)]
mod scram_test;

pub use client::{Expected, ScramClient};
pub use hash::ScramHash;
pub use keys::{DeriveError, ITERATIONS_DEFAULT, SALT_BYTES, ScramKeys, salted_password};
pub use message::prepare_name;
pub use server::{ClientFirst, ServerFinal, ServerFirst};
pub use stored::read_keys;
