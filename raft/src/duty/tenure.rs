//! Whether this node may act for the users of a home at this moment: the lease as every writer of a
//! socket reads it, one comparison before each act (design, section 4, "Leases and epochs").

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use pollux_domain::ids::{Epoch, NodeId};
use tokio::sync::Notify;

/// Epochs of one home of which a process keeps account.
const ACCOUNTS_MAX: usize = 16;

/// When this process has acted for a home under one epoch: by the clock at the check of the lease
/// before the first act, and before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acts {
    pub epoch: Epoch,
    pub first: Duration,
    pub last: Duration,
}

/// One home's users, as far as this node serves them. Written by the lease's holder alone.
#[derive(Debug)]
pub struct Tenure {
    home: NodeId,
    /// Under which this process serves; 0: it does not.
    epoch: AtomicU64,
    /// Nanoseconds of the monotonic clock until which the lease is held.
    until: AtomicU64,
    /// Something has changed: the lease was gained, lost, or gained again.
    changed: Notify,
    /// By epoch, the newest of them.
    acts: Mutex<BTreeMap<u64, (Duration, Duration)>>,
}

impl Tenure {
    fn new(home: NodeId) -> Tenure {
        Tenure {
            home,
            epoch: AtomicU64::new(0),
            until: AtomicU64::new(0),
            changed: Notify::new(),
            acts: Mutex::default(),
        }
    }

    pub fn home(&self) -> NodeId {
        self.home
    }

    /// Under which this process serves.
    pub fn epoch(&self) -> Option<Epoch> {
        match self.epoch.load(Ordering::Acquire) {
            0 => None,
            epoch => Some(Epoch(epoch)),
        }
    }

    /// The last check before an act that the log does not guard.
    pub fn holds(&self, now: Duration) -> bool {
        self.epoch.load(Ordering::Acquire) != 0
            && nanoseconds(now) < self.until.load(Ordering::Acquire)
    }

    /// The same check, by one who will keep account of the act: under which epoch.
    pub fn leave(&self, now: Duration) -> Option<Epoch> {
        let epoch = self.epoch()?;
        // The epoch that is held is still the one that was read.
        (self.holds(now) && self.epoch() == Some(epoch)).then_some(epoch)
    }

    /// Something was done under `epoch`, right after the check at `checked`.
    pub fn acted(&self, epoch: Epoch, checked: Duration) {
        let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = acts.entry(epoch.0).or_insert((checked, checked));
        (*first, *last) = (checked.min(*first), checked.max(*last));
        if acts.len() > ACCOUNTS_MAX {
            acts.pop_first();
        }
    }

    /// When this process has acted, by epoch, the oldest first.
    pub fn acts(&self) -> Vec<Acts> {
        let acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = acts.iter().map(|(epoch, (first, last))| Acts {
            epoch: Epoch(*epoch),
            first: *first,
            last: *last,
        });
        rows.collect()
    }

    /// How long ago the lease ran out; zero while it is held.
    pub fn lapsed_for(&self, now: Duration) -> Duration {
        let until = self.until.load(Ordering::Acquire);
        Duration::from_nanos(nanoseconds(now).saturating_sub(until))
    }

    /// Resolves when the lease is held; who waits sets a limit of time.
    pub async fn held(&self, now: impl Fn() -> Duration) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Listens before it looks.
            changed.as_mut().enable();
            if self.holds(now()) {
                return;
            }
            changed.await;
        }
    }

    /// Resolves at the next change.
    pub async fn change(&self) {
        self.changed.notified().await;
    }

    /// The lease is held under `epoch` until then. True where it was not held before.
    pub fn extend(&self, epoch: Epoch, until: Duration, now: Duration) -> bool {
        let held = self.holds(now);
        let same = self.epoch.swap(epoch.0, Ordering::AcqRel) == epoch.0;
        let until = nanoseconds(until);
        match same {
            true => self.until.fetch_max(until, Ordering::AcqRel),
            false => self.until.swap(until, Ordering::AcqRel),
        };
        let gained = !(held && same);
        if gained {
            self.changed.notify_waiters();
        }
        gained
    }

    /// Somebody else serves. True where this process did.
    pub fn drop_epoch(&self) -> bool {
        let served = self.epoch.swap(0, Ordering::AcqRel) != 0;
        self.until.store(0, Ordering::Release);
        if served {
            self.changed.notify_waiters();
        }
        served
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The homes of a subcluster, as this process knows them.
#[derive(Debug, Default)]
pub struct Tenures {
    tenures: RwLock<BTreeMap<NodeId, Arc<Tenure>>>,
}

impl Tenures {
    /// The tenure of a home, made at the first question.
    pub fn of(&self, home: NodeId) -> Arc<Tenure> {
        let known = self.tenures.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenure) = known.get(&home) {
            return tenure.clone();
        }
        drop(known);
        let mut tenures = self.tenures.write().unwrap_or_else(PoisonError::into_inner);
        tenures
            .entry(home)
            .or_insert_with(|| Arc::new(Tenure::new(home)))
            .clone()
    }

    pub fn all(&self) -> Vec<Arc<Tenure>> {
        let known = self.tenures.read().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_lease_is_held_until_its_end_and_under_its_epoch() {
        let tenure = Tenures::default().of(NodeId(1));
        assert_eq!(tenure.epoch(), None);
        assert!(!tenure.holds(ms(0)));
        assert!(tenure.extend(Epoch(3), ms(300), ms(10)));
        assert!(tenure.holds(ms(299)) && !tenure.holds(ms(300)));
        assert!(!tenure.extend(Epoch(3), ms(250), ms(100)), "held already");
        assert!(tenure.holds(ms(299)), "an older answer takes nothing back");
        assert_eq!(tenure.lapsed_for(ms(350)), ms(50));
        assert!(tenure.extend(Epoch(3), ms(700), ms(400)), "gained again");
        assert!(tenure.extend(Epoch(5), ms(600), ms(450)), "another epoch");
        assert!(!tenure.holds(ms(650)), "its own lease counts");
        assert!(tenure.drop_epoch() && !tenure.drop_epoch());
        assert!(!tenure.holds(ms(500)));
    }

    #[test]
    fn acts_are_accounted_by_epoch() {
        let tenure = Tenures::default().of(NodeId(1));
        assert_eq!(tenure.leave(ms(0)), None);
        tenure.extend(Epoch(3), ms(300), ms(10));
        assert_eq!(tenure.leave(ms(299)), Some(Epoch(3)));
        assert_eq!(tenure.leave(ms(300)), None);
        for at in [20, 12, 15] {
            tenure.acted(Epoch(3), ms(at));
        }
        let acts = |epoch, first, last| Acts {
            epoch: Epoch(epoch),
            first: ms(first),
            last: ms(last),
        };
        assert_eq!(tenure.acts(), [acts(3, 12, 20)]);
        for epoch in 4..4 + ACCOUNTS_MAX as u64 {
            tenure.acted(Epoch(epoch), ms(400));
        }
        assert_eq!(tenure.acts().len(), ACCOUNTS_MAX);
        assert_eq!(tenure.acts()[0], acts(4, 400, 400), "the oldest goes");
    }
}
