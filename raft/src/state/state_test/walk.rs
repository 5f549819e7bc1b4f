//! A walk: clients of several users, the writers of their streams, and commands in flight, driven
//! by chance from a seed.
//!
//! ```text
//!   Client ──stanza──► proposals ──► State::apply ──► Effect
//!      ▲                                                │
//!      └──── pipe ◄──── Stream (queue, places) ◄────────┘
//! ```
//! A stream follows design, section 5, to the letter; a client is honest, and forgets nothing but
//! what a broken stream swallowed.

mod actions;
pub(super) mod chance;
mod client;
mod coverage;
mod hostile;
pub(super) mod ledger;
mod stream;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contact::ListVersion;
use pollux_domain::contract::{
    Agreement, AsOf, Command, Copied, Effect, Parcel, ParcelKind, Reply, RowWrite, SlotBody, Stamp,
};
use pollux_domain::ids::{Epoch, GroupMs, NodeId, SessionId, StanzaId, WallMs};
use pollux_domain::jid::BareJid;
use pollux_store::codec;

use super::invariants::{self, digest};
use super::step::{Applied, apply, left};
use crate::state::State;
use chance::Chance;
use client::Client;
use coverage::Coverage;
use ledger::Ledger;

/// Users, their homes, and how many devices each has.
const USERS: [(&str, NodeId, usize); 4] = [
    ("ann", NodeId(1), 3),
    ("ben", NodeId(1), 2),
    ("cid", NodeId(1), 1),
    ("dan", NodeId(2), 2),
];

pub(super) type Table = BTreeMap<StanzaId, Arc<Parcel>>;

/// A command on its way to the group, and the client that waits for its reply.
struct Proposal {
    command: Command,
    asker: Option<(usize, u64)>,
}

