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
//! A process can be stopped and go on: it has a runtime of its own, which runs only when the world
//! drives it, and its sockets belong to the kernel of its machine, which goes on without it. That
//! is one fault; another is a machine whose messages are all held and then come at once, while its
//! process runs on.
//!
//! Beside the faults, in half of the runs, ports for clients close and nodes are emptied, and when
//! all is well an operator moves users; in a third of them users go home by themselves.
//!
//! What is not simulated: TLS between nodes and the certificates with which a node joins (it is
//! invited and admitted by the changes of the configuration that a join makes); clocks that run at
//! different speeds (they begin at different times); and the stop of a process within one poll of a
//! task: it stops between two polls.

mod acquaintance;
mod faults;
mod founding;
mod loss;
mod machines;
mod operator;
mod person;
mod plan;
mod port;
mod run;
mod seat;
mod tending;
mod watch;
mod wellness;
mod wires;
mod world;

pub use plan::{Assignment, PairPlan, SERVICE_DELAY, STABLE, pair_of_node};
pub use run::{PairRun, Reads, Tended};
pub use world::{RECOVERY_MAX, run};
