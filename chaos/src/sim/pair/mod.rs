//! A whole pair with its witness and its clients in one thread of virtual time, from one seed:
//! nodes die, freeze, lose each other, have slow disks; everything is healed and must work again.
//!
//! ```text
//!   world ── seats: castor, pollux, witness (each a real node: groups, links, actors, streams)
//!         ├─ people, who sign in at either node ─────────────────┐
//!         ├─ faults, each with its healing                       ├─► history ─► invariants
//!         └─ watch: leaders, entries, owners, states ────────────┘
//! ```
//!
//! What is not simulated: TLS between nodes and the joining of a node (the pair is founded by its
//! own changes of the configuration); clocks that run at different speeds (they begin at different
//! times); and the stop of a process between two instructions. A frozen node is one whose messages
//! are held both ways and then come all at once: its own timers run on meanwhile.

mod faults;
mod founding;
mod person;
mod seat;
mod watch;
mod wellness;
mod world;

pub use world::{Assignment, PairPlan, PairRun, RECOVERY_MAX, run};
