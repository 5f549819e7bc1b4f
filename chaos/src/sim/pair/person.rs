//! A person of a pair's run: signs in at any node, talks to the partner, loses connections, comes
//! back to the same node or another; after the faults only listens, and sees that the
//! connection lives.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use turmoil::net::TcpStream;

use super::acquaintance::{self, Acquaintance};
use super::plan::{NAMES, PairPlan, SEATS, node_seat};
use crate::client::{Client, Element, Error, Event, Options, Outcome, Seed};
use crate::sim::history::{Fact, History, Pen, Phase};
use crate::sim::linear::Deed;
use crate::sim::people::account;
use crate::sim::world::PORT;

pub type Driven = Client<TcpStream, Pen>;

/// How a person stands, for whoever waits until all is well.
#[derive(Debug, Default)]
pub struct Standing {
    pub connected: Cell<bool>,
    pub unacknowledged: Cell<usize>,
    /// The client is to vanish, for good.
    pub gone: Cell<bool>,
}

/// See the module.
pub struct Person {
    pub who: usize,
    pub plan: PairPlan,
    pub seed: Seed,
    pub options: Rc<Options>,
    pub history: Rc<RefCell<History>>,
    pub phase: Rc<Cell<Phase>>,
    pub standing: Rc<Standing>,
    /// The seat where the person was last.
    pub at: usize,
    pub said: u64,
    /// Requests to nobody, to which an error is the answer.
    pub questions: u64,
    pub befriended: bool,
    /// Requests for the contact list that wait for their answers, and the last number written.
    pub asked: BTreeMap<String, Deed>,
    pub noted: u64,
    /// The last number that the own availability has had.
    pub shown: u64,
    pub acquaintance: Acquaintance,
}

/// Of a connection in use.
struct Pulse {
    /// When the server was last heard, or owed nothing.
    heard: Duration,
    /// After so long without an answer that is owed, the connection counts as broken.
    patience: Duration,
}

/// Between two looks whether an idle connection lives.
const IDLE: Duration = Duration::from_millis(700);

/// Requests for the contact list under way at one time: the checker tries all their orders.
const ASKED_MAX: usize = 3;

