//! A walk of several groups with clients in each, driven by chance from a seed. Between them goes a
//! courier that loses, repeats and reorders; links are down for a time; groups start again from
//! snapshots and begin new lives.
//!
//! ```text
//!   Client ──stanza──► group 1 ──outbox──► courier ──Take──► group 2 ──slot──► Client
//!                         ▲                   │                 │
//!                         └───────Told────────┴─────────────────┘
//! ```

mod clients;
mod courier;
mod ledger;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pollux_domain::contract::{Agreement, AsOf, Command, Effect, GroupName, Reply, Stamp};
use pollux_domain::ids::{Epoch, NodeId, WallMs};
use pollux_domain::jid::BareJid;
use pollux_domain::takeovers::TakeoverCause;
use pollux_store::codec;

use super::super::invariants::{self, digest};
use super::super::step::apply;
use super::super::walk::chance::Chance;
use super::super::walk::{Table, write_rows};
use super::super::world::user;
use super::cluster::{id, name};
use crate::state::{State, Watched};
use clients::Client;
use ledger::Ledger;

const HOME: NodeId = NodeId(1);

/// Users by group, and how many devices each has.
const USERS: [&[(&str, usize)]; 3] = [
    &[("ann", 2), ("abe", 1)],
    &[("ben", 2), ("bob", 1)],
    &[("cid", 2)],
];

struct Group {
    name: GroupName,
    state: State,
    /// A replica: it applies the same commands, and has been through a snapshot.
    twin: State,
    table: Table,
    stamp: Stamp,
}

struct Walk {
    chance: Chance,
    groups: Vec<Group>,
    clients: Vec<Client>,
    /// On their way, for which group: `Take` and `Told`.
    bag: Vec<(usize, Command)>,
    /// Links over which nothing new goes at present: source, target.
    down: BTreeSet<(usize, usize)>,
    ledger: Ledger,
    numbers: u64,
    /// Device's user and observer that directed presence was between.
    directed: BTreeSet<(BareJid, BareJid)>,
    /// Two users who said something about their subscription at once, or had it refused.
    crossed: BTreeSet<(BareJid, BareJid)>,
    seen: BTreeMap<String, u64>,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let count = 2 + (seed % 2) as usize;
        let mut walk = Walk {
            chance: Chance::new(seed),
            groups: Vec::new(),
            clients: Vec::new(),
            bag: Vec::new(),
            down: BTreeSet::new(),
            ledger: Ledger::default(),
            numbers: 0,
            directed: BTreeSet::new(),
            crossed: BTreeSet::new(),
            seen: BTreeMap::new(),
        };
        let homes = USERS.iter().take(count).enumerate();
        let directory: Vec<_> = homes
            .flat_map(|(at, users)| {
                users
                    .iter()
                    .map(move |(name, _)| (user(name), Some(id(at + 1))))
            })
            .collect();
        for (at, users) in USERS.iter().enumerate().take(count) {
            walk.groups.push(Group {
                name: name(at + 1, 1),
                state: State::default(),
                twin: State::default(),
                table: Table::new(),
                stamp: Stamp::default(),
            });
            let take_over = Command::TakeOver {
                home: HOME,
                to: HOME,
                life: pollux_domain::ids::Life(1),
                epoch: Epoch(1),
                cause: TakeoverCause::First,
            };
            walk.done(at, &take_over);
            for (name, devices) in *users {
                walk.done(
                    at,
                    &Agreement::Adopt {
                        user: user(name),
                        home: HOME,
                    }
                    .under(AsOf::default()),
                );
                for device in 0..*devices {
                    walk.clients.push(Client::new(at, user(name), device));
                }
            }
            walk.done(at, &Command::Name(name(at + 1, 1)));
            let users = directory.clone();
            walk.done(at, &Agreement::Foreign { users }.under(AsOf::default()));
            let mut rules = walk.groups[at].state.rules().clone();
            rules.auto_authorise = seed.is_multiple_of(3);
            walk.done(at, &Agreement::Rules(rules).under(AsOf::default()));
        }
        walk
    }

    fn done(&mut self, group: usize, command: &Command) -> Reply {
        let reply = self.apply(group, command);
        assert!(
            !matches!(reply, Reply::Refused(_)),
            "{command:?}: {reply:?}"
        );
        reply
    }

    /// One command in one group, with everything that can be checked of it.
    fn apply(&mut self, group: usize, command: &Command) -> Reply {
        self.note_refused(group, command);
        let one = &mut self.groups[group];
        one.stamp.group.0 += self.chance.below(20);
        one.stamp.wall = WallMs(one.stamp.group.0);
        let (before, applied) = invariants::checked(&mut one.state, one.stamp, command);
        let twin = apply(&mut one.twin, one.stamp, command);
        assert_eq!(applied, twin, "a replica goes another way");
        write_rows(&mut one.table, &applied.rows);
        self.account(group, &before, command, &applied.reply, &applied.effects);
        for effect in &applied.effects {
            self.effect(group, effect);
        }
        applied.reply
    }

    fn account(
        &mut self,
        group: usize,
        before: &State,
        command: &Command,
        reply: &Reply,
        effects: &[Effect],
    ) {
        let table = &self.groups[group].table;
        let state = &self.groups[group].state;
        self.ledger.command(group, command, reply, effects);
        let ended = before
            .sessions
            .iter()
            .filter(|(id, _)| !state.sessions.contains_key(*id));
        for (_, session) in ended {
            self.ledger.session_ended(session, table);
        }
        for effect in effects {
            if let Effect::Slot { session, slot, .. } = effect {
                self.ledger.slot(group, *session, slot, table);
            }
        }
        for effect in effects {
            if let Effect::Ended { reason, .. } = effect {
                *self.seen.entry(format!("ended {reason:?}")).or_default() += 1;
            }
        }
        let unkept = |watched: &Arc<Watched>| watched.devices.values().any(Option::is_none);
        let watched = self.groups[group].state.watched.values();
        let watched = watched.filter(|watched| !watched.devices.is_empty());
        *self.seen.entry("devices watched".to_owned()).or_default() += watched.count() as u64;
        let unkept = self.groups[group].state.watched.values().any(unkept);
        *self.seen.entry("presence not kept".to_owned()).or_default() += u64::from(unkept);
        self.note_crossings(group, before);
        self.count(command, reply);
    }

    fn count(&mut self, command: &Command, reply: &Reply) {
        let name = match reply {
            Reply::Refused(refusal) => format!("refused {refusal:?}"),
            Reply::Taken { refused, .. } if !refused.is_empty() => "refused in place".to_owned(),
            _ => format!("done {command:?}"),
        };
        let end = name[8.min(name.len())..].find(|c: char| !c.is_alphanumeric() && c != ' ');
        let name = &name[..end.map_or(name.len(), |end| end + 8.min(name.len()))];
        *self.seen.entry(name.trim_end().to_owned()).or_default() += 1;
    }

    fn turn(&mut self) {
        let client = self.chance.index(self.clients.len());
        let group = self.chance.index(self.groups.len());
        match self.chance.below(100) {
            0..=34 => self.say(client),
            35..=44 => self.read(client),
            45..=52 => self.connect(client),
            53..=55 => self.leave(client),
            56..=70 => self.ship(),
            71..=92 => self.deliver(),
            93 => {
                self.cut_or_mend();
                self.answer_inquiries(group);
            }
            94..=95 => self.restart(group),
            96 if self.chance.one_in(4) => self.begin_life(group),
            97 if self.chance.one_in(6) => self.remove(client),
            98 => self.drop_line(group),
            _ => self.expire(group),
        }
    }

    /// A replica goes on from a snapshot of the other, and may be the one that serves.
    fn restart(&mut self, group: usize) {
        let one = &mut self.groups[group];
        assert_eq!(digest(&one.state), digest(&one.twin));
        let record = codec::encode(1, &one.state).unwrap();
        one.twin = codec::decode(1, &record).unwrap();
        assert_eq!(digest(&one.state), digest(&one.twin));
        std::mem::swap(&mut one.state, &mut one.twin);
    }

    /// The group goes on under a new name; here without having lost anything.
    fn begin_life(&mut self, group: usize) {
        let next = self.groups[group].name.incarnation.next();
        self.groups[group].name.incarnation = next;
        let name = self.groups[group].name;
        self.done(group, &Command::Name(name));
    }

    /// Everything comes to its end: links are mended, all that waits is taken and read.
    fn settle(&mut self) {
        self.down.clear();
        for _ in 0..12 {
            for client in 0..self.clients.len() {
                self.come_back(client);
                self.read_all(client);
            }
            for group in 0..self.groups.len() {
                self.answer_inquiries(group);
            }
            self.carry();
        }
        for group in 0..self.groups.len() {
            self.restart(group);
        }
    }
}

