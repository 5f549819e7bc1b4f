//! The replicated databases: log, state machines, snapshots, batches. Only this crate knows
//! openraft and redb. It has never heard of a client's socket: what is to be done there it returns
//! as effects.

pub mod configuration;
pub mod duty;
pub mod election;
pub mod group;
pub mod lease;
pub mod log;
pub mod machine;
pub mod rows;
pub mod state;
mod unread;
