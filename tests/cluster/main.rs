//! Clusters of real processes on loopback: made by an operator's steps, with clients that do not
//! know who serves them. Not for how fast anything is: the drills measure.

mod accounts;
mod administration;
mod backup;
mod backup_of_pairs;
mod browser;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod demo;
mod drain;
mod durability;
mod files;
mod force;
mod groups;
mod hosted;
mod http;
mod inactive;
mod nobody;
mod pair;
mod peer;
mod ports;
mod rotation;
mod same_words;
mod services;
mod settings;
mod site;
mod states;
mod stored;
mod strangers;
mod tickets;
mod tokens;
mod witnesses;
