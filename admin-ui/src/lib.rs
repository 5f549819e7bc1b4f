//! What a node shows to people and monitors: metrics and health, over HTTP on a loopback address.
//! Only this crate knows actix-web. It knows nothing of the parts of a node: they are seen through
//! [`Vitals`].

mod prometheus;
mod respond;
mod server;
mod vitals;

pub use server::{Running, start};
pub use vitals::Vitals;
