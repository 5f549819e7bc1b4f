//! For how long nobody's users have got another owner, as a replica sees it. Kept by each of them,
//! whoever leads, so that a new leader need not begin to count. Decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::NodeId;

use super::ServedBy;

/// See the module. Begins with the process: of what was before it knows nothing.
#[derive(Debug, Default)]
pub struct Calm {
    serving: BTreeMap<NodeId, ServedBy>,
    since: Duration,
}

impl Calm {
    /// For how long it has been so, after a look at who serves now.
    pub fn note(&mut self, now: Duration, serving: &BTreeMap<NodeId, ServedBy>) -> Duration {
        if self.serving != *serving {
            self.serving.clone_from(serving);
            self.since = now;
        }
        now.saturating_sub(self.since)
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::{Epoch, Life};

    use super::*;

    #[test]
    fn it_lasts_until_somebody_gets_another_owner() {
        let serving = |epoch| {
            let served = ServedBy {
                node: NodeId(1),
                life: Life(1),
                epoch: Epoch(epoch),
            };
            BTreeMap::from([(NodeId(1), served)])
        };
        let mut calm = Calm::default();
        for (at, epoch, lasts) in [(7, 1, 0), (9, 1, 2), (20, 2, 0), (50, 2, 30)] {
            let noted = calm.note(Duration::from_secs(at), &serving(epoch));
            assert_eq!(noted, Duration::from_secs(lasts), "{at}");
        }
    }
}
