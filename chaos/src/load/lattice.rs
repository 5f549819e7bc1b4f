//! Who is whose contact, and the subscriptions over the wire that make it so. Knows nothing of what
//! contacts are shown later: see `availability`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::bail;
use tokio::time::sleep;

use super::clock::now;
use super::crowd::Crowd;
use super::target::Target;
use crate::client::{Element, escape};

/// Requests to watch somebody that are under way at the same time: a contact list is a record on
/// disk.
const REQUESTS_AT_ONCE: usize = 64;
/// How long nothing may move before the run has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const TELL_AGAIN: Duration = Duration::from_secs(2);

/// All users in a ring; the contacts of each are those next to it, as many on either side.
pub struct Lattice {
    users: usize,
    /// Contacts on one side.
    half: usize,
    jids: Vec<String>,
    /// Every user that the server was given, also those who take no part.
    numbers: BTreeMap<String, usize>,
    lists: RefCell<Vec<List>>,
}

/// What the server has told one user of its contact list.
#[derive(Debug, Default)]
struct List {
    is_known: bool,
    /// Whose availability it gets.
    watched: BTreeSet<usize>,
    /// Users on it who are no neighbours: contacts of an earlier run.
    strangers: BTreeSet<usize>,
}

impl Lattice {
    /// `contacts` is even and less than `users`.
    pub fn new(target: &Target, users: usize, contacts: usize) -> anyhow::Result<Self> {
        if users > target.users.count {
            bail!("{users} users are needed, there are {}", target.users.count);
        }
        let all = 0..target.users.count;
        let jids: Result<Vec<String>, _> = all
            .map(|user| {
                target
                    .users
                    .account(user, "")
                    .map(|account| account.bare_jid())
            })
            .collect();
        let jids = jids?;
        let numbers = jids
            .iter()
            .cloned()
            .enumerate()
            .map(|(user, jid)| (jid, user));
        let lists = (0..users).map(|_| List::default()).collect();
        Ok(Lattice {
            users,
            half: contacts / 2,
            numbers: numbers.collect(),
            jids,
            lists: RefCell::new(lists),
        })
    }

    /// Where `other` stands among the contacts of `me`, if it is one of them.
    pub fn place(&self, me: usize, other: usize) -> Option<usize> {
        if other >= self.users {
            return None;
        }
        match (other + self.users - me) % self.users {
            0 => None,
            ahead if ahead <= self.half => Some(ahead - 1),
            ahead if self.users - ahead <= self.half => Some(self.half + self.users - ahead - 1),
            _ => None,
        }
    }

    pub fn number(&self, bare_jid: &str) -> Option<usize> {
        self.numbers.get(bare_jid).copied()
    }

    /// A contact list, or a change of one.
    pub fn hear_list(&self, me: usize, iq: Element<'_>) {
        let query = iq.child("query");
        let query = query.filter(|query| query.namespace().as_deref() == Some("jabber:iq:roster"));
        let list = &mut self.lists.borrow_mut()[me];
        if iq.kind() == "result" && iq.attribute("id").as_deref() == Some("list") {
            list.is_known = true;
        }
        for item in query.iter().flat_map(Element::children) {
            let jid = item.attribute("jid").unwrap_or_default();
            let Some(other) = self.number(&jid) else {
                continue;
            };
            let subscription = item.attribute("subscription").unwrap_or_default();
            list.watched.remove(&other);
            list.strangers.remove(&other);
            let is_neighbour = self.place(me, other).is_some();
            match &*subscription {
                "both" | "to" if is_neighbour => drop(list.watched.insert(other)),
                "remove" => {}
                _ if !is_neighbour => drop(list.strangers.insert(other)),
                _ => {}
            }
        }
    }

    /// Somebody asks to watch `me`; neighbours may.
    pub fn hear_request(&self, me: usize, from: &str) -> Option<String> {
        let other = self.number(from)?;
        self.place(me, other)?;
        Some(presence(from, "subscribed"))
    }

