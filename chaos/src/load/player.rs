//! One client under load: sends when it is told to, answers in a closed loop, and comes back after
//! a fault.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::select;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::clock::now;
use super::histogram::Histogram;
use super::oracle::{FLOW_MESSAGES_MAX, Oracle};
use super::route::Route;
use super::target::{Driven, Target};
use super::ticket::Ticket;
use super::timeline::{Arrival, Return, Timeline};
use super::watch::Watch;
use crate::client::{Element, Error, Event, Outcome};

/// How often a client asks about what is still unacknowledged.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Faults that are kept in words.
const FAULTS_MAX: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// Nothing new is sent; what is under way shall arrive.
    Draining,
    /// Players with an even number sign off; the others see them go.
    Parting,
    Finished,
}

/// What all players of a run share.
pub struct Shared {
    pub oracle: Rc<RefCell<Oracle>>,
    pub run: u32,
    pub start: Instant,
    pub body: String,
    pub stream_management: bool,
    /// Whether a message that arrives is answered with the next one: the closed loop.
    pub echo: bool,
    pub latency: RefCell<Histogram>,
    /// Only what was meant in this time counts for the latency, whenever it arrives.
    pub window: Cell<Option<(Instant, Instant)>>,
    /// Messages that were meant in it.
    pub meant: Cell<u64>,
    /// From a lost connection to the next signed-in one.
    pub recovery: RefCell<Histogram>,
    pub received: Cell<u64>,
    pub ready: Cell<usize>,
    /// Messages that are due and wait for their client.
    pub queued: Cell<u64>,
    pub faults: RefCell<Vec<String>>,
    /// Kept where partners watch each other.
    pub watch: Option<RefCell<Watch>>,
    pub timeline: RefCell<Timeline>,
}

pub struct Player {
    pub client: Driven,
    pub flow: u32,
    pub seq: u32,
    /// To whom.
    pub to: String,
    /// The same one without a resource.
    pub partner: String,
    pub route: Route,
    /// When the next messages were meant to go.
    pub due: mpsc::Receiver<Instant>,
    pub phase: watch::Receiver<Phase>,
    pub shared: Rc<Shared>,
}

impl Player {
    /// Signs in or resumes; a new session announces itself and waits until the server has heard it.
    pub async fn connect(&mut self, target: &Target) -> Result<(), Error> {
        let address = self.route.next(self.client.location());
        let outcome = target.connect_to(&mut self.client, address).await?;
        self.route.arrived();
        if outcome == Outcome::Bound {
            self.client.available()?;
            if self.shared.watch.is_some() {
                self.client.presence(&self.partner, "subscribe")?;
            }
            let own = self.client.account.bare_jid();
            let heard = async {
                loop {
                    match self.client.next().await? {
                        Event::Presence(presence) => {
                            let from = presence.attribute("from").unwrap_or_default();
                            let is_own = from.split('/').next() == Some(&own);
                            if self.shared.seen(self.flow, &self.partner, presence) {
                                self.client.presence(&self.partner, "subscribed")?;
                            }
                            if is_own {
                                return Ok(());
                            }
                        }
                        Event::Message(message) => {
                            let id = message.attribute("id").unwrap_or_default();
                            self.shared.arrived(&id);
                        }
                        Event::Closed => return Err(Error::Closed),
                        Event::Iq(_) | Event::Acknowledged { .. } => {}
                    }
                }
            };
            let limit = Duration::from_secs(60);
            let heard = tokio::time::timeout(limit, heard).await;
            heard.unwrap_or(Err(Error::Timeout("announce itself")))?;
        }
        Ok(())
    }

