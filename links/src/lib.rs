//! Node to node: sockets as a node sees them, what nodes say to each other and how. Knows neither
//! the log nor clients: what a message means is known where its topic is.

pub mod frame;
pub mod net;
pub mod peers;
pub mod secret_file;
pub mod tls;
