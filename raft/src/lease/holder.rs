//! The holder's side of the leases of one process: what it asks, and until when an answer lets it
//! serve.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::{Epoch, NodeId};

use super::Granted;

/// Who has not been told for so long that it is well was cut off, or stood still; a change of
/// leaders takes less, also while a disk is slow.
const UNTOLD_MAX: Duration = Duration::from_secs(2);

/// See the module. What the log gives to this process comes in as `mine`.
#[derive(Debug)]
pub struct Holder {
    lease: Duration,
    nonce: u64,
    /// When each question was asked whose answer would still be worth something.
    asked: BTreeMap<u64, Duration>,
    /// Homes for which nothing is said any more. Every question repeats them, so that a leader
    /// learns of it that comes after the one who wanted them back.
    given_back: BTreeMap<NodeId, Epoch>,
    well: Option<Well>,
}

/// That leaders find this process well, whoever leads.
#[derive(Debug, Clone, Copy)]
struct Well {
    since: Duration,
    /// When the last question was asked to which one said so.
    told: Duration,
}

/// What goes into a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub nonce: u64,
    pub homes: Vec<(NodeId, Epoch)>,
    pub given_back: Vec<(NodeId, Epoch)>,
    pub well_for: Duration,
}

impl Holder {
    pub fn new(lease: Duration) -> Holder {
        Holder {
            lease,
            nonce: 0,
            asked: BTreeMap::new(),
            given_back: BTreeMap::new(),
            well: None,
        }
    }

    /// To be called before the question is sent: the lease counts from `now`.
    pub fn ask(&mut self, now: Duration, mine: &BTreeMap<NodeId, Epoch>) -> Asked {
        self.given_back
            .retain(|home, epoch| mine.get(home) == Some(epoch));
        self.asked.retain(|_, at| now < *at + self.lease);
        self.nonce += 1;
        self.asked.insert(self.nonce, now);
        let homes = mine.iter().map(|(home, epoch)| (*home, *epoch));
        Asked {
            nonce: self.nonce,
            homes: homes
                .filter(|(home, _)| !self.given_back.contains_key(home))
                .collect(),
            given_back: self.given_back.iter().map(|(h, e)| (*h, *e)).collect(),
            well_for: self.well_for(now),
        }
    }

    /// An answer: the homes whose lease is held, each under an epoch, and until when. An answer
    /// that was not waited for is worth nothing.
    pub fn granted(
        &mut self,
        granted: &Granted,
        mine: &BTreeMap<NodeId, Epoch>,
    ) -> Vec<(NodeId, Epoch, Duration)> {
        let Some(asked) = self.asked.remove(&granted.nonce) else {
            return Vec::new();
        };
        self.note_well(asked, granted.is_well);
        let homes = granted.homes.iter().filter(|(home, epoch)| {
            mine.get(home) == Some(epoch) && self.given_back.get(home) != Some(epoch)
        });
        homes
            .map(|(home, epoch)| (*home, *epoch, asked + self.lease))
            .collect()
    }

    fn note_well(&mut self, asked: Duration, is_well: bool) {
        let known = self.well.filter(|well| asked <= well.told + UNTOLD_MAX);
        self.well = is_well.then(|| match known {
            Some(well) => Well {
                told: asked.max(well.told),
                ..well
            },
            None => Well {
                since: asked,
                told: asked,
            },
        });
    }

    fn well_for(&self, now: Duration) -> Duration {
        let well = self.well.filter(|well| now <= well.told + UNTOLD_MAX);
        well.map_or(Duration::ZERO, |well| now.saturating_sub(well.since))
    }

    /// Nothing is served any more under this epoch when this is called, nor ever again.
    pub fn give_back(&mut self, home: NodeId, epoch: Epoch) {
        self.given_back.insert(home, epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn mine(epoch: u64) -> BTreeMap<NodeId, Epoch> {
        BTreeMap::from([(A, Epoch(epoch))])
    }

    fn granted(nonce: u64, epoch: u64) -> Granted {
        Granted {
            nonce,
            homes: vec![(A, Epoch(epoch))],
            give_back: Vec::new(),
            is_well: true,
        }
    }

    #[test]
    fn a_lease_is_held_until_the_question_plus_lease() {
        let mut holder = Holder::new(ms(300));
        let asked = holder.ask(ms(1_000), &mine(5));
        assert_eq!(asked.homes, [(A, Epoch(5))]);
        let held = holder.granted(&granted(asked.nonce, 5), &mine(5));
        assert_eq!(held, [(A, Epoch(5), ms(1_300))]);
    }

    #[test]
    fn a_stale_nonce_or_another_epoch_grants_nothing() {
        let mut holder = Holder::new(ms(300));
        let first = holder.ask(ms(0), &mine(5)).nonce;
        let second = holder.ask(ms(100), &mine(5)).nonce;
        assert_eq!(holder.granted(&granted(99, 5), &mine(5)), []);
        assert_eq!(holder.granted(&granted(first, 5), &mine(6)), []);
        assert_eq!(holder.granted(&granted(second, 5), &BTreeMap::new()), []);
        let third = holder.ask(ms(200), &mine(5)).nonce;
        assert_eq!(holder.granted(&granted(third, 5), &mine(5)).len(), 1);
        let again = holder.granted(&granted(third, 5), &mine(5));
        assert_eq!(again, [], "an answer counts once");
    }

    #[test]
    fn questions_without_answers_are_forgotten() {
        let mut holder = Holder::new(ms(300));
        let first = holder.ask(ms(0), &mine(5)).nonce;
        for at in (10..10_000).step_by(10) {
            holder.ask(ms(at), &mine(5));
        }
        assert!(holder.asked.len() <= 31);
        assert_eq!(holder.granted(&granted(first, 5), &mine(5)), []);
    }

    #[test]
    fn how_long_it_is_well_outlives_a_change_of_leaders_and_no_longer_silence() {
        let mut holder = Holder::new(ms(300));
        let mut well_for = |at, is_well: Option<bool>| {
            let asked = holder.ask(ms(at), &mine(5));
            if let Some(is_well) = is_well {
                let answer = Granted {
                    is_well,
                    ..granted(asked.nonce, 5)
                };
                holder.granted(&answer, &mine(5));
            }
            asked.well_for
        };
        for (at, is_well, told) in [
            (1_000, Some(true), 0),
            (1_100, Some(true), 100),
            // Nobody leads.
            (3_000, None, 2_000),
            (3_100, Some(true), 2_100),
            (3_200, Some(false), 2_200),
            (3_300, Some(true), 0),
            (3_400, Some(true), 100),
            (5_401, Some(true), 0),
            (5_500, None, 99),
        ] {
            assert_eq!(well_for(at, is_well), ms(told), "{at}");
        }
    }

    #[test]
    fn what_was_given_back_is_held_no_more_and_said_until_the_log_says_otherwise() {
        let mut holder = Holder::new(ms(300));
        let late = holder.ask(ms(0), &mine(5)).nonce;
        holder.give_back(A, Epoch(5));
        assert_eq!(holder.granted(&granted(late, 5), &mine(5)), []);
        for at in [100, 10_000] {
            let asked = holder.ask(ms(at), &mine(5));
            assert_eq!(asked.homes, []);
            assert_eq!(asked.given_back, [(A, Epoch(5))]);
        }
        let asked = holder.ask(ms(10_100), &mine(6));
        assert_eq!(asked.homes, [(A, Epoch(6))]);
        assert_eq!(asked.given_back, []);
    }
}