    /// Plays until the run is finished (`Ok`) or the connection is lost.
    pub async fn play(&mut self, patience: Option<Duration>) -> Result<(), Error> {
        let ask = patience.map_or(ASK_AGAIN, |patience| patience / 4);
        let mut heard_at = now();
        let mut ask_again = interval(ask);
        ask_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = select! {
                biased;
                event = self.client.next() => {
                    heard_at = now();
                    match event? {
                        Event::Message(message) => {
                            let id = message.attribute("id").unwrap_or_default();
                            let echo = self.shared.arrived(&id) && self.shared.echo;
                            (echo && *self.phase.borrow() == Phase::Running).then(now)
                        }
                        Event::Presence(presence) => {
                            if self.shared.seen(self.flow, &self.partner, presence) {
                                self.client.presence(&self.partner, "subscribed")?;
                            }
                            None
                        }
                        Event::Closed => return Err(Error::Closed),
                        Event::Iq(_) | Event::Acknowledged { .. } => None,
                    }
                }
                Some(due) = self.due.recv() => {
                    self.shared.queued.set(self.shared.queued.get() - 1);
                    Some(due)
                }
                changed = self.phase.changed() => {
                    if changed.is_err() || self.is_finished() {
                        return Ok(());
                    }
                    None
                }
                _ = ask_again.tick(), if patience.is_some() || self.client.unacknowledged() > 0 => {
                    let silence = now() - heard_at;
                    if patience.is_some_and(|patience| patience < silence) {
                        self.route.silent();
                        return Err(Error::Timeout("listen"));
                    }
                    if ask <= silence || self.client.unacknowledged() > 0 {
                        self.client.request_acknowledgement()?;
                    }
                    None
                }
            };
            if let Some(meant) = due {
                self.send(meant)?;
            }
        }
    }

    /// Plays over as many connections as it takes. Who signs in for the first time waits for a
    /// turn.
    pub async fn persist(&mut self, target: &Target, gate: &Semaphore) -> Result<(), Error> {
        let mut lost_at: Option<Instant> = None;
        while !self.is_finished() {
            let session = self.client.jid().to_owned();
            let refusals = self.shared.oracle.borrow().verdict.not_resumed;
            // A closed gate is open to all; nobody closes it.
            let turn = match self.client.jid().is_empty() {
                true => gate.acquire().await.ok(),
                false => None,
            };
            let connected = self.connect(target).await;
            drop(turn);
            let result = match connected {
                Ok(()) => {
                    if let Some(lost_at) = lost_at.take() {
                        let resumed = self.shared.oracle.borrow().verdict.not_resumed == refusals;
                        self.shared
                            .came_back(self.flow, lost_at, resumed && !session.is_empty());
                    } else {
                        self.shared.ready.set(self.shared.ready.get() + 1);
                    }
                    self.play(target.patience).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = result else { break };
            if !error.is_retryable() {
                self.shared
                    .fault(format!("{}: {error}", self.client.account.user));
                self.client.forget();
            }
            lost_at.get_or_insert_with(now);
            self.client.cut();
            select! {
                biased;
                _ = self.phase.wait_for(|phase| *phase == Phase::Finished) => {}
                () = sleep(self.route.pause()) => {}
            }
        }
        // The account is closed: how the server takes the farewell is not judged.
        let _ = self.client.close().await;
        Ok(())
    }

    fn is_finished(&self) -> bool {
        match *self.phase.borrow() {
            Phase::Running | Phase::Draining => false,
            Phase::Parting => self.flow.is_multiple_of(2),
            Phase::Finished => true,
        }
    }

    fn send(&mut self, meant: Instant) -> Result<(), Error> {
        if self.seq == FLOW_MESSAGES_MAX {
            return Err(Error::Full("the account of one sender"));
        }
        let meant = meant.saturating_duration_since(self.shared.start);
        let ticket = Ticket {
            run: self.shared.run,
            flow: self.flow,
            seq: self.seq,
            meant,
        };
        self.seq += 1;
        self.client
            .message(&self.to, &ticket.to_string(), &self.shared.body)
    }
}

impl Shared {
    /// Whether a message that was meant at this moment counts for the latency.
    pub fn is_looked_at(&self, meant: Instant) -> bool {
        let window = self.window.get();
        window.is_none_or(|(from, to)| from <= meant && meant < to)
    }

    pub fn fault(&self, words: String) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_MAX {
            faults.push(words);
        }
    }

    /// A presence came to a player; whether it asks for leave to watch.
    fn seen(&self, flow: u32, partner: &str, presence: Element<'_>) -> bool {
        let watch = self.watch.as_ref();
        watch.is_some_and(|watch| watch.borrow_mut().note(flow, partner, presence))
    }

    /// How often somebody was shown to go who had not gone.
    pub fn false_unavailable(&self) -> u64 {
        let watch = self.watch.as_ref();
        watch.map_or(0, |watch| watch.borrow().false_unavailable)
    }

    fn came_back(&self, flow: u32, lost: Instant, resumed: bool) {
        let back = now();
        self.recovery.borrow_mut().record(back - lost);
        self.timeline.borrow_mut().returns.push(Return {
            flow,
            lost,
            back,
            resumed,
        });
    }

    /// Measures a message that arrived; whether it was one of this run.
    fn arrived(&self, id: &str) -> bool {
        match Ticket::parse(id) {
            Some(ticket) if ticket.run == self.run => {
                let at = now();
                let took = at.saturating_duration_since(self.start + ticket.meant);
                if self.watch.is_some() {
                    self.timeline.borrow_mut().arrived(Arrival {
                        flow: ticket.flow,
                        meant: ticket.meant,
                        at,
                    });
                }
                if self.is_looked_at(self.start + ticket.meant) {
                    self.latency.borrow_mut().record(took);
                }
                self.received.set(self.received.get() + 1);
                true
            }
            _ => false,
        }
    }
}
