//! Between groups (design, section 5, rule 2; decision 0021): what is told to others, what is taken
//! from them, and what they have told.
//!
//! ```text
//!   apply ──► telling, outbox ──► Shipment ══ Take ══► take ──► deliver, subscriptions
//!                   ▲                                   └─────► watched
//!                   └──── Told ═══ Reply::Taken ◄═══════┘
//! ```
//! Not for how lines travel: the owner of the link ships and proposes, and may repeat, reorder and
//! lose all of it.

mod directory;
mod hold;
mod outbox;
mod take;
mod telling;
mod view;
mod watched;

pub(super) use hold::Held;
pub(super) use outbox::{Debt, Outbox};
#[cfg(test)]
pub(super) use outbox::{HARD_LINES_MAX, LINES_MAX};
pub(super) use take::Taken;
pub use view::{OutboxRow, Shipment};
pub(super) use watched::Watched;
