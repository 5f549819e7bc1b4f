//! What every black-box test needs: a node of its own in an empty folder, and clients that speak
//! bytes to it. Not for what any test says.
#![allow(
    dead_code,
    reason = "each test target is a program of its own and uses its part"
)]

pub mod client;
pub mod deadline;
pub mod node;
pub mod program;
pub mod sasl2;
pub mod stream;
pub mod tls;