struct Walk {
    chance: Chance,
    /// The group takes its time, so that much is in flight.
    slow: bool,
    /// Messages are written before their commit where that may be.
    early: bool,
    state: State,
    /// A copy that has been through a snapshot and applies the same commands.
    twin: State,
    table: Table,
    stamp: Stamp,
    log: Vec<(Stamp, Command)>,
    /// A snapshot, and how much of the log it covers.
    middle: (Vec<u8>, usize),
    proposals: VecDeque<Proposal>,
    clients: Vec<Client>,
    /// Which client has a session, as long as it means to come back to it.
    owners: BTreeMap<SessionId, usize>,
    epochs: BTreeMap<NodeId, Epoch>,
    ledger: Ledger,
    seen: Coverage,
    /// Messages made so far.
    numbers: u64,
    /// What clients of a user know of its contact list.
    lists: BTreeMap<BareJid, ListVersion>,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let state = State::default();
        let mut walk = Walk {
            chance: Chance::new(seed),
            slow: seed % 2 == 1,
            early: seed % 4 < 2,
            middle: (codec::encode(1, &state).unwrap(), 0),
            twin: state.clone(),
            state,
            table: Table::new(),
            stamp: Stamp::default(),
            log: Vec::new(),
            proposals: VecDeque::new(),
            clients: Vec::new(),
            owners: BTreeMap::new(),
            epochs: BTreeMap::new(),
            ledger: Ledger::default(),
            seen: Coverage::default(),
            numbers: 0,
            lists: BTreeMap::new(),
        };
        for home in [NodeId(1), NodeId(2)] {
            walk.take_over(home);
        }
        for (name, home, devices) in USERS {
            let user = user(name);
            walk.apply(
                &Agreement::Adopt {
                    user: user.clone(),
                    home,
                }
                .under(AsOf::default()),
            );
            for device in 0..devices {
                walk.clients.push(Client::new(user.clone(), home, device));
            }
        }
        walk.commit(2);
        let mut rules = walk.state.rules().clone();
        rules.auto_authorise = seed.is_multiple_of(3);
        walk.apply(&Agreement::Rules(rules).under(AsOf::default()));
        walk
    }

    /// Proposes for nobody in particular.
    fn propose(&mut self, command: Command) {
        let asker = None;
        self.proposals.push_back(Proposal { command, asker });
    }

    /// Proposes for a client that waits for the reply.
    fn ask(&mut self, client: usize, command: Command) {
        self.clients[client].waits = true;
        let asker = Some((client, self.clients[client].attempt));
        self.proposals.push_back(Proposal { command, asker });
    }

    /// Another node proposes for a client: nothing but the newest epoch is sure to come before it.
    fn ask_elsewhere(&mut self, client: usize, command: Command) {
        self.ask(client, command);
        let Some(asked) = self.proposals.pop_back() else {
            return;
        };
        let takes_over = |proposal: &Proposal| matches!(proposal.command, Command::TakeOver { .. });
        let first = self
            .proposals
            .iter()
            .rposition(takes_over)
            .map_or(0, |at| at + 1);
        let at = first + self.chance.index(self.proposals.len() - first + 1);
        self.proposals.insert(at, asked);
    }

    /// The group takes some of what was proposed.
    fn commit(&mut self, count: usize) {
        for _ in 0..count {
            let Some(proposal) = self.proposals.pop_front() else {
                return;
            };
            let reply = self.apply(&proposal.command);
            if let Some((client, attempt)) = proposal.asker
                && self.clients[client].attempt == attempt
            {
                self.clients[client].waits = false;
                self.replied(client, &proposal.command, &reply);
            }
        }
    }

    /// One command, with everything that can be checked of it.
    fn apply(&mut self, command: &Command) -> Reply {
        self.stamp.group.0 += self.chance.below(20);
        self.stamp.wall = WallMs(self.stamp.group.0);
        let (before, applied) = invariants::checked(&mut self.state, self.stamp, command);
        let twin = apply(&mut self.twin, self.stamp, command);
        assert_eq!(applied, twin, "the copy from a snapshot goes another way");
        self.log.push((self.stamp, command.clone()));
        self.seen.count(command, &applied);
        write_rows(&mut self.table, &applied.rows);
        self.account(&before, command, &applied);
        for effect in &applied.effects {
            self.effect(effect);
        }
        if self.log.len().is_multiple_of(64) {
            self.check_tables();
        }
        applied.reply
    }

    /// What the ledger learns from a command: what was taken, acknowledged, handed on, given up.
    fn account(&mut self, before: &State, command: &Command, applied: &Applied) {
        if let (
            Command::Stanza {
                session, action, ..
            },
            Reply::Done,
        ) = (command, &applied.reply)
        {
            self.ledger.accepted(session.id, action);
        }
        if let (
            Command::Agree {
                part: Agreement::Release { user },
                ..
            },
            Reply::Done,
        ) = (command, &applied.reply)
        {
            self.ledger.user_removed(user);
        }
        for (id, session) in &before.sessions {
            match self.state.sessions.get(id) {
                Some(after) if !Arc::ptr_eq(session, after) => {
                    let client = self.owners.get(id).map(|owner| &self.clients[*owner]);
                    for slot in left(session, after) {
                        self.ledger.acknowledged(*id, slot);
                        let seen = client.is_none_or(|client| {
                            let number = match &slot.body {
                                SlotBody::Parcel(parcel)
                                | SlotBody::Carbon(parcel, Copied::Received) => {
                                    ledger::number(parcel)
                                }
                                _ => None,
                            };
                            let early = number.is_some_and(|n| client.seen_early.contains(&n));
                            early || client.seen.contains(&slot.stanza)
                        });
                        assert!(seen, "gone without having been received: {slot:?}");
                    }
                }
                Some(_) => {}
                None => self.ledger.session_ended(session, &self.table),
            }
        }
        for effect in &applied.effects {
            if let Effect::Slot { slot, session, .. } = effect {
                self.ledger.slot(*session, slot);
            }
        }
        for (jid, user) in &self.state.users {
            if pollux_domain::limits::OFFLINE_MAX <= user.offline.len() {
                self.ledger.store_full(jid);
            }
        }
    }

    /// "`rows()` equals what the `RowWrite`s left": the state counts on exactly the rows that there
    /// are.
    fn check_tables(&self) {
        let rows: Vec<StanzaId> = self.table.keys().copied().collect();
        assert_eq!(self.state.rows(), rows);
        for (id, row) in self.state.users.values().flat_map(|user| &user.offline) {
            assert_eq!(self.table[id].bytes.len(), *row as usize);
        }
    }

    /// The copy starts again from a snapshot of the present.
    fn renew_twin(&mut self) {
        assert_eq!(digest(&self.state), digest(&self.twin));
        let record = codec::encode(1, &self.state).unwrap();
        self.twin = codec::decode(1, &record).unwrap();
        assert_eq!(digest(&self.state), digest(&self.twin));
        if self.chance.one_in(3) {
            self.middle = (record, self.log.len());
        }
    }

    /// A log may be applied again over newer tables: the rows are the same afterwards, and so is
    /// the state.
    fn replay(&self) {
        let mut state: State = codec::decode(1, &self.middle.0).unwrap();
        let mut table = self.table.clone();
        for (stamp, command) in &self.log[self.middle.1..] {
            write_rows(&mut table, &apply(&mut state, *stamp, command).rows);
        }
        assert!(
            table == self.table,
            "other rows after the log was applied again"
        );
        assert_eq!(digest(&state), digest(&self.state));
    }

    /// Design, section 5: "an acknowledged stanza is delivered exactly once, stored, or refused
    /// with an error that arrives". Where each message is that was accepted and has not come to an
    /// end.
    fn check_custody(&self) {
        let mut kept = BTreeSet::new();
        for session in self.state.sessions.values() {
            for slot in &session.slots {
                match &slot.body {
                    SlotBody::Parcel(parcel)
                    | SlotBody::Carbon(parcel, Copied::Received)
                    | SlotBody::Bounce(parcel, _) => {
                        kept.extend(ledger::number(parcel));
                    }
                    SlotBody::Stored { .. } => {
                        kept.extend(ledger::number(&self.table[&slot.stanza]))
                    }
                    _ => {}
                }
            }
        }
        for row in self
            .state
            .users
            .values()
            .flat_map(|user| user.offline.keys())
        {
            kept.extend(ledger::number(&self.table[row]));
        }
        self.ledger
            .check(&kept, |session| self.state.sessions.contains_key(&session));
    }

    /// Sessions whose time is over, as `expired` says it and as it follows from each session.
    fn due(&self, now: GroupMs) -> Vec<SessionId> {
        let late = |since: GroupMs| since.0 + pollux_domain::limits::RESUMPTION_MS <= now.0;
        let sessions = self.state.sessions.iter();
        let mut due: Vec<SessionId> = sessions
            .filter(|(_, session)| session.detached.is_some_and(late))
            .map(|(id, _)| *id)
            .collect();
        due.sort_unstable();
        due
    }
}

