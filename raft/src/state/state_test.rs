//! Proofs of the state machine: walks of a small model of clients, each step checked against the
//! delivery contract, and tables of single rules written as short plays.

mod agreement;
pub(crate) mod anew;
mod blocking;
mod carbons;
mod contact_list;
mod disabled;
mod documents;
mod early;
mod forking;
mod groups;
mod invariants;
mod last_seen;
mod list_versions;
mod offline;
mod presence;
mod sessions;
mod step;
mod subscriptions;
mod switches;
mod tokens;
mod walk;
mod world;
