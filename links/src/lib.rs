//! Node to node: sockets as a node sees them, what nodes say to each other and how. Knows neither
//! the log nor clients: what a message means is known where its topic is.

mod accept;
pub mod authority;
pub mod call;
pub mod certificate;
pub mod credentials;
mod dial;
pub mod end_point;
pub mod frame;
mod gather;
mod greeting;
pub mod hello;
pub mod in_use;
pub mod join;
mod link;
pub mod links;
mod moved;
pub mod net;
mod peer;
pub mod peers;
pub mod refusal;
pub mod rows;
pub mod secret_file;
pub mod security;
mod serve;
#[cfg(test)]
mod still;
pub mod tickets;
pub mod tls;
pub mod token;
pub mod visit;
pub mod xmpp_address;

pub use peer::PeerAddress;
