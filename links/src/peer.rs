//! Another node as this one knows it: address, the two connections, what went wrong last. Not for
//! making connections: see `dial` and `accept`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pollux_domain::ids::{Incarnation, NodeId};
use pollux_domain::seams::Clock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::link::{Counts, Link};
use crate::peers::Lane;
use crate::refusal::{Reason, Refusal};
use crate::rows::{LaneRow, PeerRow};

/// A node's place in the topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddress {
    pub node: NodeId,
    /// Where it is known: a node with an older one is refused.
    pub incarnation: Option<Incarnation>,
    /// `host:port` of its port between nodes.
    pub address: String,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub address: PeerAddress,
    /// Where it is by its own words.
    moved: Mutex<Option<String>>,
    pub dialling: [AtomicBool; 2],
    lanes: Mutex<[Option<Arc<Link>>; 2]>,
    counts: [Arc<Counts>; 2],
    gone: watch::Sender<bool>,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    refusal: Option<Refusal>,
    /// The reason that stands in the log; none after a connection that worked.
    logged: Option<Reason>,
    unreachable: Option<String>,
    grumbled: Option<Duration>,
}

/// A contested connection that was not heard for so long is dead: a living one speaks twice as
/// often on either lane.
const CONTEST: Duration = Duration::from_secs(1);
/// Between two looks at it.
const CONTEST_STEP: Duration = Duration::from_millis(25);

impl Peer {
    pub fn new(address: PeerAddress) -> Arc<Peer> {
        Arc::new(Peer {
            address,
            moved: Mutex::default(),
            dialling: Default::default(),
            lanes: Mutex::default(),
            counts: Default::default(),
            gone: watch::Sender::new(false),
            trouble: Mutex::default(),
        })
    }

    pub fn node(&self) -> NodeId {
        self.address.node
    }

    /// Where it is called.
    pub fn dialled(&self) -> String {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.as_ref().unwrap_or(&self.address.address).clone()
    }

    /// It says where it is. Returns whether that is news.
    pub fn move_to(&self, address: &str) -> bool {
        let is_news = self.dialled() != address;
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        *moved = Some(address.to_owned());
        is_news
    }

    /// Whether the topology says nothing new of it.
    pub fn is_at(&self, address: &PeerAddress) -> bool {
        self.address.incarnation == address.incarnation && self.dialled() == address.address
    }

    pub fn counts(&self, lane: Lane) -> Arc<Counts> {
        self.counts[lane.index()].clone()
    }

