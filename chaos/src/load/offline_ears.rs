//! Those who send to users who are away, and those who come back and are handed what was kept: what
//! they say and hear. Measures nothing: see `offline`.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::Instant;

use super::clock::now;
use super::crowd::Ear;
use super::offline::Offline;
use super::target::Target;
use super::ticket::Ticket;
use crate::client::{Element, Event};

/// Messages of one sender that the server has not confirmed.
const WINDOW: usize = 16;
/// Without stream management: messages between two pings. Half a window, so that it never runs dry.
const PING_EVERY: usize = 8;

pub struct Senders {
    plan: Offline,
    /// Tells the messages of this run from what another left behind.
    run: u32,
    body: String,
    to: Vec<String>,
    domain: String,
    lines: RefCell<Vec<Line>>,
    last: Cell<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    sent: usize,
    confirmed: usize,
}

impl Senders {
    pub fn new(plan: &Offline, target: &Target) -> anyhow::Result<Self> {
        let users = &target.users;
        let jid = |user| anyhow::Ok(users.account(user, "")?.bare_jid());
        let to: anyhow::Result<Vec<String>> = (plan.senders..plan.users()).map(jid).collect();
        Ok(Senders {
            plan: *plan,
            run: std::process::id(),
            body: "x".repeat(plan.body_bytes),
            to: to?,
            domain: users.domain.clone(),
            lines: RefCell::new(vec![Line::default(); plan.senders]),
            last: Cell::new(now()),
        })
    }

    /// What this sender may send now.
    pub fn more(&self, me: usize) -> Vec<String> {
        let line = &mut self.lines.borrow_mut()[me];
        let mut stanzas = Vec::new();
        while line.sent < self.plan.messages_each && line.sent - line.confirmed < WINDOW {
            stanzas.push(self.message(me, line.sent));
            line.sent += 1;
            let is_last = line.sent == self.plan.messages_each;
            if !self.plan.stream_management && (is_last || line.sent.is_multiple_of(PING_EVERY)) {
                stanzas.push(self.ping(line.sent));
            }
        }
        stanzas
    }

    /// Messages that the server has not confirmed or that were not sent yet.
    pub fn left(&self) -> u64 {
        let lines = self.lines.borrow();
        let left = lines
            .iter()
            .map(|line| self.plan.messages_each - line.confirmed);
        left.sum::<usize>() as u64
    }

    /// When the last one was confirmed.
    pub fn last(&self) -> Instant {
        self.last.get()
    }

    fn message(&self, me: usize, number: usize) -> String {
        let id = Ticket {
            run: self.run,
            flow: me as u32,
            seq: number as u32,
            meant: Duration::ZERO,
        };
        format!(
            "<message type='chat' to='{}' id='{id}'><body>{}</body></message>",
            self.to[me], self.body
        )
    }

    fn ping(&self, sent: usize) -> String {
        format!(
            "<iq type='get' to='{}' id='kept{sent}'><ping xmlns='urn:xmpp:ping'/></iq>",
            self.domain
        )
    }

    fn confirm(&self, me: usize, confirmed: impl Fn(Line) -> usize) {
        let line = &mut self.lines.borrow_mut()[me];
        // Answers that a client owed the server are acknowledged too.
        line.confirmed = confirmed(*line).clamp(line.confirmed, line.sent);
        self.last.set(now());
    }
}

impl Ear for Senders {
    fn hear(&self, me: usize, event: Event<'_>) -> anyhow::Result<Vec<String>> {
        match event {
            Event::Acknowledged { covered, .. } => {
                self.confirm(me, |line| line.confirmed + covered as usize);
            }
            Event::Message(message) if message.kind() == "error" => bail!(refused(message)),
            Event::Iq(iq) => {
                let id = iq.attribute("id").unwrap_or_default();
                let Some(sent) = id.strip_prefix("kept") else {
                    return Ok(Vec::new());
                };
                if iq.kind() == "error" {
                    bail!("the server refuses a ping: {}", iq.as_str());
                }
                let sent = sent.parse().context("read the id of a ping")?;
                self.confirm(me, |_| sent);
            }
            Event::Message(_) | Event::Presence(_) | Event::Closed => return Ok(Vec::new()),
        }
        Ok(self.more(me))
    }
}

