//! An XMPP client of its own making, for everything that tests or measures a server.
//!
//! Shares no code with the server's protocol crates, so that a mistake there is not mirrored here.
//! It reads no clock but tokio's, draws everything random from the caller's seed, starts no tasks
//! and no threads, and runs over any byte stream: real sockets, pipes in memory, or a simulated
//! network.
//!
//! ```text
//! stream ──▶ pipe ──▶ scan ──▶ element ──▶ client ──▶ Event    to the caller
//!            (TLS)   (frames)  (views)     │    └───▶ Note     to the journal
//!                      negotiate, session ─┘
//! ```

mod counting;
mod element;
mod error;
mod establish;
mod frames;
mod journal;
mod keys;
mod negotiate;
mod options;
mod pipe;
mod scan;
mod scram;
mod seed;
mod session;
mod stanzas;
mod tls;

pub use counting::{Pending, UNACKNOWLEDGED_MAX};
pub use element::{Children, Element, escape};
pub use error::Error;
pub use journal::{Journal, Lines, Note};
pub use keys::{KeyCache, Keys};
pub use negotiate::Features;
pub use options::{Account, Options, StreamManagement};
pub use scan::{Frame, ScanError, Scanner};
pub use scram::Mechanism;
pub use seed::Seed;
pub use session::{Client, Event, Outcome};
pub use tls::{Tls, Trust};

/// The namespace of XEP-0198.
const SM: &str = "urn:xmpp:sm:3";