    fn lanes(&self) -> MutexGuard<'_, [Option<Arc<Link>>; 2]> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn link(&self, lane: Lane) -> Option<Arc<Link>> {
        self.lanes()[lane.index()].clone()
    }

    // === its place ===

    /// It has no place any more: its connections end.
    pub fn remove(&self) {
        self.gone.send_replace(true);
    }

    pub fn is_removed(&self) -> bool {
        *self.gone.borrow()
    }

    pub async fn removed(&self) {
        let mut gone = self.gone.subscribe();
        // The sender is `self`: it cannot be gone before.
        let _always = gone.wait_for(|gone| *gone).await;
    }

    // === seats ===

    /// Gives the lane to this connection: of the same life the newer one stays. Or says which
    /// connection of another life is in the way.
    fn seat(&self, link: &Arc<Link>) -> Result<(), Arc<Link>> {
        let mut lanes = self.lanes();
        for seated in lanes.iter().flatten() {
            if seated.life != link.life {
                return Err(seated.clone());
            }
        }
        let before = lanes[link.lane.index()].replace(link.clone());
        drop(lanes);
        if let Some(before) = before {
            before.hang_up.notify_one();
        }
        link.counts.connections.fetch_add(1, Ordering::Relaxed);
        self.trouble().unreachable = None;
        Ok(())
    }

    /// As `seat`, but one that is in the way must show that it lives: a node that was cut off comes
    /// back before its old connections are found dead.
    pub async fn settle(&self, link: &Arc<Link>, clock: &dyn Clock) -> Result<(), Refusal> {
        while let Err(other) = self.seat(link) {
            // What was on its way when the newer one came proves nothing.
            let proof = clock.now() + 2 * CONTEST_STEP;
            // What this thread has not read yet must have its chance.
            let chance = clock.now() + 4 * CONTEST_STEP;
            while self.holds(&other) {
                tokio::time::sleep(CONTEST_STEP).await;
                if proof < other.heard() {
                    let text = format!("another process is connected as node {}", self.node());
                    return Err(Refusal::new(Reason::DuplicateId, text));
                }
                if chance.max(other.heard() + CONTEST) < clock.now() {
                    self.leave(&other);
                    other.hang_up.notify_one();
                }
            }
        }
        Ok(())
    }

    fn holds(&self, link: &Arc<Link>) -> bool {
        let lanes = self.lanes();
        lanes[link.lane.index()]
            .as_ref()
            .is_some_and(|seated| Arc::ptr_eq(seated, link))
    }

    /// The connection is over.
    pub fn leave(&self, link: &Arc<Link>) {
        let mut lanes = self.lanes();
        lanes[link.lane.index()].take_if(|seated| Arc::ptr_eq(seated, link));
    }

    // === trouble ===

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a refusal; says whether the log should hear of it.
    pub fn refused(&self, refusal: &Refusal) -> bool {
        let mut trouble = self.trouble();
        trouble.refusal = Some(refusal.clone());
        trouble.logged.replace(refusal.reason) != Some(refusal.reason)
    }

    /// A connection works: the next refusal is news again.
    pub fn works(&self) {
        self.trouble().logged = None;
    }

    pub fn unreachable(&self, why: String) {
        self.trouble().unreachable = Some(why);
    }

    /// What came was no frame; says whether the log should hear of it.
    pub fn garbage(&self, lane: Option<Lane>, now: Duration) -> bool {
        let counts = &self.counts[lane.unwrap_or(Lane::Bulk).index()];
        counts.garbage.fetch_add(1, Ordering::Relaxed);
        minute_passed(&mut self.trouble().grumbled, now)
    }

    pub fn row(&self, now: Duration) -> PeerRow {
        let trouble = self.trouble();
        let (refusal, unreachable) = (trouble.refusal.clone(), trouble.unreachable.clone());
        drop(trouble);
        PeerRow {
            node: self.node(),
            address: self.dialled(),
            refusal,
            unreachable,
            lanes: Lane::ALL.map(|lane| {
                let counts = &self.counts[lane.index()];
                LaneRow::new(self.link(lane).as_deref(), counts, now)
            }),
        }
    }
}

/// At most one warning a minute: says whether it is time, and notes it.
pub(crate) fn minute_passed(last: &mut Option<Duration>, now: Duration) -> bool {
    const MINUTE: Duration = Duration::from_secs(60);
    let due = last.is_none_or(|last| last + MINUTE <= now);
    if due {
        *last = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::Life;

    fn peer() -> Arc<Peer> {
        Peer::new(PeerAddress {
            node: NodeId(2),
            incarnation: None,
            address: String::new(),
        })
    }

    #[test]
    fn a_refusal_is_news_once_until_the_reason_changes_or_a_connection_worked() {
        let peer = peer();
        let because = |reason| peer.refused(&Refusal::new(reason, "words"));
        assert!(because(Reason::UnknownNode));
        assert!(!because(Reason::UnknownNode));
        assert!(because(Reason::WrongCluster));
        peer.works();
        assert!(because(Reason::WrongCluster));
        let row = peer.row(Duration::ZERO);
        assert_eq!(
            row.refusal.map(|refusal| refusal.reason),
            Some(Reason::WrongCluster)
        );
    }

    #[test]
    fn garbage_is_news_once_a_minute() {
        let peer = peer();
        let news: Vec<bool> = [0, 1, 59, 60, 61, 130]
            .map(|second| peer.garbage(Some(Lane::Control), Duration::from_secs(second)))
            .into();
        assert_eq!(news, [true, false, false, true, false, true]);
        assert_eq!(peer.row(Duration::ZERO).lanes[0].garbage, 6);
    }

    #[test]
    fn a_seat_belongs_to_one_life() {
        let peer = peer();
        let link = |lane, life| {
            let life = Life([life; 16]);
            Link::new(NodeId(2), lane, life, Duration::ZERO, Arc::default()).0
        };
        let (control, bulk) = (link(Lane::Control, 1), link(Lane::Bulk, 1));
        assert!(peer.seat(&control).is_ok() && peer.seat(&bulk).is_ok());
        let other = peer.seat(&link(Lane::Bulk, 2)).unwrap_err();
        assert!(Arc::ptr_eq(&other, &control));
        let newer = link(Lane::Control, 1);
        assert!(peer.seat(&newer).is_ok());
        // The older one leaves without taking the newer one along.
        peer.leave(&control);
        assert!(peer.holds(&newer));
    }
}
