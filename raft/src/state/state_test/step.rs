//! One command applied, with all that can be seen of it from outside: what the invariants judge.

use std::collections::BTreeSet;

use pollux_domain::contract::{Command, Effect, Reply, RowWrite, Session, Slot, Stamp};
use pollux_domain::ids::{NodeId, SessionId};

use crate::state::{Outcome, SessionState, State};

/// A command between two states.
pub(super) struct Step<'a> {
    pub(super) before: &'a State,
    pub(super) after: &'a State,
    pub(super) command: &'a Command,
    pub(super) reply: &'a Reply,
    pub(super) effects: &'a [Effect],
    pub(super) rows: &'a [RowWrite],
}

/// What a command led to.
#[derive(Debug, PartialEq)]
pub(super) struct Applied {
    pub(super) reply: Reply,
    pub(super) effects: Vec<Effect>,
    pub(super) rows: Vec<RowWrite>,
}

/// Applies one command as an entry of its own.
pub(super) fn apply(state: &mut State, stamp: Stamp, command: &Command) -> Applied {
    let mut out = Outcome::default();
    state.set_stamp(stamp);
    let reply = state.apply(command, &mut out);
    Applied {
        reply,
        effects: out.effects,
        rows: out.rows,
    }
}

impl Step<'_> {
    pub(super) fn refused(&self) -> bool {
        matches!(self.reply, Reply::Refused(_))
    }

    /// Sessions that are there before and after.
    pub(super) fn lasting(
        &self,
    ) -> impl Iterator<Item = (SessionId, &SessionState, &SessionState)> {
        self.before.sessions.iter().filter_map(|(id, before)| {
            let after = self.after.sessions.get(id)?;
            Some((*id, before.as_ref(), after.as_ref()))
        })
    }

    /// Sessions that are not what they were, as they are now.
    pub(super) fn changed(&self) -> impl Iterator<Item = (SessionId, &SessionState)> {
        self.after.sessions.iter().filter_map(|(id, after)| {
            let same = self
                .before
                .sessions
                .get(id)
                .is_some_and(|before| std::sync::Arc::ptr_eq(before, after));
            (!same).then_some((*id, after.as_ref()))
        })
    }

    /// Sessions that the command ended.
    pub(super) fn ended(&self) -> impl Iterator<Item = (SessionId, &SessionState)> {
        let gone = |(id, _): &(&SessionId, _)| !self.after.sessions.contains_key(id);
        let ended = self.before.sessions.iter().filter(gone);
        ended.map(|(id, session)| (*id, session.as_ref()))
    }

    /// Who speaks, where the command has a speaker.
    pub(super) fn speaker(&self) -> Option<Session> {
        match self.command {
            Command::Enable { session, .. }
            | Command::Stanza { session, .. }
            | Command::Acked { session, .. }
            | Command::Written { session, .. }
            | Command::Placed { session, .. }
            | Command::Detached { session }
            | Command::End { session, .. }
            | Command::Expired { session } => Some(*session),
            _ => None,
        }
    }

    /// The epoch that the command names, and of which home.
    pub(super) fn epoch(&self) -> Option<(NodeId, pollux_domain::ids::Epoch)> {
        let home_of = |id: &SessionId| self.before.sessions.get(id).map(|session| session.home);
        match self.command {
            Command::SignIn { user, epoch, .. } => {
                Some((self.before.users.get(user)?.home, *epoch))
            }
            Command::Resumed { session, epoch, .. } => Some((home_of(session)?, *epoch)),
            _ => {
                let speaker = self.speaker()?;
                Some((home_of(&speaker.id)?, speaker.epoch))
            }
        }
    }
}

/// Slots of `before` that are not in `after`.
pub(super) fn left<'a>(before: &'a SessionState, after: &SessionState) -> Vec<&'a Slot> {
    let kept: BTreeSet<_> = after.slots.iter().map(|slot| slot.stanza).collect();
    let left = before
        .slots
        .iter()
        .filter(|slot| !kept.contains(&slot.stanza));
    left.collect()
}