fn refused(message: Element<'_>) -> String {
    format!(
        "a message was not kept but refused with {}: does the server keep so many for one user?",
        message.condition().unwrap_or("an error without condition")
    )
}

pub struct Receivers {
    run: u32,
    each: usize,
    /// The number of the next message of each.
    next: RefCell<Vec<usize>>,
    last: Cell<Instant>,
}

impl Receivers {
    pub fn new(plan: &Offline) -> Self {
        Receivers {
            run: std::process::id(),
            each: plan.messages_each,
            next: RefCell::new(vec![0; plan.senders]),
            last: Cell::new(now()),
        }
    }

    pub fn left(&self) -> u64 {
        let next = self.next.borrow();
        next.iter()
            .map(|next| self.each.saturating_sub(*next) as u64)
            .sum()
    }

    pub fn last(&self) -> Instant {
        self.last.get()
    }

    fn arrived(&self, me: usize, ticket: Ticket) -> anyhow::Result<()> {
        let next = &mut self.next.borrow_mut()[me];
        let number = ticket.seq as usize;
        if ticket.flow as usize != me {
            bail!(
                "message {number} for user {} came to user {me}",
                ticket.flow
            );
        }
        if number < *next {
            bail!("message {number} came twice or out of order");
        }
        if number > *next {
            bail!("message {number} came in the place of message {next}");
        }
        *next += 1;
        self.last.set(now());
        Ok(())
    }
}

impl Ear for Receivers {
    fn hear(&self, me: usize, event: Event<'_>) -> anyhow::Result<Vec<String>> {
        if let Event::Message(message) = event {
            let id = message.attribute("id").unwrap_or_default();
            match Ticket::parse(&id) {
                Some(ticket) if ticket.run == self.run => self.arrived(me, ticket)?,
                _ => {}
            }
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Offline = Offline {
        senders: 2,
        messages_each: 3,
        body_bytes: 1,
        stream_management: false,
    };

    /// What receiver 0 says to these messages, as (flow, number).
    fn hear(messages: &[(u32, u32)]) -> (Result<(), String>, u64) {
        let ear = Receivers::new(&PLAN);
        let heard = messages.iter().try_for_each(|&(flow, seq)| {
            let id = Ticket {
                run: ear.run,
                flow,
                seq,
                meant: Duration::ZERO,
            };
            let text = format!("<message id='{id}'/>");
            let heard = ear.hear(0, Event::Message(Element::new(&text)));
            heard.map(drop).map_err(|error| error.to_string())
        });
        (heard, ear.left())
    }

    #[test]
    fn what_was_kept_comes_once_and_in_order() {
        assert_eq!(hear(&[(0, 0), (0, 1)]), (Ok(()), 4));
        assert_eq!(hear(&[(0, 0), (0, 1), (0, 2)]), (Ok(()), 3));
        for (wrong, word) in [
            (&[(0, 0), (0, 0)][..], "twice"),
            (&[(0, 0), (0, 2)], "in the place of message 1"),
            (&[(1, 0)], "for user 1"),
            (&[(0, 0), (0, 1), (0, 2), (0, 2)], "twice"),
        ] {
            let error = hear(wrong).0.unwrap_err();
            assert!(error.contains(word), "{wrong:?}: {error}");
        }
        let ear = Receivers::new(&PLAN);
        let of_another_run = Element::new("<message id='t0.0.7.0'/>");
        assert!(ear.hear(0, Event::Message(of_another_run)).is_ok());
        assert_eq!(ear.left(), 6);
    }
}
