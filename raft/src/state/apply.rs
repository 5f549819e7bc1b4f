//! One command, applied. Decides what a command may do; how it is done stands in the files beside.

use pollux_domain::contract::{Action, Command, Effect, EndReason, Refusal, Reply, Session, Stamp};
use pollux_domain::ids::{Epoch, NodeId, SessionId};
use pollux_domain::takeovers::{Takeover, TakeoverCause};

use super::{Outcome, Serving, SessionState, State};
use crate::plants::{Plant, is_planted};

impl State {
    /// Time enters here. What decides never goes back; what people read follows the leader's
    /// clock, also back: else one that was an hour ahead for a moment would put its hour on all
    /// that is said for an hour after.
    pub fn set_stamp(&mut self, stamp: Stamp) {
        self.stamp.group = self.stamp.group.max(stamp.group);
        self.stamp.wall = stamp.wall;
    }

    /// Applies one command. A refused command changes nothing.
    pub fn apply(&mut self, command: &Command, out: &mut Outcome) -> Reply {
        if let Command::Stanza { places, .. } = command {
            out.places.extend_from_slice(places);
        }
        let reply = match self.decide(command, out) {
            Ok(reply) => reply,
            Err(refusal) => Reply::Refused(refusal),
        };
        while let Some((session, reason)) = out.overfull.pop() {
            self.end_session(session, reason, out);
        }
        for target in std::mem::take(&mut out.grew) {
            out.effects.push(Effect::OutboxGrew { target });
        }
        for place in out.places.drain(..).filter(|place| place.early.is_none()) {
            out.effects.push(Effect::PlaceReleased {
                session: place.session,
                connection: place.connection,
            });
        }
        reply
    }

    fn decide(&mut self, command: &Command, out: &mut Outcome) -> Result<Reply, Refusal> {
        match command {
            Command::TakeOver {
                home,
                to,
                life,
                epoch,
                cause,
            } => {
                let serving = Serving {
                    node: *to,
                    life: *life,
                    epoch: *epoch,
                };
                self.take_over(*home, serving, *cause, out)?;
            }
            Command::SignIn {
                user,
                resource,
                epoch,
                token,
                carbons,
            } => {
                return self.sign_in(user, resource, *epoch, *token, *carbons, out);
            }
            Command::Token { user, client, act } => self.token(user, client, act)?,
            Command::Enable {
                session,
                resumable,
                written,
            } => {
                self.current(session)?;
                return Ok(self.enable(session.id, *resumable, *written, out));
            }
            Command::Resumed { session, epoch, h } => {
                return self.resume(*session, *epoch, *h, out);
            }
            Command::Stanza {
                session, n, action, ..
            } => {
                self.stanza(session, *n, action, out)?;
            }
            Command::Acked { session, h } => {
                self.current(session)?;
                self.acked(session.id, *h, out)?;
            }
            Command::Written { session, through } => {
                self.current(session)?;
                self.written(session.id, *through, out);
            }
            Command::Unwritten { session, parcels } => {
                let is_there = self.current(session).is_ok();
                self.unwritten(is_there.then_some(session.id), parcels, out);
            }
            Command::Placed {
                session,
                through,
                v,
            } => {
                self.current(session)?;
                self.place(session, *through, *v, out);
            }
            Command::Detached { session } => {
                let state = self.current(session)?;
                if state.detached.is_none() {
                    self.detach(session.id, out);
                }
            }
            Command::End { session, reason } => {
                self.current(session)?;
                self.end_session(session.id, *reason, out);
            }
            Command::Expired { session } => {
                let state = self.current(session)?;
                if state.detached.is_none() {
                    return Err(Refusal::StaleConnection);
                }
                self.end_session(session.id, EndReason::Expired, out);
            }
            Command::Name(name) => self.set_name(*name, out)?,
            Command::Agree { as_of, part } => self.agree(*as_of, part, out)?,
            Command::Privacy { user, settings } => self.set_privacy(user, settings, out)?,
            Command::Take {
                source,
                told,
                first,
                lines,
            } => {
                return self.take(*source, *told, *first, lines, out);
            }
            Command::Told {
                target,
                incarnation,
                through,
                refused,
            } => {
                self.told(*target, *incarnation, *through, refused, out)?;
            }
            Command::Hold { hold } => self.hold(*hold)?,
            Command::Release { hold } => self.end_hold(*hold),
            Command::Answered {
                home,
                epoch,
                inquiry,
                bytes,
            } => {
                self.answered(*home, *epoch, *inquiry, bytes, out)?;
            }
            Command::DropLine {
                target,
                incarnation,
                number,
            } => {
                self.drop_line(*target, *incarnation, *number, out)?;
            }
        }
        Ok(Reply::Done)
    }

    /// The session, if the speaker speaks for its present: newest epoch, newest connection (design,
    /// section 5, rule 1).
    fn current(&self, speaker: &Session) -> Result<&SessionState, Refusal> {
        let session = self
            .sessions
            .get(&speaker.id)
            .ok_or(Refusal::NoSuchSession)?;
        self.check_epoch(session.home, speaker.epoch)?;
        if session.connection != speaker.connection && !is_planted(Plant::NoNumberCheck) {
            return Err(Refusal::StaleConnection);
        }
        Ok(session)
    }

