//! The values of the delivery contract (design, section 5): what is proposed, what it leaves in a
//! session, what follows.
//!
//! ```text
//!   session ── Command ──► the group's log ──► apply ──► Reply    to the proposer
//!                                                  ├──► Effect   to sessions: slot, handled, news
//!                                                  ├──► RowWrite to the tables
//!                                                  └──► OutboxLine, which other groups take
//! ```
//! Not for the rules: `raft::state` applies them.

mod command;
mod effect;
mod outbox;
mod slot;

pub use command::{
    Action, Agreement, AsOf, Command, ContactChange, HoldId, Place, Position, Refusal, Reply,
    Session, Stamp,
};
pub use effect::{Announcement, Effect, EndReason, RowWrite};
pub use outbox::{GroupName, OutboxLine};
pub use slot::{Copied, Duty, Fate, Parcel, ParcelKind, Slot, SlotBody};