/// Names the seed when a walk fails, so that `POLLUX_SEED=n` walks it alone.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("walk between groups failed: POLLUX_SEED={}", self.0);
        }
    }
}

fn walk(seed: u64, turns: usize, seen: &mut BTreeMap<String, u64>) {
    let _name = Named(seed);
    let mut walk = Walk::new(seed);
    for _ in 0..turns {
        walk.turn();
    }
    walk.settle();
    walk.check_messages();
    walk.check_views();
    walk.check_availability();
    walk.check_subscriptions();
    for (case, times) in walk.seen {
        *seen.entry(case).or_default() += times;
    }
}

/// A walk that never meets a case proves nothing of it.
const WANTED: [(&str, u64); 13] = [
    ("done Answered", 500),
    ("done Take", 5_000),
    ("done Told", 5_000),
    ("done Name", 20),
    ("done DropLine", 20),
    ("refused Gap", 200),
    ("refused OutOfTurn", 100),
    ("refused StaleIncarnation", 10),
    ("refused in place", 100),
    ("ended TooMuchWaiting", 100),
    ("presence not kept", 500),
    ("devices watched", 20_000),
    ("bounce ResourceConstraint", 50),
];

#[test]
fn nothing_is_lost_or_said_twice_between_groups() {
    super::super::walk::plant_what_is_wanted();
    let mut seen = BTreeMap::new();
    if let Ok(seed) = std::env::var("POLLUX_SEED") {
        return walk(seed.parse().unwrap(), 1_500, &mut seen);
    }
    let seeds = std::env::var("POLLUX_SEEDS").map_or(300, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        walk(seed, 1_500, &mut seen);
    }
    for (case, times) in WANTED {
        let met = seen.get(case).copied().unwrap_or_default();
        assert!(times <= met, "met {met} times only: {case}; all: {seen:#?}");
    }
}
