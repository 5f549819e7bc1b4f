//! The replicated databases: log, state machines, snapshots, batches. Only this crate knows
//! openraft; the log is a journal of its own. It has never heard of a client's socket: what is to
//! be done there it returns as effects.

pub mod backup;
pub mod configuration;
pub mod duty;
pub mod election;
pub mod group;
pub mod lease;
pub mod log;
pub mod machine;
pub mod plants;
pub mod rows;
pub mod state;
mod unread;
pub mod version;
