//! The command line as a person or a script meets it on a real machine, beside other programs. Not
//! for what a running node does when it is asked: see the plays.

mod check;
#[path = "../common/mod.rs"]
mod common;
mod completions;
mod monitoring;
#[path = "../cluster/ports.rs"]
mod ports;
mod service;