fn user(name: &str) -> BareJid {
    BareJid::parse(&format!("{name}@example.org")).unwrap()
}

pub(super) fn write_rows(table: &mut Table, rows: &[RowWrite]) {
    for row in rows {
        match row {
            RowWrite::Put { row, parcel } => {
                table.insert(*row, parcel.clone());
            }
            RowWrite::Keep { row, document } => {
                table.insert(*row, kept(document));
            }
            RowWrite::Delete { row } => {
                table.remove(row);
            }
        }
    }
}

/// A document as a row among those of messages.
fn kept(document: &Bytes) -> Arc<Parcel> {
    let owner = user("nobody").to_jid();
    Arc::new(Parcel {
        from: owner.clone(),
        to: owner,
        kind: ParcelKind::IqRequest,
        bytes: document.clone(),
        sent: WallMs(0),
        hints: Default::default(),
    })
}

/// Names the seed when a walk fails, so that `POLLUX_SEED=n` walks it alone.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("walk failed: POLLUX_SEED={}", self.0);
        }
    }
}

fn walk(seed: u64, turns: usize, seen: &mut Coverage) {
    let _name = Named(seed);
    let mut walk = Walk::new(seed);
    for _ in 0..turns {
        walk.turn();
    }
    walk.settle();
    walk.check_tables();
    walk.check_custody();
    walk.replay();
    seen.add(&walk.seen);
}

/// `POLLUX_PLANT` names a defect that the walk must find (`cargo xtask planted`).
pub(super) fn plant_what_is_wanted() {
    #[cfg(debug_assertions)]
    if let Ok(name) = std::env::var("POLLUX_PLANT") {
        crate::plants::plant(crate::plants::Plant::named(&name).unwrap());
    }
}

#[test]
fn nothing_accepted_is_lost_or_said_twice_on_any_walk() {
    plant_what_is_wanted();
    let mut seen = Coverage::default();
    if let Ok(seed) = std::env::var("POLLUX_SEED") {
        return walk(seed.parse().unwrap(), 1_500, &mut seen);
    }
    let seeds = std::env::var("POLLUX_SEEDS").map_or(200, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        walk(seed, 1_500, &mut seen);
    }
    seen.check();
}
