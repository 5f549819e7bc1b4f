//! What other groups tell this one: exactly the next line of each source, in the same entry as its
//! effects (design, section 5, rule 2).

use std::collections::BTreeSet;
use std::sync::Arc;

use pollux_domain::contract::{GroupName, OutboxLine, Parcel, ParcelKind, Refusal, Reply};
use pollux_domain::ids::{Incarnation, SubclusterId};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::stanza_error::Condition;
use pollux_domain::subscription::SubscriptionRequest;
use serde::{Deserialize, Serialize};

use super::outbox::Debt;
use crate::plants::{Plant, is_planted};
use crate::state::{Outcome, State};

/// How far the lines of one other group have been taken. Only its newest life counts: whoever has
/// heard the new one does not listen to the old one any more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(in crate::state) incarnation: Incarnation,
    pub(in crate::state) through: u64,
    /// Refused for want of room for an answer, until the source knows it.
    pub(in crate::state) refused: BTreeSet<u64>,
}

impl State {
    pub(in crate::state) fn take(
        &mut self,
        source: GroupName,
        told: u64,
        first: u64,
        lines: &[Arc<OutboxLine>],
        out: &mut Outcome,
    ) -> Result<Reply, Refusal> {
        let own = self.name.ok_or(Refusal::NoSuchGroup)?;
        if self.held().is_some() {
            return Err(Refusal::Held);
        }
        if source.id == own.id {
            return Err(Refusal::NoSuchGroup);
        }
        let mut taken = self.taken.get(&source.id).cloned().unwrap_or_default();
        if source.incarnation < taken.incarnation {
            return Err(Refusal::StaleIncarnation);
        }
        if taken.incarnation < source.incarnation {
            taken = Taken {
                incarnation: source.incarnation,
                ..Taken::default()
            };
        }
        // A source that was told of more than is known here was told by a life of this group whose
        // memory is lost: those lines do not come again.
        taken.through = taken.through.max(told);
        if is_planted(Plant::TargetNumber) {
            taken.through = taken.through.max(first.saturating_sub(1));
        }
        if first == 0 || taken.through + 1 < first {
            return Err(Refusal::Gap {
                through: taken.through,
            });
        }
        taken.refused.retain(|number| told < *number);
        let known = usize::try_from(taken.through + 1 - first).unwrap_or(usize::MAX);
        for (line, number) in lines.iter().zip(first..).skip(known) {
            // Room for what taking it may lead to, or it is not taken. The source keeps the parcel
            // until it is told, so that the refusal costs this group a number.
            if line.may_be_answered() && !self.can_answer(source.id, line) {
                taken.refused.insert(number);
            } else {
                self.take_line(source.id, line, out);
            }
            if !is_planted(Plant::TargetNumber) {
                taken.through = number;
            }
        }
        let reply = Reply::Taken {
            source,
            through: taken.through,
            refused: taken.refused.iter().copied().collect(),
        };
        self.taken.insert(source.id, taken);
        Ok(reply)
    }

    /// Whether there is room for an answer, and it would be known to whom it goes.
    fn can_answer(&self, source: SubclusterId, line: &OutboxLine) -> bool {
        let is_known = match line {
            OutboxLine::Parcel(parcel) => {
                self.knows_user(&parcel.from.to_bare())
                    || self.foreign.len() < limits::FOREIGN_USERS_MAX
            }
            _ => true,
        };
        is_known && !self.is_outbox_spent(source)
    }

    fn knows_user(&self, user: &BareJid) -> bool {
        self.users.contains_key(user) || self.foreign.contains_key(user)
    }

    fn take_line(&mut self, source: SubclusterId, line: &OutboxLine, out: &mut Outcome) {
        match line {
            OutboxLine::Parcel(parcel) => self.take_parcel(source, parcel, out),
            OutboxLine::Bounce(parcel, condition) => {
                if self.users.contains_key(parcel.from.bare_str()) {
                    self.come_back(parcel, *condition, out);
                }
            }
            OutboxLine::Availability {
                from,
                available,
                bytes,
                watchers,
                directed,
            } => {
                let bytes = bytes.as_ref();
                self.take_availability(from, *available, bytes, *watchers, directed, out);
            }
            OutboxLine::Watch {
                user,
                watcher,
                devices,
            } => self.take_watch(source, user, watcher, devices.as_deref(), out),
            OutboxLine::View {
                user,
                watchers,
                devices,
            } => self.take_view(source, user, watchers, devices, out),
            OutboxLine::Probe { user } => self.owe(source, Debt::View(user.clone()), out),
            OutboxLine::Began => self.source_began(source, out),
            OutboxLine::Removed => {}
        }
    }

    /// A parcel for a user of this group is routed as if it had been sent here. For anybody else it
    /// goes back: it is not passed on, so that it cannot go in circles while two directories
    /// differ.
    fn take_parcel(&mut self, source: SubclusterId, parcel: &Arc<Parcel>, out: &mut Outcome) {
        self.learn(source, parcel);
        let user = parcel.to.to_bare();
        let here = self.users.contains_key(&user);
        match parcel.kind {
            ParcelKind::Subscription(_) if !here => {
                self.bounce(parcel, Condition::ItemNotFound, out);
            }
            ParcelKind::Subscription(request) => {
                self.take_subscription(parcel, request, out);
            }
            ParcelKind::IqRequest if here && parcel.to.is_bare() => {
                self.take_inquiry(parcel, out);
            }
            _ if here => self.send(parcel.clone(), out),
            _ => self.bounce(parcel, Condition::ServiceUnavailable, out),
        }
    }

    fn take_subscription(
        &mut self,
        parcel: &Arc<Parcel>,
        request: SubscriptionRequest,
        out: &mut Outcome,
    ) {
        let (user, contact) = (parcel.from.to_bare(), parcel.to.to_bare());
        if request == SubscriptionRequest::Subscribe
            && let Err(condition) = self.may_ask(&user, &contact)
        {
            self.bounce(parcel, condition, out);
            return;
        }
        self.receive_subscription(&contact, &user, request, parcel.clone(), out);
    }

    /// A group's word is enough to know where its user lives: the configuration may come later than
    /// a line that must be answered.
    fn learn(&mut self, source: SubclusterId, parcel: &Parcel) {
        let user = parcel.from.to_bare();
        if !self.knows_user(&user) && self.foreign.len() < limits::FOREIGN_USERS_MAX {
            Arc::make_mut(&mut self.foreign).insert(user, source);
        }
    }
}
