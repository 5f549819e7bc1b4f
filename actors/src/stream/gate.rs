//! Lets those who have proved who they are have a session, a few at a time: what is expensive comes
//! then, an entry of the log, a contact list, what all contacts are told. Who comes back to a
//! session goes first. In which order and how many stands in `domain::turns`; strangers have limits
//! of their own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pollux_domain::metrics::Sample;
use pollux_domain::seams::Clock;
use pollux_domain::turns::{Coming, Entry, Meter, Turns};
use pollux_domain::{limits, relogin};
use pollux_xmpp::stream_error::{StreamCondition, StreamError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::strangers::Strangers;

/// Whoever waits longer is told to come later: a client gives up of itself soon after.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many strangers, and the node is as busy with them as it can be.
const STRANGERS_BUSY: u64 = 64;
/// What a client is told to wait at least that comes too early.
const COME_AGAIN_SECONDS: u64 = 5;

/// See the module.
pub struct Gate {
    clock: Arc<dyn Clock>,
    strangers: Arc<Strangers>,
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
    gate: Arc<Gate>,
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
    /// `strangers`: counted here, shown in the metrics.
    pub fn new(clock: Arc<dyn Clock>, strangers: Arc<Strangers>) -> Arc<Gate> {
        Arc::new(Gate {
            clock,
            strangers,
            inner: Mutex::default(),
            turned_away: AtomicU64::new(0),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sign-ins a second that this node has managed; none: it was never put to the test.
    pub fn measured(&self) -> Option<f64> {
        self.inner().meter.rate()
    }

    /// Waits for a place. Err: the client is told when to come again.
    pub async fn enter(self: &Arc<Gate>, coming: Coming) -> Result<Place, StreamError> {
        let (tell, told) = oneshot::channel();
        let entered = {
            let mut inner = self.inner();
            match inner.turns.enter(coming, tell) {
                Entry::Full(tell) => {
                    inner.turns.forget(oneshot::Sender::is_closed);
                    inner.turns.enter(coming, tell)
                }
                entered => entered,
            }
        };
        let place = match entered {
            Entry::Inside => Some(Place::new(self)),
            Entry::Waits => timeout(PATIENCE, told).await.ok().and_then(Result::ok),
            Entry::Full(_) => None,
        };
        if let Some(place) = place {
            return Ok(place);
        }
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        let inner = self.inner();
        Err(come_again(inner.turns.waiting(), inner.meter.rate()))
    }

    fn leave(self: &Arc<Gate>, took: Option<Duration>) {
        let now = self.clock.now();
        let mut inner = self.inner();
        let next = match took {
            Some(took) => {
                let are_many = STRANGERS_BUSY <= self.strangers.count();
                let others_wait = inner.turns.waiting() > 0 || are_many;
                inner.meter.done(now, others_wait);
                inner.turns.leave(took, now)
            }
            None => inner.turns.vanished(),
        };
        let mut next = VecDeque::from(next);
        while let Some(told) = next.pop_front() {
            if let Err(mut place) = told.send(Place::new(self)) {
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

/// RFC 6120 section 4.9.3.17.
fn come_again(waiting: usize, rate: Option<f64>) -> StreamError {
    let rate = rate.unwrap_or(limits::SIGN_INS_A_SECOND_ASSUMED);
    let spread = relogin::spread(COME_AGAIN_SECONDS, waiting as u64, rate);
    let text = format!(
        "many come back at once: come again in {} to {} seconds",
        spread.lower_seconds, spread.upper_seconds
    );
    StreamError::new(StreamCondition::ResourceConstraint).with_text(text)
}

impl Place {
    fn new(gate: &Arc<Gate>) -> Place {
        Place {
            gate: gate.clone(),
            since: gate.clock.now(),
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
        let took = self.gate.clock.now().saturating_sub(self.since);
        match self.end {
            End::Done => self.gate.leave(Some(took)),
            End::Vanished => self.gate.leave(None),
            End::Untaken => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::WallMs;
    use tokio::task::JoinSet;

    use super::*;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Duration {
            Duration::from_secs(60)
        }

        fn wall(&self) -> WallMs {
            WallMs(0)
        }
    }

    fn words(error: &StreamError) -> String {
        let mut out = Vec::new();
        error.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Nobody else gets in.
    async fn filled() -> (Arc<Gate>, Vec<Place>) {
        let gate = Gate::new(Arc::new(Still), Arc::default());
        let (mut places, limit) = (Vec::new(), gate.inner().turns.limit());
        for _ in 0..limit {
            places.push(gate.enter(Coming::New).await.ok().unwrap());
        }
        (gate, places)
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_goes_first_and_a_place_of_one_who_has_gone_goes_to_the_next() {
        let (gate, mut places) = filled().await;
        let mut waiting = JoinSet::new();
        for (name, coming) in [("new", Coming::New), ("back", Coming::Back)] {
            let there = gate.clone();
            waiting.spawn(async move { (name, there.enter(coming).await.ok().unwrap()) });
            while gate.inner().turns.waiting_for(coming) == 0 {
                tokio::task::yield_now().await;
            }
        }
        // One who gives up while it waits.
        let gone = gate.enter(Coming::Back);
        assert!(timeout(Duration::from_secs(1), gone).await.is_err());
        places.pop();
        let (first, back) = waiting.join_next().await.unwrap().unwrap();
        assert_eq!(first, "back");
        back.done();
        let (second, new) = waiting.join_next().await.unwrap().unwrap();
        assert_eq!(second, "new");
        drop((new, places));
        let inner = gate.inner();
        assert_eq!((inner.turns.inside(), inner.turns.waiting()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_when_to_come_again() {
        let (gate, places) = filled().await;
        let late = gate.enter(Coming::New).await.err().unwrap();
        let late = words(&late);
        assert!(late.contains("resource-constraint"), "{late}");
        assert!(
            late.contains("many come back at once: come again in 5 to"),
            "{late}"
        );
        assert_eq!(gate.turned_away.load(Ordering::Relaxed), 1);
        drop(places);
        assert!(gate.enter(Coming::New).await.is_ok());
    }

    #[test]
    fn the_later_the_more_wait_and_the_fewer_are_managed() {
        let told = words(&come_again(4_000, Some(500.0)));
        assert!(told.contains("come again in 5 to 13 seconds"), "{told}");
        let unknown = words(&come_again(4_000, None));
        assert!(
            unknown.contains("come again in 5 to 45 seconds"),
            "{unknown}"
        );
    }
}
