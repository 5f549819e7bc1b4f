//! The registry of administrative operations: what can be asked of a node, who may, what is written
//! into the audit, what comes back. Not for doing it: `actors` executes. Every face (command line,
//! REST, ad hoc commands, pages) is made from this registry, so that none can do what another
//! cannot.

mod assignments;
mod audit;
mod caller;
mod denial;
mod envelope;
mod errand;
mod error;
mod executor;
mod field;
mod names;
mod operation;
mod outcome;
mod role;
mod rows;
mod secret;

pub use assignments::{Assignment, Assignments};
pub use audit::AuditLine;
pub use caller::{Caller, Face};
pub use denial::Denial;
pub use envelope::{ENVELOPE_BYTES_MAX, Reply, Request, Response, VERSION};
pub use errand::Errand;
pub use error::{ErrorKind, OperationError};
pub use executor::OperationExecutor;
pub use field::{FieldDescription, FieldKind};
pub use names::{ADMINISTRATOR_NAME_BYTES_MAX, AdministratorName, SessionRef, UserName};
pub use operation::{DESCRIPTIONS, Description, Operation};
pub use outcome::{
    AdministratorRow, AuditRow, BackupMade, BackupRow, CertificateRow, CertificatesStatus,
    ClusterNodeRow, DigestRow, Figure, GroupRow, HomeRow, ListenerRow, MemberRow, NodeStateRow,
    NodeStatus, Outcome, ReloginHint, ServiceRow, SessionRow, SettingRow, SubclusterStatus,
    TakeoverRow, TokenRow, UserRow,
};
pub use role::{Permission, Role};
pub use rows::{ROWS_MAX, Row, Rows};
pub use secret::{KEYS_BYTES_MAX, KeysText, PASSWORD_BYTES_MAX, Secret};
