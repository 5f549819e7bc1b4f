//! How much a client may say in a second: a store of octets, or of stanzas, that what it says takes
//! from and time fills. Who speaks within it never waits; who does not is read later, and loses
//! nothing. Not for what waits for its commit: that has limits of its own.

use std::time::Duration;

/// Octets that an element counts at least: the work for it is more than its octets say.
pub const ELEMENT_OCTETS: usize = 128;

/// See the module. Holds what may be said in half a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Octets or stanzas a second; none is without limit.
    rate: Option<u64>,
    left: i64,
    filled: Duration,
}

impl Pace {
    /// Full.
    pub fn new(rate: Option<u64>, now: Duration) -> Pace {
        let mut pace = Pace {
            rate,
            left: 0,
            filled: now,
        };
        pace.left = pace.most();
        pace
    }

    fn most(&self) -> i64 {
        self.rate.map_or(i64::MAX, |rate| (rate / 2) as i64)
    }

    /// So much was said. The last may take more than there is: it is owed.
    pub fn spend(&mut self, amount: usize) {
        if self.rate.is_some() {
            self.left -= amount as i64;
        }
    }

    /// Whether nothing more may be said before time has filled the store.
    pub fn is_spent(&self) -> bool {
        self.left <= 0
    }

    /// Takes in the time since it was filled last.
    pub fn fill(&mut self, now: Duration) {
        let Some(rate) = self.rate else { return };
        let passed = now.saturating_sub(self.filled).as_micros();
        let more = passed.saturating_mul(u128::from(rate)) / 1_000_000;
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(more).min(self.most());
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_second_has_as_many_octets_as_it_may_and_no_more_are_saved_up_than_half_of_them() {
        let mut pace = Pace::new(Some(100_000), at(0));
        let said = |pace: &mut Pace| {
            let mut octets = 0;
            while !pace.is_spent() {
                pace.spend(1_000);
                octets += 1_000;
            }
            octets
        };
        assert_eq!(said(&mut pace), 50_000);
        pace.fill(at(20));
        assert_eq!(said(&mut pace), 2_000);
        pace.fill(at(60_000));
        assert_eq!(said(&mut pace), 50_000);
        // The clock of a machine may be set back.
        pace.fill(at(10));
        assert!(pace.is_spent());
    }

    #[test]
    fn what_is_long_is_owed() {
        let mut pace = Pace::new(Some(20_000), at(0));
        pace.spend(30_000);
        pace.fill(at(900));
        assert!(pace.is_spent(), "20,000 were owed");
        pace.fill(at(1_100));
        assert!(!pace.is_spent());
        // Half a second's worth of stanzas.
        let mut stanzas = Pace::new(Some(20), at(0));
        (0..10).for_each(|_| stanzas.spend(1));
        assert!(stanzas.is_spent());
    }

    #[test]
    fn without_a_limit_nothing_is_spent() {
        let mut pace = Pace::new(None, at(0));
        pace.spend(usize::MAX / 4);
        pace.fill(at(5));
        assert!(!pace.is_spent());
    }
}