    pub(super) fn check_epoch(&self, home: NodeId, epoch: Epoch) -> Result<(), Refusal> {
        match self.serving.get(&home) {
            Some(_) if is_planted(Plant::NoEpochCheck) => Ok(()),
            Some(serving) if serving.epoch == epoch => Ok(()),
            _ => Err(Refusal::StaleEpoch),
        }
    }

    fn take_over(
        &mut self,
        home: NodeId,
        new: Serving,
        cause: TakeoverCause,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        if self
            .serving
            .get(&home)
            .is_some_and(|serving| new.epoch <= serving.epoch)
            && !is_planted(Plant::NoEpochCheck)
        {
            return Err(Refusal::StaleEpoch);
        }
        let old = self.serving.insert(home, new);
        self.takeovers.note(Takeover {
            home,
            from: old.map(Serving::owner),
            to: new.owner(),
            epoch: new.epoch,
            cause,
            swaps: false,
            at: self.stamp,
        });
        out.effects.push(Effect::Serving {
            home,
            node: new.node,
            life: new.life,
            epoch: new.epoch,
        });
        // Streams ended with the node that carried them.
        let mut attached: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.home == home && session.detached.is_none())
            .map(|(id, _)| *id)
            .collect();
        attached.sort_unstable();
        for session in attached {
            self.detach(session, out);
        }
        Ok(())
    }

    fn stanza(
        &mut self,
        speaker: &Session,
        n: u64,
        action: &Action,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let session = self.current(speaker)?;
        if n != session.handled + 1 && !is_planted(Plant::NoNumberCheck) {
            return Err(Refusal::OutOfTurn);
        }
        if let Action::Send(parcel) = action
            && self.answer_has_no_place(parcel)
        {
            self.end_session(speaker.id, EndReason::TooMuchWaiting, out);
            return Ok(());
        }
        self.session_mut(speaker.id, |session| session.handled = n);
        self.act(speaker.id, action, out);
        out.effects.push(Effect::Handled {
            session: speaker.id,
            connection: speaker.connection,
            n,
        });
        Ok(())
    }

    fn act(&mut self, id: SessionId, action: &Action, out: &mut Outcome) {
        match action {
            Action::Nothing => {}
            Action::Send(parcel) => match self.forbids(parcel) {
                Some(condition) => self.bounce(parcel, condition, out),
                None => {
                    self.note_reply(id, parcel);
                    self.send(parcel.clone(), out);
                    self.copy_sent(id, parcel, out);
                }
            },
            Action::Broadcast { outer, parcels } => self.broadcast(id, outer, parcels, out),
            Action::Availability {
                device: Some(device),
                bytes,
            } => {
                self.available(id, *device, bytes.clone(), out);
            }
            Action::Availability {
                device: None,
                bytes,
            } => {
                self.unavailable(id, Some(bytes.clone()), out);
                // A device that was less available may be the one for stored messages now.
                if let Some(jid) = self.sessions.get(&id).map(|session| session.jid.clone()) {
                    self.drain_offline(jid.bare_str(), out);
                }
            }
            Action::Directed {
                to,
                available,
                bytes,
            } => {
                self.directed(id, to, *available, bytes.clone(), out);
            }
            Action::DirectedToSeveral {
                outer,
                available,
                copies,
            } => {
                self.directed_to_several(id, outer, *available, copies, out);
            }
            Action::Subscription { to, request, bytes } => {
                self.subscription(id, to, *request, bytes.clone(), out);
            }
            Action::Ask { request } => self.ask(id, request.clone(), out),
            Action::AskList { request, known } => {
                self.ask_list(id, request.clone(), *known, out);
            }
            Action::Inquire(parcel) => self.inquire(id, parcel, out),
            Action::Keep {
                iq,
                result,
                documents,
            } => {
                self.keep(id, iq, result.clone(), documents, out);
            }
            Action::Contact { iq, result, change } => {
                self.change_contact(id, iq, result.clone(), change, out);
            }
            Action::AskBlockList { request } => self.ask_blocks(id, request.clone(), out),
            Action::Block { iq, result, change } => {
                self.change_blocks(id, iq, result.clone(), change, out);
            }
            Action::Carbons { on, result } => self.set_carbons(id, *on, result.clone(), out),
            Action::Answer(bytes) => self.answer(id, bytes.clone(), out),
        }
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::{GroupMs, WallMs};

    use super::*;

    #[test]
    fn what_decides_never_goes_back_and_what_people_read_follows_the_clock() {
        const HOUR: u64 = 3_600_000;
        let mut state = State::default();
        for (group, wall, decides) in [
            (10, 10 * HOUR, 10),
            (20, 11 * HOUR, 20),
            (15, 10 * HOUR, 20),
            (30, 9 * HOUR, 30),
        ] {
            let stamp = Stamp {
                group: GroupMs(group),
                wall: WallMs(wall),
            };
            state.set_stamp(stamp);
            assert_eq!(state.stamp.group, GroupMs(decides));
            assert_eq!(state.stamp.wall, WallMs(wall));
        }
    }
}
