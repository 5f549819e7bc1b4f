//! The account of changes of availability: who announced which number, and which of its contacts
//! has got it. Drives nobody: see `availability`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use anyhow::{Context, bail};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::clock::now;
use super::crowd::Ear;
use super::histogram::Histogram;
use super::lattice::Lattice;
use crate::client::{Element, Event};

/// Of every user, and so part of who is the right sender.
pub const RESOURCE: &str = "watch";
/// What a user shows in turn.
const SHOWS: [&str; 4] = ["away", "chat", "xa", "dnd"];

pub struct Board {
    pub lattice: Lattice,
    pub latency: RefCell<Histogram>,
    /// Told when a change has reached everybody.
    pub finished: Notify,
    contacts: usize,
    /// Tells the numbers of this run from those of another.
    run: u32,
    people: RefCell<Vec<Person>>,
    tally: Cell<Tally>,
    pongs: Cell<usize>,
    newly_finished: Cell<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub changes: u64,
    pub deliveries: u64,
    pub superseded: u64,
}

#[derive(Debug)]
struct Person {
    /// Its last number; the first is 1.
    announced: u32,
    /// Its changes that have not reached everybody, in order, up to the last.
    under_way: VecDeque<Change>,
    /// The last number that each of its contacts has announced to it, by place.
    seen: Vec<u32>,
}

#[derive(Debug)]
struct Change {
    meant: Instant,
    /// Contacts who have not got it, nor a later one.
    left: usize,
}

impl Board {
    pub fn new(lattice: Lattice, users: usize, contacts: usize) -> Self {
        let person = |_| Person {
            announced: 0,
            under_way: VecDeque::new(),
            seen: vec![0; contacts],
        };
        Board {
            lattice,
            latency: RefCell::default(),
            finished: Notify::new(),
            contacts,
            run: std::process::id(),
            people: RefCell::new((0..users).map(person).collect()),
            tally: Cell::default(),
            pongs: Cell::new(0),
            newly_finished: Cell::new(0),
        }
    }

    /// What `user` sends to announce its next number.
    pub fn change(&self, user: usize, meant: Instant) -> String {
        let person = &mut self.people.borrow_mut()[user];
        person.announced += 1;
        person.under_way.push_back(Change {
            meant,
            left: self.contacts,
        });
        let mut tally = self.tally.get();
        tally.changes += 1;
        self.tally.set(tally);
        format!(
            "<presence><show>{}</show><status>{}.{}</status></presence>",
            SHOWS[person.announced as usize % SHOWS.len()],
            self.run,
            person.announced
        )
    }

    pub fn ping(&self) -> String {
        "<iq type='get' id='settled'><ping xmlns='urn:xmpp:ping'/></iq>".to_owned()
    }

    /// How many have got the answer to their ping.
    pub fn pongs(&self) -> usize {
        self.pongs.get()
    }

    pub fn tally(&self) -> Tally {
        self.tally.get()
    }

    /// Changes that have reached everybody since this was last asked.
    pub fn take_finished(&self) -> usize {
        self.newly_finished.take()
    }

    /// Deliveries that are missing.
    pub fn under_way(&self) -> u64 {
        let people = self.people.borrow();
        let left = people
            .iter()
            .flat_map(|person| &person.under_way)
            .map(|change| change.left);
        left.sum::<usize>() as u64
    }

    fn hear_presence(&self, me: usize, presence: Element<'_>) -> anyhow::Result<Option<String>> {
        let from = presence.attribute("from").unwrap_or_default();
        let (bare, resource) = from.split_once('/').unwrap_or((&from, ""));
        match &*presence.kind() {
            "subscribe" => return Ok(self.lattice.hear_request(me, bare)),
            "error" => bail!("a presence is refused: {}", presence.as_str()),
            "" => {}
            _ => return Ok(None),
        }
        let status = presence.child("status");
        let status = status
            .map(|status| status.text().into_owned())
            .unwrap_or_default();
        let number = status
            .split_once('.')
            .filter(|(run, _)| *run == self.run.to_string());
        if let (Some((_, number)), Some(other)) = (number, self.lattice.number(bare)) {
            let number = number.parse().context("read the number of a status")?;
            // Other sessions of oneself are shown one's own availability.
            if other != me {
                self.deliver(me, other, resource, number)?;
            }
        }
        Ok(None)
    }

    fn deliver(&self, me: usize, other: usize, resource: &str, number: u32) -> anyhow::Result<()> {
        let place = self.lattice.place(me, other);
        let place =
            place.with_context(|| format!("user {me} is shown user {other}, who is no contact"))?;
        if resource != RESOURCE {
            bail!("user {me} is shown user {other} with the resource {resource:?}");
        }
        let people = &mut self.people.borrow_mut();
        let seen = std::mem::replace(&mut people[me].seen[place], number);
        if number <= seen {
            bail!("user {me} is shown number {number} of user {other} after number {seen}");
        }
        let person = &mut people[other];
        if number > person.announced {
            bail!(
                "user {me} is shown number {number} of user {other}, who is at {}",
                person.announced
            );
        }
        self.count(person, seen, number)
    }

    /// One contact of `person` has got `number` and will get none between `seen` and it.
    fn count(&self, person: &mut Person, seen: u32, number: u32) -> anyhow::Result<()> {
        let mut tally = self.tally.get();
        tally.deliveries += 1;
        tally.superseded += u64::from(number - seen - 1);
        self.tally.set(tally);
        let first = person.announced - person.under_way.len() as u32 + 1;
        for reached in seen + 1..=number {
            let change = person.under_way.get_mut((reached - first) as usize);
            let change = change.context("a delivery of a change that has reached everybody")?;
            change.left -= 1;
            if reached == number {
                self.latency.borrow_mut().record(now() - change.meant);
            }
        }
        while person
            .under_way
            .front()
            .is_some_and(|change| change.left == 0)
        {
            person.under_way.pop_front();
            self.newly_finished.set(self.newly_finished.get() + 1);
            self.finished.notify_one();
        }
        Ok(())
    }
}

impl Ear for Board {
    fn hear(&self, me: usize, event: Event<'_>) -> anyhow::Result<Vec<String>> {
        match event {
            Event::Presence(presence) => {
                Ok(self.hear_presence(me, presence)?.into_iter().collect())
            }
            Event::Iq(iq) => {
                if iq.attribute("id").as_deref() == Some("settled") {
                    self.pongs.set(self.pongs.get() + 1);
                } else if iq.kind() == "error" {
                    bail!("a request is refused: {}", iq.as_str());
                } else {
                    self.lattice.hear_list(me, iq);
                }
                Ok(Vec::new())
            }
            Event::Message(_) | Event::Acknowledged { .. } | Event::Closed => Ok(Vec::new()),
        }
    }
}
