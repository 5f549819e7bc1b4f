//! The courier between groups, the operator, and the end of users.

use pollux_domain::contract::{Agreement, AsOf, Command, Reply};
use pollux_domain::ids::Incarnation;

use super::super::super::world::user;
use super::super::cluster::{id, told};
use super::{HOME, USERS, Walk};

/// More is not on its way at a time; the oldest is lost.
const BAG_MAX: usize = 24;

impl Walk {
    /// A pair of groups, the second another than the first.
    fn pair(&mut self) -> (usize, usize) {
        let source = self.chance.index(self.groups.len());
        let others = self.groups.len() - 1;
        let target = (source + 1 + self.chance.index(others)) % self.groups.len();
        (source, target)
    }

    /// Lines set out, from the first that waits or from a later one.
    pub(super) fn ship(&mut self) {
        let (source, target) = self.pair();
        if self.down.contains(&(source, target)) {
            return;
        }
        let state = &self.groups[source].state;
        let Some(all) = state.outbox_lines(id(target + 1), 0, 1, 1) else {
            return;
        };
        let from = all.first + self.chance.below(3);
        let count = 1 + self.chance.index(8);
        let shipment = state.outbox_lines(id(target + 1), from, count, 400);
        let Some(shipment) = shipment else { return };
        assert!(shipment.lines.len() <= count);
        let take = Command::Take {
            source: shipment.source,
            told: shipment.told,
            first: shipment.first,
            lines: shipment.lines,
        };
        self.put(target, take);
    }

    fn put(&mut self, group: usize, command: Command) {
        if BAG_MAX <= self.bag.len() {
            self.bag.remove(0);
        }
        self.bag.push((group, command));
    }

    /// Something arrives, not in the order in which it set out, and perhaps not for the last time.
    pub(super) fn deliver(&mut self) {
        if self.bag.is_empty() {
            return;
        }
        let at = self.chance.index(self.bag.len());
        let (group, command) = if self.chance.one_in(4) {
            self.bag[at].clone()
        } else {
            self.bag.swap_remove(at)
        };
        if self.chance.one_in(6) {
            return;
        }
        self.arrive(group, &command);
    }

    fn arrive(&mut self, group: usize, command: &Command) {
        let reply = self.apply(group, command);
        if let (Reply::Taken { source, .. }, Some(told)) = (&reply, told(group + 1, &reply)) {
            let source = source.id.0 as usize - 1;
            self.put(source, told);
        }
    }

    pub(super) fn cut_or_mend(&mut self) {
        let pair = self.pair();
        if !self.down.remove(&pair) {
            self.down.insert(pair);
        }
    }

    /// All that waits is taken; what was on its way before comes late.
    pub(super) fn carry(&mut self) {
        for (group, command) in std::mem::take(&mut self.bag) {
            self.arrive(group, &command);
        }
        self.bag.clear();
        for _ in 0..1_000 {
            let mut carried = false;
            for source in 0..self.groups.len() {
                for target in 0..self.groups.len() {
                    let state = &self.groups[source].state;
                    let shipment = state.outbox_lines(id(target + 1), 0, 64, 10_000);
                    let Some(shipment) = shipment else { continue };
                    carried = true;
                    let take = Command::Take {
                        source: shipment.source,
                        told: shipment.told,
                        first: shipment.first,
                        lines: shipment.lines,
                    };
                    let reply = self.done(target, &take);
                    let told = told(target + 1, &reply).unwrap();
                    self.done(source, &told);
                }
            }
            if !carried {
                return;
            }
        }
        panic!("groups never come to an end with each other");
    }

    /// An operator gives a line up that has waited long.
    pub(super) fn drop_line(&mut self, group: usize) {
        let rows = self.groups[group].state.outbox_rows();
        let Some(row) = rows.iter().find(|row| 30 < row.lines) else {
            return;
        };
        let Some((incarnation, number)) = row.oldest else {
            return;
        };
        let target = row.target;
        let number = number + self.chance.below(20);
        self.ledger
            .given_up(&self.groups[group].state, target, incarnation, number);
        let _done_or_no_such_line = self.apply(
            group,
            &Command::DropLine {
                target,
                incarnation,
                number,
            },
        );
        let nothing = Command::DropLine {
            target,
            incarnation: Incarnation(99),
            number,
        };
        assert!(matches!(self.apply(group, &nothing), Reply::Refused(_)));
    }

    /// A user is removed and comes back with nothing.
    pub(super) fn remove(&mut self, client: usize) {
        let (group, name) = (
            self.clients[client].group,
            self.clients[client].user.clone(),
        );
        assert!(USERS[group].iter().any(|(own, _)| user(own) == name));
        self.ledger.user_removed(&name);
        self.done(
            group,
            &Agreement::Release { user: name.clone() }.under(AsOf::default()),
        );
        let adopt = Agreement::Adopt {
            user: name,
            home: HOME,
        }
        .under(AsOf::default());
        self.done(group, &adopt);
    }
}
