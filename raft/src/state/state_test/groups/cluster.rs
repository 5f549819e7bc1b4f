//! Several groups for plays, each with its users, and a courier that carries lines between them.

use pollux_domain::contract::{Agreement, AsOf, Command, GroupName, Reply};
use pollux_domain::ids::{Incarnation, SubclusterId};

use super::super::world::{World, user};
use crate::state::Shipment;

/// See the module. Groups are called 1, 2, … ; a user is in the group that it is named in.
pub(in crate::state::state_test) struct Cluster {
    users: Vec<Vec<String>>,
    worlds: Vec<World>,
}

pub(super) fn name(group: usize, incarnation: u32) -> GroupName {
    GroupName {
        id: SubclusterId(group as u16),
        incarnation: Incarnation(incarnation),
    }
}

pub(super) fn id(group: usize) -> SubclusterId {
    SubclusterId(group as u16)
}

impl Cluster {
    /// The users of each group. All know all, and nothing is on its way.
    pub(super) fn new(users: &[&[&str]]) -> Cluster {
        let worlds = users.iter().map(|users| World::new(users)).collect();
        let own = |users: &&[&str]| users.iter().map(|user| (*user).to_owned()).collect();
        let mut cluster = Cluster {
            users: users.iter().map(own).collect(),
            worlds,
        };
        for group in 1..=users.len() {
            cluster.group(group).done(Command::Name(name(group, 1)));
        }
        for group in 1..=users.len() {
            let users = cluster.directory();
            cluster
                .group(group)
                .done(Agreement::Foreign { users }.under(AsOf::default()));
        }
        cluster.carry();
        cluster
    }

    fn directory(&self) -> Vec<(pollux_domain::jid::BareJid, Option<SubclusterId>)> {
        let groups = self.users.iter().enumerate();
        let homes = groups.flat_map(|(at, users)| {
            let home = Some(id(at + 1));
            users.iter().map(move |name| (user(name), home))
        });
        homes.collect()
    }

    pub(super) fn group(&mut self, group: usize) -> &mut World {
        &mut self.worlds[group - 1]
    }

    pub(super) fn count(&self) -> usize {
        self.worlds.len()
    }

    /// The group of a user, or of a user's device.
    pub(in crate::state::state_test) fn of(&mut self, device: &str) -> &mut World {
        let user = device.split('/').next().unwrap_or_default();
        let has = |users: &Vec<String>| users.iter().any(|name| name == user);
        let at = self.users.iter().position(has).expect("a user");
        &mut self.worlds[at]
    }

    /// What one group would send another now.
    pub(super) fn shipment(&mut self, source: usize, target: usize) -> Option<Shipment> {
        let state = &self.group(source).state;
        state.outbox_lines(id(target), 0, 512, usize::MAX)
    }

    /// The target takes a shipment and says how far it is.
    pub(super) fn take(&mut self, target: usize, shipment: &Shipment) -> Reply {
        let take = Command::Take {
            source: shipment.source,
            told: shipment.told,
            first: shipment.first,
            lines: shipment.lines.clone(),
        };
        self.group(target).run(&take).reply
    }

    /// The source is told what the target replied.
    pub(super) fn told(&mut self, source: usize, target: usize, reply: &Reply) -> Reply {
        let told = told(target, reply).expect("taken");
        self.group(source).run(&told).reply
    }

    /// All that waits is taken, until nothing waits any more.
    pub(in crate::state::state_test) fn carry(&mut self) {
        loop {
            let mut carried = false;
            for source in 1..=self.count() {
                for target in 1..=self.count() {
                    let Some(shipment) = self.shipment(source, target) else {
                        continue;
                    };
                    let reply = self.take(target, &shipment);
                    assert_eq!(self.told(source, target, &reply), Reply::Done);
                    carried = true;
                }
            }
            if !carried {
                return;
            }
        }
    }

    /// The two see each other; all that was said about it is forgotten.
    pub(in crate::state::state_test) fn befriend(&mut self, one: &str, other: &str) {
        use pollux_domain::subscription::SubscriptionRequest::{Subscribe, Subscribed};
        for (asker, asked) in [(one, other), (other, one)] {
            let (from, to) = (format!("{asker}/maker"), format!("{asked}/maker"));
            self.of(asker).managed(&from);
            self.of(asked).managed(&to);
            self.of(asker).subscription(&from, Subscribe, asked);
            self.carry();
            self.of(asked).subscription(&to, Subscribed, asker);
            self.carry();
            let reason = pollux_domain::contract::EndReason::Closed;
            self.of(asker).end(&from, reason);
            self.of(asked).end(&to, reason);
        }
        self.silence();
    }

    pub(super) fn silence(&mut self) {
        self.carry();
        for world in &mut self.worlds {
            world.heard();
        }
    }
}

/// Two groups with two users each, who are all there.
pub(in crate::state::state_test) fn two() -> Cluster {
    let mut cluster = Cluster::new(&[&["ann", "abe"], &["ben", "bob"]]);
    for device in ["ann/desk", "abe/desk", "ben/desk", "bob/desk"] {
        cluster.of(device).online(device);
    }
    cluster.silence();
    cluster
}

/// What the source is to be told after a take.
pub(super) fn told(target: usize, reply: &Reply) -> Option<Command> {
    let Reply::Taken {
        source,
        through,
        refused,
    } = reply
    else {
        return None;
    };
    Some(Command::Told {
        target: id(target),
        incarnation: source.incarnation,
        through: *through,
        refused: refused.clone(),
    })
}