    /// Makes everybody watch its neighbours, and nobody else of the server's users. What a run
    /// before has left stands. Everybody is available after it.
    pub async fn weave(&self, crowd: &mut Crowd, target: &Target) -> anyhow::Result<()> {
        crowd.tell_all("<iq type='get' id='list'><query xmlns='jabber:iq:roster'/></iq>")?;
        let unknown = || self.count(|list| usize::from(!list.is_known));
        crowd.until(PATIENCE, "contact lists", unknown).await?;
        // Who is available is asked; and what others have asked before comes now.
        crowd.tell_all("<presence/>")?;
        self.remove_strangers(crowd).await?;
        // One direction after the other: two requests that cross are a case of their own.
        for ahead in [true, false] {
            self.request(crowd, target, ahead).await?;
        }
        Ok(())
    }

    fn count(&self, of: impl Fn(&List) -> usize) -> u64 {
        self.lists.borrow().iter().map(of).sum::<usize>() as u64
    }

    async fn remove_strangers(&self, crowd: &mut Crowd) -> anyhow::Result<()> {
        let removals: Vec<(usize, usize)> = {
            let lists = self.lists.borrow();
            let lists = lists.iter().enumerate();
            lists
                .flat_map(|(me, list)| list.strangers.iter().map(move |other| (me, *other)))
                .collect()
        };
        for (me, other) in removals {
            let jid = &self.jids[other];
            let jid = escape(jid);
            crowd.tell(
                me,
                format!(
                    "<iq type='set' id='remove{other}'><query xmlns='jabber:iq:roster'>\
                     <item jid='{jid}' subscription='remove'/></query></iq>"
                ),
            )?;
        }
        let left = || self.count(|list| list.strangers.len());
        crowd
            .until(PATIENCE, "contacts of an earlier run to be removed", left)
            .await
    }

    /// Everybody asks those ahead of it, or behind, whom it does not watch.
    async fn request(&self, crowd: &mut Crowd, target: &Target, ahead: bool) -> anyhow::Result<()> {
        let mut wanted = self.missing(ahead).into_iter();
        let (mut under_way, mut done) = (Vec::new(), 0_usize);
        let (mut moved, mut told) = (now(), now());
        loop {
            let before = under_way.len();
            under_way.retain(|&(me, other)| !self.watches(me, other));
            if under_way.len() < before {
                (done, moved) = (done + before - under_way.len(), now());
            }
            for (me, other) in wanted.by_ref().take(REQUESTS_AT_ONCE - under_way.len()) {
                crowd.tell(me, presence(&self.jids[other], "subscribe"))?;
                under_way.push((me, other));
            }
            let Some((me, other)) = under_way.first() else {
                return Ok(());
            };
            if moved.elapsed() > PATIENCE {
                let (me, other) = (&self.jids[*me], &self.jids[*other]);
                bail!("{me} asked to watch {other} and may not after {PATIENCE:?}");
            }
            if told.elapsed() > TELL_AGAIN {
                told = now();
                let left = wanted.len() + under_way.len();
                target.say(format_args!("{done} subscriptions made, {left} to make"));
            }
            crowd.check()?;
            sleep(LOOK_AGAIN).await;
        }
    }

    fn missing(&self, ahead: bool) -> Vec<(usize, usize)> {
        let all = (0..self.users).flat_map(|me| {
            (1..=self.half).map(move |step| match ahead {
                true => (me, (me + step) % self.users),
                false => (me, (me + self.users - step) % self.users),
            })
        });
        all.filter(|&(me, other)| !self.watches(me, other))
            .collect()
    }

    fn watches(&self, me: usize, other: usize) -> bool {
        self.lists.borrow()[me].watched.contains(&other)
    }
}

fn presence(to: &str, kind: &str) -> String {
    format!("<presence to='{}' type='{kind}'/>", escape(to))
}

#[cfg(test)]
#[path = "lattice_test.rs"]
mod lattice_test;
