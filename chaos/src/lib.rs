//! Simulation, drills and the load tool: everything that stands opposite a server and keeps
//! account.

pub mod ceilings;
pub mod client;
pub mod failover;
pub mod load;
pub mod servers;
pub mod sim;
