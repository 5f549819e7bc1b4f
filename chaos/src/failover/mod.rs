//! Failover drills on a real pair: a fault with its healing while people chat, and what they
//! noticed. The pair is made by `servers::pair`, the account is kept by `load`.

mod acts;
mod catalogue;
mod comeback;
mod faults;
mod keepsakes;
mod membership;
mod recovery;
mod report;
mod rotations;
mod run;
mod scene;
mod services;
mod storm;
mod upgrades;

pub use catalogue::{Expectation, PLANS, Plan, plan};
pub use comeback::{COMEBACK, Comeback, ComebackReport};
pub use recovery::Recovery;
pub use report::{Findings, Report, Spread};
pub use run::{Crowd, open, run};
pub use storm::{STORM, Storm, StormReport};
