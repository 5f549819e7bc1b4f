//! Lets those who have proved who they are have a session, a few at a time: what is expensive comes
//! then, an entry of the log, a contact list, what all contacts are told. Who comes back to a
//! session goes first. In which order and how many stands in `domain::turns`; strangers have limits
//! of their own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pollux_domain::metrics::Sample;
use pollux_domain::turns::{Coming, Entry, Meter, Turns};
use pollux_xmpp::stream_error::{StreamCondition, StreamError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::wire::Broken;
use crate::node::Node;

/// Whoever waits longer is told to come later: a client gives up of itself soon after.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many strangers, and the node is as busy with them as it can be.
const STRANGERS_BUSY: u64 = 64;
/// What a client is told to wait at least that comes too early.
const COME_AGAIN_SECONDS: u64 = 5;

/// See the module.
#[derive(Default)]
pub struct Gate {
    inner: Mutex<Inner>,
    turned_away: AtomicU64,
}

#[derive(Default)]
struct Inner {
    turns: Turns<oneshot::Sender<Place>>,
    meter: Meter,
}

/// A place inside, until it is dropped: also where it was given to somebody who has gone.
pub struct Place {
    node: Arc<Node>,
    since: Duration,
    end: End,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// There is a session: what it took says how busy the node is.
    Done,
    Vanished,
    /// It was never taken, and is given to the next.
    Untaken,
}

impl Gate {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sign-ins a second that this node has managed; none: it was never put to the test.
    pub fn measured(&self) -> Option<f64> {
        self.inner().meter.rate()
    }

    fn leave(node: &Arc<Node>, took: Option<Duration>) {
        let now = node.ambient.clock.now();
        let strangers = node.metrics.strangers.count();
        let mut inner = node.gate.inner();
        let mut next = match took {
            Some(took) => {
                let others_wait = inner.turns.waiting() > 0 || STRANGERS_BUSY <= strangers;
                inner.meter.done(now, others_wait);
                inner.turns.leave(took, now)
            }
            None => inner.turns.vanished(),
        };
        while let Some(told) = next.pop() {
            if let Err(mut place) = told.send(Place::new(node)) {
                place.end = End::Untaken;
                next.extend(inner.turns.vanished());
            }
        }
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        let inner = self.inner();
        let waiting = |coming, word: &str| {
            let help = "Clients who have proved who they are and wait for their turn.";
            let count = inner.turns.waiting_for(coming) as f64;
            Sample::gauge("pollux_sign_ins_waiting", help, count).with("coming", word)
        };
        let mut samples = vec![
            waiting(Coming::Back, "back"),
            waiting(Coming::New, "new"),
            Sample::gauge(
                "pollux_sign_ins_at_once",
                "Sign-ins and resumptions under way.",
                inner.turns.inside() as f64,
            ),
            Sample::gauge(
                "pollux_sign_ins_at_once_max",
                "As many may be at present: fewer while they stand in each other's way.",
                inner.turns.limit() as f64,
            ),
            Sample::counter(
                "pollux_sign_ins_turned_away_total",
                "Clients who were told to come again later.",
                self.turned_away.load(Ordering::Relaxed),
            ),
        ];
        // No monitor is told a number that nobody has measured.
        samples.extend(inner.meter.rate().map(|rate| {
            let help = "Sign-ins a second that the node has managed while more would have come.";
            Sample::gauge("pollux_sign_ins_managed_a_second", help, rate)
        }));
        samples
    }
}

/// Waits for a place. Err: the client is told when to come again.
pub async fn enter(node: &Arc<Node>, coming: Coming) -> Result<Place, Broken> {
    let (tell, told) = oneshot::channel();
    let entered = {
        let mut inner = node.gate.inner();
        match inner.turns.enter(coming, tell) {
            Entry::Full(tell) => {
                inner.turns.forget(oneshot::Sender::is_closed);
                inner.turns.enter(coming, tell)
            }
            entered => entered,
        }
    };
    let place = match entered {
        Entry::Inside => Some(Place::new(node)),
        Entry::Waits => timeout(PATIENCE, told).await.ok().and_then(Result::ok),
        Entry::Full(_) => None,
    };
    if let Some(place) = place {
        return Ok(place);
    }
    node.gate.turned_away.fetch_add(1, Ordering::Relaxed);
    let (waiting, rate) = {
        let inner = node.gate.inner();
        (inner.turns.waiting(), inner.meter.rate())
    };
    Err(come_again(waiting, rate).into())
}

/// RFC 6120 section 4.9.3.17.
fn come_again(waiting: usize, rate: Option<f64>) -> StreamError {
    let rate = rate.unwrap_or(pollux_domain::limits::SIGN_INS_A_SECOND_ASSUMED);
    let spread = pollux_domain::relogin::spread(COME_AGAIN_SECONDS, waiting as u64, rate);
    let text = format!(
        "many come back at once: come again in {} to {} seconds",
        spread.lower_seconds, spread.upper_seconds
    );
    StreamError::new(StreamCondition::ResourceConstraint).with_text(text)
}

impl Place {
    fn new(node: &Arc<Node>) -> Place {
        Place {
            node: node.clone(),
            since: node.ambient.clock.now(),
            end: End::Vanished,
        }
    }

    /// There is a session.
    pub fn done(mut self) {
        self.end = End::Done;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let took = self.node.ambient.clock.now().saturating_sub(self.since);
        match self.end {
            End::Done => Gate::leave(&self.node, Some(took)),
            End::Vanished => Gate::leave(&self.node, None),
            End::Untaken => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_is_told_when_to_come_again() {
        let words = |error: StreamError| {
            let mut out = Vec::new();
            error.write(&mut out);
            String::from_utf8(out).unwrap()
        };
        let told = words(come_again(4_000, Some(500.0)));
        assert!(told.contains("resource-constraint"), "{told}");
        assert!(told.contains("come again in 5 to 13 seconds"), "{told}");
        let unknown = words(come_again(4_000, None));
        assert!(
            unknown.contains("come again in 5 to 45 seconds"),
            "{unknown}"
        );
    }
}
