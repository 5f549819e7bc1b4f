//! Failover drills on a real pair: a fault with its healing while people chat, and what they
//! noticed. The pair is made by `servers::pair`, the account is kept by `load`.

mod acts;
mod catalogue;
mod faults;
mod keepsakes;
mod membership;
mod recovery;
mod report;
mod run;
mod scene;
mod storm;

pub use catalogue::{Expectation, PLANS, Plan, plan};
pub use recovery::Recovery;
pub use report::{Findings, Report, Spread};
pub use run::{Crowd, open, run};
pub use storm::{STORM, Storm, StormReport};
