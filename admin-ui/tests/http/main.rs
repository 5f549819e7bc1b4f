//! The servers, asked over TCP byte by byte, as a monitor, a browser, a program or a nuisance
//! would.
#![expect(
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a client of a real server, on a thread that may block; helpers included"
)]

mod client;
mod events;
mod monitors;
mod pages;
mod rest;
mod stage;
