//! A whole cluster of one pair or two, each with its witness, and its clients in one thread of
//! virtual time, from one seed: nodes die, freeze, lose each other, have slow disks; everything is
//! healed and must work again. With two pairs, people of one talk with people of the other.
//!
//! ```text
//!   world ── seats: castor, pollux, witness; romulus, remus, witness2
//!         │  (each a real node: groups, links, actors, streams)
//!         ├─ people, who sign in at any node ────────────────────┐
//!         ├─ faults, each with its healing                       ├─► history ─► invariants
//!         └─ watch: leaders, entries, owners, states ────────────┘
//! ```
//!
//! What is not simulated: TLS between nodes and the certificates with which a node joins (it is
//! invited and admitted by the changes of the configuration that a join makes); clocks that run at
//! different speeds (they begin at different times); and the stop of a process between two
//! instructions. A frozen node is one whose messages are held both ways and then come all at once:
//! its own timers run on meanwhile.

mod acquaintance;
mod faults;
mod founding;
mod operator;
mod person;
mod plan;
mod run;
mod seat;
mod watch;
mod wellness;
mod world;

pub use plan::{Assignment, PairPlan};
pub use run::{PairRun, Reads};
pub use world::{RECOVERY_MAX, run};
