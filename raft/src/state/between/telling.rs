//! Availability of this group's users for other groups: one line for each group and change. Not for
//! who hears of it there: see `watched`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pollux_domain::contract::OutboxLine;
use pollux_domain::ids::SubclusterId;
use pollux_domain::jid::{BareJid, Jid};

use super::outbox::Debt;
use crate::state::{Outcome, State};

/// See [`State::groups_told`].
type GroupsTold = BTreeMap<SubclusterId, (bool, Vec<Jid>)>;

impl State {
    /// The groups in which somebody is told of a device: whether its user's watchers are, and which
    /// addresses of directed presence.
    pub(in crate::state) fn groups_told(
        &self,
        user: &BareJid,
        watchers: bool,
        directed: &BTreeSet<Jid>,
    ) -> GroupsTold {
        let mut groups = GroupsTold::new();
        if let (true, Some(record)) = (watchers, self.users.get(user)) {
            let watchers = record.contacts.values().filter(|contact| {
                self.rules.sharing
                    && contact.relation.from
                    && !record.blocks_account(user, &contact.jid)
            });
            for home in watchers.filter_map(|contact| self.foreign_home(contact.jid.as_str())) {
                groups.entry(home).or_default().0 = true;
            }
        }
        for to in directed {
            if let Some(home) = self.foreign_home(to.bare_str()) {
                groups.entry(home).or_default().1.push(to.clone());
            }
        }
        groups
    }

    /// One line for each group; where there is no room, a debt.
    pub(in crate::state) fn tell_groups(
        &mut self,
        from: &Jid,
        available: bool,
        bytes: Option<&Bytes>,
        groups: GroupsTold,
        out: &mut Outcome,
    ) {
        for (target, (watchers, directed)) in groups {
            if self.has_outbox_room(target) {
                let line = OutboxLine::Availability {
                    from: from.clone(),
                    available,
                    bytes: bytes.cloned(),
                    watchers,
                    directed,
                };
                self.tell(target, line, out);
                continue;
            }
            if watchers {
                self.owe(target, Debt::View(from.to_bare()), out);
            }
            for to in directed {
                self.owe(target, Debt::Gone(from.clone(), to), out);
            }
        }
    }

    pub(in crate::state) fn tell_address(
        &mut self,
        from: &Jid,
        to: &Jid,
        available: bool,
        bytes: Option<Bytes>,
        out: &mut Outcome,
    ) {
        match self.foreign_home(to.bare_str()) {
            Some(target) => {
                let groups = GroupsTold::from([(target, (false, vec![to.clone()]))]);
                self.tell_groups(from, available, bytes.as_ref(), groups, out);
            }
            None => self.tell_device(from, to, bytes, out),
        }
    }
}
