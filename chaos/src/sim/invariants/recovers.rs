//! "After healing the cluster must serve." (design, section 9) Every node is connected, each group
//! has one leader, each home one owner, everybody is signed in and owed nothing.

use crate::sim::history::{Fact, History, Phase};
use crate::sim::pair::RECOVERY_MAX;

pub fn check(history: &History) -> Result<(), String> {
    let begin = |phase: Phase| {
        let mut entries = history.entries.iter();
        entries.find(|entry| entry.fact == Fact::Phase(phase))
    };
    let (Some(healed), Some(well)) = (begin(Phase::Healing), begin(Phase::Quiet)) else {
        return Err("the run did not come to its end".to_owned());
    };
    match well.at.saturating_sub(healed.at) {
        taken if taken <= RECOVERY_MAX => Ok(()),
        taken => Err(format!("all is not well {taken:?} after the healing")),
    }
}
