//! Groups speak to groups in order (design, section 5, rule 2): plays of two and three groups, and
//! walks of them with a courier that loses, repeats and reorders.

mod backups;
pub(super) mod cluster;
mod inquiries;
mod limits;
mod lives;
mod messages;
mod presence;
mod subscriptions;
mod walk;
