//! Questions about a user that the server answers for the user (RFC 6121 section 8.5.2.1.3). One of
//! this group waits in the asker's session, and is answered when that is written; one of another
//! group waits here until whoever serves the user has answered it. Not for the answers: rows and
//! wire are read outside.

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contract::{Duty, Effect, Parcel, ParcelKind, Refusal, SlotBody};
use pollux_domain::hints::Hints;
use pollux_domain::ids::{Epoch, NodeId, SessionId, StanzaId};
use pollux_domain::limits;
use pollux_domain::stanza_error::Condition;

use super::{Outcome, State};

impl State {
    /// A session asks about another user.
    pub(super) fn inquire(&mut self, id: SessionId, parcel: &Arc<Parcel>, out: &mut Outcome) {
        if let Some(condition) = self.forbids(parcel) {
            self.bounce(parcel, condition, out);
            return;
        }
        if let Some(target) = self.foreign_home(parcel.to.bare_str()) {
            self.send_abroad(target, parcel.clone(), out);
            return;
        }
        if self.blocks(parcel.to.bare_str(), &parcel.from) {
            self.bounce(parcel, Condition::ServiceUnavailable, out);
            return;
        }
        let stanza = self.new_stanza();
        let body = SlotBody::Ask(parcel.bytes.clone());
        self.slot(id, stanza, body, Duty::Sole, out);
    }

    /// Another group asks about a user of this one. Outlives this replica: whoever serves the user
    /// next answers it.
    pub(super) fn take_inquiry(&mut self, parcel: &Arc<Parcel>, out: &mut Outcome) {
        let user = parcel.to.bare_str();
        let home = self.users.get(user).map(|user| user.home);
        // XEP-0191 section 3.3: who is blocked is told what is told of nobody.
        let home = home.filter(|_| !self.blocks(user, &parcel.from));
        let Some(home) = home else {
            self.bounce(parcel, Condition::ServiceUnavailable, out);
            return;
        };
        if limits::INQUIRIES_MAX <= self.inquiries.len() {
            self.bounce(parcel, Condition::ResourceConstraint, out);
            return;
        }
        let stanza = self.new_stanza();
        self.inquiries.insert(stanza, (home, parcel.clone()));
        out.effects.push(Effect::Inquired { home });
    }

    /// The answer of whoever serves the user. A second one, after a takeover, says nothing.
    pub(super) fn answered(
        &mut self,
        home: NodeId,
        epoch: Epoch,
        inquiry: StanzaId,
        bytes: &Bytes,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.check_epoch(home, epoch)?;
        let asked = self.inquiries.get(&inquiry);
        if asked.is_none_or(|(of, _)| *of != home) {
            return Err(Refusal::NoSuchInquiry);
        }
        let Some((_, parcel)) = self.inquiries.remove(&inquiry) else {
            return Err(Refusal::NoSuchInquiry);
        };
        let answer = Parcel {
            from: parcel.to.clone(),
            to: parcel.from.clone(),
            kind: ParcelKind::IqResponse,
            bytes: bytes.clone(),
            sent: self.stamp.wall,
            hints: Hints::default(),
        };
        self.send(Arc::new(answer), out);
        Ok(())
    }

    /// The user is gone: what was asked about it is answered as if it had never been.
    pub(super) fn end_inquiries(&mut self, user: &str, out: &mut Outcome) {
        let about = |(_, parcel): &(NodeId, Arc<Parcel>)| parcel.to.bare_str() == user;
        let over: Vec<StanzaId> = self
            .inquiries
            .iter()
            .filter(|(_, inquiry)| about(inquiry))
            .map(|(stanza, _)| *stanza)
            .collect();
        for stanza in over {
            if let Some((_, parcel)) = self.inquiries.remove(&stanza) {
                self.bounce(&parcel, Condition::ServiceUnavailable, out);
            }
        }
    }

    /// What other groups ask about users of a home.
    pub fn inquiries(&self, home: NodeId) -> Vec<(StanzaId, Arc<Parcel>)> {
        let asked = self.inquiries.iter().filter(|(_, (of, _))| *of == home);
        asked
            .map(|(stanza, (_, parcel))| (*stanza, parcel.clone()))
            .collect()
    }
}
