//! The language of the product: pure values and rules. No I/O, no async, no clock, no randomness.

pub mod availability;
pub mod blocking;
pub mod contact;
pub mod contract;
pub mod delivery;
pub mod document;
pub mod hashes;
pub mod hints;
pub mod ids;
pub mod jid;
pub mod limits;
pub mod lockout;
pub mod metrics;
pub mod node_state;
pub mod operations;
pub mod pace;
pub mod privacy;
pub mod properties;
pub mod registrations;
pub mod routing;
pub mod seams;
pub mod settings;
pub mod stanza_error;
pub mod subscription;
pub mod tokens;
