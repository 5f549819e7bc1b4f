//! When whom each node has served, as the nodes themselves account for it, and whether anybody
//! acted for a home after another had begun under a higher epoch. Does not ask clients: bytes under
//! way say nothing of when they were written.

use std::collections::BTreeMap;

use anyhow::Context;

use crate::servers::pair::Pair;

const FIRST: &str = "pollux_home_first_act_us";
const LAST: &str = "pollux_home_last_act_us";

/// One process: the station and the id of the process.
type Who = (usize, u32);

/// The moments of the checks of the lease before the first act and the last, in microseconds of the
/// clock that all processes of a machine share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
}

/// The accounts of all processes. What a killed one has not told before is gone with it; it says
/// nothing later either.
#[derive(Debug, Default)]
pub struct Acts {
    spans: BTreeMap<(u16, u64), BTreeMap<Who, Span>>,
}

impl Acts {
    /// Asks every station that answers.
    pub fn read_all(&mut self, pair: &Pair) {
        for station in 0..pair.stations.len() {
            // One that is away has nothing to tell.
            let _ = self.read(pair, station);
        }
    }

    pub fn read(&mut self, pair: &Pair, station: usize) -> anyhow::Result<()> {
        let pid = pair.stations[station].pid().context("it does not run")?;
        let text = pair.stations[station].ctl(&["--json", "statistics"])?;
        let figures: BTreeMap<String, u64> =
            serde_json::from_str(&text).context("read statistics")?;
        self.take((station, pid), &figures);
        Ok(())
    }

    fn take(&mut self, who: Who, figures: &BTreeMap<String, u64>) {
        for (name, first) in figures {
            let Some((home, epoch)) = name.strip_prefix(FIRST).and_then(labels) else {
                continue;
            };
            let name = format!("{LAST}{{home={home},epoch={epoch}}}");
            let last = figures.get(&name).copied().unwrap_or(*first);
            let spans = self.spans.entry((home, epoch)).or_default();
            let first = *first;
            spans.insert(who, Span { first, last });
        }
    }

    /// Accounts on which the judgement rests: one for each home, epoch and process.
    pub fn count(&self) -> u64 {
        self.spans.values().map(|spans| spans.len() as u64).sum()
    }

    /// Accounts with an act that came after the first one of a higher epoch, or under an epoch that
    /// another process has used too.
    pub fn late(&self) -> u64 {
        let mut late = 0;
        for ((home, epoch), spans) in &self.spans {
            let higher = self.spans.range((*home, epoch + 1)..=(*home, u64::MAX));
            let first = higher
                .flat_map(|(_, spans)| spans.values())
                .map(|one| one.first);
            let end = first.min().unwrap_or(u64::MAX);
            late += spans.values().filter(|one| end < one.last).count() as u64;
            late += spans.len() as u64 - 1;
        }
        late
    }
}

/// The labels as `pollux ctl statistics` writes them: `{home=1,epoch=3}`.
fn labels(text: &str) -> Option<(u16, u64)> {
    let inner = text.strip_prefix("{home=")?.strip_suffix('}')?;
    let (home, epoch) = inner.split_once(",epoch=")?;
    Some((home.parse().ok()?, epoch.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_of_an_old_epoch_are_counted() {
        let check = |accounts: &[(Who, u64, u64, u64)], late: u64| {
            let mut acts = Acts::default();
            for (who, epoch, first, last) in accounts {
                let name = |name: &str| format!("{name}{{home=1,epoch={epoch}}}");
                let figures = BTreeMap::from([(name(FIRST), *first), (name(LAST), *last)]);
                acts.take(*who, &figures);
            }
            assert_eq!(acts.count(), accounts.len() as u64, "{accounts:?}");
            assert_eq!(acts.late(), late, "{accounts:?}");
        };
        let (one, twin) = ((0, 100), (1, 101));
        check(&[], 0);
        check(&[(one, 1, 10, 20), (twin, 2, 30, 40), (one, 5, 50, 60)], 0);
        check(&[(one, 1, 10, 31), (twin, 2, 30, 40)], 1);
        check(&[(one, 1, 10, 45), (twin, 2, 30, 40), (one, 3, 41, 50)], 1);
        check(&[(one, 1, 10, 20), (twin, 1, 30, 40)], 1);
    }
}
