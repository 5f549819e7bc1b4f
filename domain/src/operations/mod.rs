//! The registry of administrative operations: what can be asked of a node, who may, what is written
//! into the audit, what comes back. Not for doing it: `actors` executes. Every face (command line,
//! REST, ad hoc commands, pages) is made from this registry, so that none can do what another
//! cannot.

mod assignments;
mod audit;
mod caller;
mod envelope;
mod error;
mod executor;
mod names;
mod operation;
mod outcome;
mod rows;
mod secret;

pub use assignments::{Assignment, Assignments};
pub use audit::AuditLine;
pub use caller::{Caller, Permission};
pub use envelope::{ENVELOPE_BYTES_MAX, Reply, Request, Response, VERSION};
pub use error::{ErrorKind, OperationError};
pub use executor::OperationExecutor;
pub use names::{SessionRef, UserName};
pub use operation::{DESCRIPTIONS, Description, Operation};
pub use outcome::{
    BackupRow, ClusterNodeRow, DigestRow, Figure, GroupRow, HomeRow, ListenerRow, MemberRow,
    NodeStateRow, NodeStatus, Outcome, SessionRow, SettingRow, SubclusterStatus, TakeoverRow,
    UserRow,
};
pub use rows::{ROWS_MAX, Row, Rows};
pub use secret::{KEYS_BYTES_MAX, KeysText, PASSWORD_BYTES_MAX, Secret};
