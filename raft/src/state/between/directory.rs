//! The group's own name, and in which groups users of others live. The configuration is the truth;
//! this is what of it the rules need, in every replica alike.

use std::collections::BTreeSet;
use std::sync::Arc;

use pollux_domain::contract::{GroupName, Refusal};
use pollux_domain::ids::{Incarnation, SubclusterId};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;

use crate::state::{Outcome, State};

impl State {
    pub(in crate::state) fn incarnation(&self) -> Incarnation {
        self.name
            .map_or(Incarnation::default(), |name| name.incarnation)
    }

    /// The other group in which a user lives.
    pub(in crate::state) fn foreign_home(&self, user: &str) -> Option<SubclusterId> {
        if self.users.contains_key(user) {
            return None;
        }
        self.foreign.get(user).copied()
    }

    /// The group has its name from its first day, and a new incarnation when it went on from less
    /// than it had said.
    pub(in crate::state) fn set_name(
        &mut self,
        name: GroupName,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let Some(old) = self.name else {
            self.name = Some(name);
            return Ok(());
        };
        if old == name {
            return Ok(());
        }
        if old.id != name.id {
            return Err(Refusal::NoSuchGroup);
        }
        if name.incarnation < old.incarnation {
            return Err(Refusal::StaleIncarnation);
        }
        self.name = Some(name);
        let mut groups: BTreeSet<SubclusterId> = self.foreign.values().copied().collect();
        groups.extend(
            self.outboxes
                .keys()
                .copied()
                .chain(self.taken.keys().copied()),
        );
        for group in groups {
            // Lines that wait keep the name and number under which they may have travelled.
            self.outboxes.entry(group).or_default().last = 0;
            self.begin(group, out);
        }
        Ok(())
    }

    pub(in crate::state) fn set_foreign(
        &mut self,
        users: &[(BareJid, Option<SubclusterId>)],
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let own = self.name.ok_or(Refusal::NoSuchGroup)?.id;
        let new = users
            .iter()
            .filter(|(user, home)| home.is_some() && !self.foreign.contains_key(user));
        if limits::FOREIGN_USERS_MAX < self.foreign.len() + new.count() {
            return Err(Refusal::TooManyUsers);
        }
        let foreign = Arc::make_mut(&mut self.foreign);
        let mut groups = BTreeSet::new();
        let mut gone = Vec::new();
        for (user, home) in users {
            match home {
                Some(home) if *home != own => {
                    foreign.insert(user.clone(), *home);
                    groups.insert(*home);
                }
                _ => {
                    foreign.remove(user);
                    gone.push(user);
                }
            }
        }
        for user in gone {
            self.end_view(user, out);
        }
        for group in groups {
            self.begin(group, out);
        }
        Ok(())
    }
}
