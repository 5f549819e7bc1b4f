//! Streams, sessions, the router's data, operations: the parts of a node that live and talk. Only
//! this crate knows actix; only `stream` knows rustls. What must outlive a process is proposed to a
//! group of `raft`.

pub mod acts;
pub mod administrators;
pub mod admission;
pub mod agreement;
mod aside;
mod company;
pub mod control;
pub mod courier;
mod desks;
pub mod directory;
pub mod expiry;
pub mod history;
pub mod hosting;
pub mod inbox;
pub mod inquiries;
pub mod keys;
pub mod membership;
pub mod metrics;
pub mod node;
pub mod node_states;
pub mod operations;
pub mod placement;
pub mod registration;
pub mod reminders;
mod samples;
pub mod self_report;
pub mod services;
pub mod serving;
pub mod session;
pub mod stream;
pub mod system;
pub mod tokens;
pub mod users;
pub mod wall_clock;
pub mod witnesses;
