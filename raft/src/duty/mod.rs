//! Who serves the users of a subcluster: leases as their holders read them, and the task that asks
//! for them, grants them and decides on takeovers. The rules are those of `lease`.

mod tenure;

pub use tenure::{Tenure, Tenures};