/// The number that a contact list has as the name of that contact; 0: none.
fn number_in(iq: Element<'_>, jid: &str) -> u64 {
    let name = acquaintance::contact(iq, jid).and_then(|item| item.attribute("name"));
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

impl Person {
    /// Lives until the world ends.
    pub async fn live(mut self) -> turmoil::Result {
        let pen = Pen {
            who: self.who,
            history: self.history.clone(),
        };
        let number = self.seed.number();
        let mut client = Driven::new(account(self.who), self.options.clone(), number, pen);
        loop {
            let ended = self.connection(&mut client).await;
            self.standing.connected.set(false);
            if self.standing.gone.get() {
                client.cut();
                std::future::pending::<()>().await;
            }
            match ended {
                Ok(()) | Err(Error::Closed) => {}
                Err(error) => {
                    tracing::debug!(who = self.who, %error, "connection ended");
                    if error.is_retryable() {
                        client.cut();
                    } else {
                        let why = error.to_string();
                        let who = self.who;
                        let fact = Fact::TurnedAway { who, why };
                        self.history.borrow_mut().add(fact);
                        client.forget();
                    }
                    // Mostly another node, after a failure.
                    if self.seed.below(4) != 0 {
                        self.at = self.door(Some(self.at));
                    }
                }
            }
            if self.seed.below(5) == 0 {
                self.at = self.door(None);
            }
            self.pause(5, 250).await;
        }
    }

    /// A node to come to, mostly one of the own pair; not that one.
    fn door(&mut self, not: Option<usize>) -> usize {
        let own = self.plan.pair_of(self.who);
        let pair = match self.seed.below(6) {
            0 => self.seed.below(self.plan.pairs as u64) as usize,
            _ => own,
        };
        let door = node_seat(pair, self.seed.below(2) as usize);
        match not {
            Some(not) if not == door => node_seat(pair, 1 - door % SEATS),
            _ => door,
        }
    }

    async fn connection(&mut self, client: &mut Driven) -> Result<(), Error> {
        let address = (turmoil::lookup(NAMES[self.at]), PORT);
        let connecting = TcpStream::connect(address);
        let stream = timeout(Duration::from_secs(1), connecting).await;
        let stream = stream.map_err(|_| Error::Timeout("connect"))??;
        let who = self.who;
        self.history.borrow_mut().add(Fact::Comes { who });
        if client.connect(stream).await? == Outcome::Bound {
            self.asked.clear();
            self.show(client)?;
        }
        let mut pulse = Pulse {
            heard: now(),
            patience: Duration::from_millis(1_500 + self.seed.below(2_500)),
        };
        self.standing.connected.set(true);
        loop {
            let time = Duration::from_millis(1 + self.seed.below(self.plan.pace_ms));
            self.listen(client, &mut pulse, time).await?;
            if self.standing.gone.get() {
                return Ok(());
            }
            self.standing.unacknowledged.set(client.unacknowledged());
            if !self.is_alive(client, &mut pulse)? {
                client.cut();
                return Ok(());
            }
            if !self.act(client).await? {
                return Ok(());
            }
        }
    }

    /// False where the connection is over.
    async fn act(&mut self, client: &mut Driven) -> Result<bool, Error> {
        if self.phase.get() == Phase::Setup && !self.befriended {
            self.befriended = true;
            let partner = account(self.partner()).bare_jid();
            client.presence(&partner, "subscribe")?;
        }
        if self.is_healing() {
            self.settle(client)?;
        }
        if self.phase.get() != Phase::Faults {
            return Ok(true);
        }
        match self.seed.below(100) {
            0..=1 => {
                client.cut();
                return Ok(false);
            }
            2 if self.plan.leaves => {
                self.history.borrow_mut().add(Fact::Left { who: self.who });
                client.close().await?;
                return Ok(false);
            }
            3..=54 if self.said < self.plan.messages => {
                self.said += 1;
                let to = account(self.partner()).bare_jid();
                let id = format!("m{}-{}", self.who, self.said);
                client.message(&to, &id, "hello")?;
            }
            55..=64 => client.request_acknowledgement()?,
            65..=67 => self.show(client)?,
            68..=70 => {
                client.request_ping()?;
            }
            71..=77 if self.asked.len() < ASKED_MAX && !self.plan.leaves => {
                self.ask(client)?;
            }
            78..=79 => self.ask_nobody(client)?,
            80..=82 => self.change_mind(client)?,
            _ => {}
        }
        Ok(true)
    }

    /// Says that it is there, as what nobody has said before.
    fn show(&mut self, client: &mut Driven) -> Result<(), Error> {
        self.shown += 1;
        let number = self.shown;
        let status = format!("<status>{number}</status>");
        client.send(&format!(
            "<presence id='p{}-{number}'>{status}</presence>",
            self.who
        ))
    }

    /// Reads the contact list, or writes a number into it.
    fn ask(&mut self, client: &mut Driven) -> Result<(), Error> {
        let (id, deed) = match self.seed.below(2) {
            0 => (client.request_roster()?, Deed::Read(0)),
            _ => {
                self.noted += 1;
                let (partner, number) = (account(self.partner()).bare_jid(), self.noted);
                let item = format!("<item jid='{partner}' name='{number}'/>");
                let query = format!("<query xmlns='jabber:iq:roster'>{item}</query>");
                (client.request("set", "", &query)?, Deed::Write(number))
            }
        };
        self.asked.insert(id.clone(), deed);
        let who = self.who;
        self.history.borrow_mut().add(Fact::Asked { who, id, deed });
        Ok(())
    }

    /// The partner has no such device: whoever serves the partner says so.
    fn ask_nobody(&mut self, client: &mut Driven) -> Result<(), Error> {
        self.questions += 1;
        let id = format!("q{}-{}", self.who, self.questions);
        let to = format!("{}/nowhere", account(self.partner()).bare_jid());
        let query = "<query xmlns='urn:pollux:sim'/>";
        client.send(&format!("<iq type='get' id='{id}' to='{to}'>{query}</iq>"))
    }

    /// An answer, where one of these was asked for.
    fn take_answer(&mut self, iq: Element<'_>) {
        let id = iq.attribute("id").unwrap_or_default().into_owned();
        let Some(deed) = self.asked.remove(&id) else {
            return;
        };
        if matches!(deed, Deed::Read(_)) {
            self.read_relation(&id, iq);
        }
        let value = number_in(iq, &account(self.partner()).bare_jid());
        let who = self.who;
        let fact = Fact::Answered { who, id, value };
        self.history.borrow_mut().add(fact);
    }

    /// What the partner's device says of itself. Of another group it is a copy, and where sessions
    /// end it is not always there.
    fn take_presence(&mut self, presence: Element<'_>) {
        let of = self.partner();
        let number = presence.child("status").map(|status| status.text());
        let number = number.and_then(|number| number.parse().ok());
        let from = presence.attribute("from").unwrap_or_default();
        let is_partner = from.starts_with(&account(of).bare_jid());
        if let Some(number) = number.filter(|_| is_partner)
            && !self.plan.leaves
            && !self.plan.crosses(self.who)
        {
            let who = self.who;
            let fact = Fact::Shown { who, of, number };
            self.history.borrow_mut().add(fact);
        }
    }

    fn partner(&self) -> usize {
        self.who ^ 1
    }

    /// Whether the server answers what it owes; asks it something now and then.
    fn is_alive(&self, client: &mut Driven, pulse: &mut Pulse) -> Result<bool, Error> {
        let silent = now().saturating_sub(pulse.heard);
        if client.unacknowledged() == 0 {
            if IDLE <= silent {
                client.request_ping()?;
                pulse.heard = now();
            }
            return Ok(true);
        }
        Ok(silent < pulse.patience)
    }

    /// Takes what comes for so long.
    async fn listen(
        &mut self,
        client: &mut Driven,
        pulse: &mut Pulse,
        time: Duration,
    ) -> Result<(), Error> {
        let mut over = std::pin::pin!(sleep(time));
        loop {
            let said = tokio::select! {
                biased;
                event = client.next() => self.hear(event?)?,
                () = &mut over => return Ok(()),
            };
            pulse.heard = now();
            if let Some((from, kind)) = said {
                self.answer(client, &from, &kind)?;
            }
        }
    }

    /// Takes what came; returns from whom and what it is, where it is about a subscription.
    fn hear(&mut self, event: Event<'_>) -> Result<Option<(String, String)>, Error> {
        match event {
            Event::Closed => return Err(Error::Closed),
            Event::Presence(presence) => match &*presence.kind() {
                "" => self.take_presence(presence),
                kind => {
                    let from = presence.attribute("from");
                    return Ok(from.map(|from| (from.into_owned(), kind.to_owned())));
                }
            },
            Event::Iq(iq) if iq.kind() == "result" => self.take_answer(iq),
            _ => {}
        }
        Ok(None)
    }

    async fn pause(&mut self, least: u64, most: u64) {
        sleep(Duration::from_millis(least + self.seed.below(most - least))).await;
    }
}
