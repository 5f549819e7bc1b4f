//! What the configuration says of users: they come, are disabled or enabled, and go with everything
//! that was kept for them. Not for what they do.

use std::sync::Arc;

use pollux_domain::contract::{Agreement, AsOf, EndReason, Refusal};
use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_domain::limits;

use super::{Outcome, State, User};

impl State {
    pub(super) fn agree(
        &mut self,
        as_of: AsOf,
        part: &Agreement,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        if as_of < self.configured {
            return Err(Refusal::StaleConfiguration);
        }
        match part {
            Agreement::Begin => {}
            Agreement::Adopt { user, home } => self.adopt(user, *home)?,
            Agreement::Release { user } => self.release(user, out)?,
            Agreement::Disabled { user, disabled } => self.set_disabled(user, *disabled, out)?,
            Agreement::Foreign { users } => self.set_foreign(users, out)?,
            Agreement::Rules(rules) => self.set_rules(rules, out),
        }
        self.configured = as_of;
        Ok(())
    }

    fn adopt(&mut self, user: &BareJid, home: NodeId) -> Result<(), Refusal> {
        if self.users.contains_key(user) {
            return Ok(());
        }
        if limits::USERS_MAX <= self.users.len() {
            return Err(Refusal::TooManyUsers);
        }
        if self.foreign.contains_key(user) {
            Arc::make_mut(&mut self.foreign).remove(user);
        }
        self.users.insert(user.clone(), Arc::new(User::new(home)));
        Ok(())
    }

    fn release(&mut self, user: &BareJid, out: &mut Outcome) -> Result<(), Refusal> {
        let sessions = self
            .users
            .get(user)
            .ok_or(Refusal::NoSuchUser)?
            .sessions
            .clone();
        for session in sessions {
            self.end_session(session, EndReason::UserRemoved, out);
        }
        self.cancel_all_subscriptions(user, out);
        self.forget_offline(user, out);
        self.forget_documents(user, out);
        self.users.remove(user);
        self.end_inquiries(user.as_str(), out);
        Ok(())
    }

    /// A user without sessions is one who is away: what was on its way to them is kept.
    fn set_disabled(
        &mut self,
        user: &BareJid,
        disabled: bool,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let changed = self.user_mut(user.as_str(), |user| {
            user.disabled = disabled;
            user.sessions.clone()
        });
        let sessions = changed.ok_or(Refusal::NoSuchUser)?;
        if disabled {
            for session in sessions {
                self.end_session(session, EndReason::UserDisabled, out);
            }
        }
        Ok(())
    }
}
