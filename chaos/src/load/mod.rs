//! The load tool's inside: drives many clients, keeps the account of every stanza, and reads from
//! the kernel what that cost the server. The drills use it as it is.

mod availability;
mod clock;
mod commands;
mod dial;
mod drill;
mod histogram;
mod hostile;
mod idle;
mod killer;
mod messages;
mod offline;
mod oracle;
mod pacer;
mod player;
mod route;
mod sign_in;
mod stage;
mod storm;
mod target;
mod ticket;
mod timeline;
mod usage;
mod watch;

pub use availability::{Availability, AvailabilityReport};
pub use clock::now;
pub use commands::{Commands, CommandsReport};
pub use dial::{Stream, dial};
pub use drill::{Drill, DrillReport};
pub use histogram::{Histogram, Latency};
pub use hostile::{Hostile, HostileKind, HostileReport};
pub use idle::{Idle, IdleReport};
pub use killer::Killer;
pub use messages::{Messages, MessagesReport};
pub use offline::{Offline, OfflineReport};
pub use oracle::{Flow, Oracle, Verdict};
pub use sign_in::{SignIn, SignInReport};
pub use stage::{Cast, Stage};
pub use storm::{Storm, StormReport};
pub use target::Target;
pub use ticket::Ticket;
pub use timeline::{Arrival, Return, Timeline};
pub use usage::{CpuTime, cpu_time, open_files_most, pss_kib};
