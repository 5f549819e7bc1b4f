//! What a client sends: stanzas become commands, in order and counted; the rest goes to
//! `stream_management`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use pollux_domain::contract::{Action, Command, EndReason, Place};
use pollux_domain::ids::SessionId;
use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_domain::pace::{self, Pace};
use pollux_raft::group::GroupError;
use pollux_xml::{Element, Frame};
use pollux_xmpp::sm::SmElement;
use pollux_xmpp::stanza::{PlainMessage, Stanza, StanzaKind, StanzaProblem};
use pollux_xmpp::stream_error::StreamCondition;
use pollux_xmpp::{claims, ns};

use super::broadcast;
use super::decide::{self, Sender};
use super::early::Way;
use super::outgoing::WRITE_AHEAD_BYTES;
use super::questions::Question;
use super::{Ending, Session, render};
use crate::reminders::Reminder;

impl Session {
    /// Whether the socket is read: not while too much waits for its commit, nor while the peer does
    /// not read what it asked for.
    pub(super) fn may_read(&self) -> bool {
        !self.closing
            && !self.enabling
            && !self.changing
            && self.stalled.is_empty()
            && self.stream.write_queue.len() < WRITE_AHEAD_BYTES
            && self.in_flight.len() < limits::IN_FLIGHT_MAX
            && self.in_flight_bytes < limits::IN_FLIGHT_BYTES_MAX
    }

    /// Whether the client has said more than it may by now. What it says meanwhile stays in its
    /// socket.
    pub(super) fn must_pause(&mut self) -> bool {
        if !self.pauses && self.paces.iter().any(Pace::is_spent) {
            let now = self.now();
            self.paces.iter_mut().for_each(|pace| pace.fill(now));
            self.pauses = self.paces.iter().any(Pace::is_spent);
            if self.pauses {
                self.node.metrics.pauses.fetch_add(1, Ordering::Relaxed);
                self.ask_reminder(Reminder::Pause);
            }
        }
        self.pauses
    }

    pub(super) fn take_frame(&mut self, frame: Frame, ctx: &mut Context<Session>) {
        let octets = match &frame {
            Frame::Element(bytes) => bytes.len(),
            Frame::Whitespace | Frame::Open(_) | Frame::Close => 0,
        };
        let [in_octets, in_elements] = &mut self.paces;
        in_octets.spend(octets.max(pace::ELEMENT_OCTETS));
        in_elements.spend(1);
        match frame {
            Frame::Element(bytes) => self.take_element(&bytes, ctx),
            Frame::Whitespace => {}
            Frame::Open(_) => {
                self.close_with(StreamCondition::NotWellFormed.into(), Ending::Detach);
            }
            Frame::Close => {
                self.close(b"</stream:stream>", Ending::End(EndReason::Closed));
            }
        }
    }

    fn take_element(&mut self, bytes: &[u8], ctx: &mut Context<Session>) {
        if let Some(message) = PlainMessage::scan(bytes, &self.stream.namespaces)
            && let Some(action) = decide::decide_plain(&message, self.sender())
        {
            let trace = self.node.metrics.count_stanza();
            self.node.metrics.count_message();
            let to = message.to.unwrap_or_default();
            let span = tracing::debug_span!("stanza", trace, kind = "message", to);
            let _inside = span.enter();
            return self.act(action, bytes.len(), ctx);
        }
        if let Some(element) = SmElement::scan(bytes, &self.stream.namespaces) {
            return self.manage(Ok(element), "", ctx);
        }
        let element = match Element::parse(bytes, &self.stream.namespaces) {
            Ok(element) => element,
            Err(error) => return self.close_with(error.into(), Ending::Detach),
        };
        if self.take_management(&element, ctx) || self.take_client_state(&element) {
            return;
        }
        // RFC 6120 section 4.8.3: a client's stream has the client's content namespace.
        if element.namespace() == ns::SERVER {
            let error = StreamCondition::UnsupportedStanzaType.into();
            return self.close_with(error, Ending::Detach);
        }
        let trace = self.node.metrics.count_stanza();
        if element.name() == "message" {
            self.node.metrics.count_message();
        }
        let to = element.attribute("to").unwrap_or_default();
        let span = tracing::debug_span!("stanza", trace, kind = element.name(), to);
        let _inside = span.enter();
        let judged = Stanza::from_element(element);
        let from = match &judged {
            Ok(stanza) => stanza.from.as_ref(),
            Err(StanzaProblem::Refused { from, .. }) => from.as_ref(),
            Err(_) => None,
        };
        // RFC 6120 section 8.1.2.1: the own address, full or bare, and no other.
        let own = |from: &Jid| *from == self.jid || from.as_str() == self.jid.bare_str();
        if !from.is_none_or(own) {
            return self.close_with(StreamCondition::InvalidFrom.into(), Ending::Detach);
        }
        let action = match judged {
            Ok(mut stanza) => {
                if self.take_registration(&stanza, bytes.len(), ctx) {
                    return;
                }
                self.strip_forged(&mut stanza);
                self.take_probe(&stanza);
                match self.is_server(stanza.to.as_ref()) && broadcast::is_broadcast(&stanza) {
                    true => {
                        let most = self.node.cluster_settings().broadcast_max.0;
                        let most = usize::try_from(most).unwrap_or(usize::MAX);
                        broadcast::decide(stanza, most, self.sender())
                    }
                    false => decide::decide(stanza, self.sender()),
                }
            }
            Err(problem) => {
                if let Some(error) = problem.stream_error() {
                    return self.close_with(error, Ending::Detach);
                }
                self.refuse(&problem)
            }
        };
        self.act(action, bytes.len(), ctx);
    }

    /// What clients believe of a server, another client may not say. An IQ is a matter between two.
    fn strip_forged(&self, stanza: &mut Stanza) {
        if matches!(stanza.kind, StanzaKind::Iq(_)) {
            return;
        }
        let (before, domain) = (stanza.payload.len(), &self.node.settings.domain);
        let stays = |child: &Element| !claims::is_forged(child, &self.jid, domain);
        stanza.payload.retain(stays);
        let forged = (before - stanza.payload.len()) as u64;
        if 0 < forged {
            let metrics = &self.node.metrics;
            metrics.forgeries.fetch_add(forged, Ordering::Relaxed);
            tracing::debug!(forged, "what only a server may say was taken out");
        }
    }

    fn is_server(&self, to: Option<&Jid>) -> bool {
        to.is_some_and(|to| to.as_str() == self.node.settings.domain)
    }

    fn sender(&self) -> Sender<'_> {
        Sender {
            jid: &self.jid,
            domain: &self.node.settings.domain,
            now: self.node.ambient.clock.wall(),
            lang: self.stream.lang.as_ref(),
        }
    }

    fn refuse(&self, problem: &StanzaProblem) -> Action {
        let Some(mut reply) = problem.reply() else {
            return Action::Nothing;
        };
        reply.to = Some(self.jid.clone());
        Action::Answer(reply.to_bytes())
    }

    /// One stanza, one entry (design, section 5, rule 1); without stream management what changes
    /// nothing needs none.
    pub(super) fn act(&mut self, action: Action, size: usize, _ctx: &mut Context<Session>) {
        if self.managed.is_none() && self.answer_at_once(&action) {
            return;
        }
        let Way::Entry(places) = self.way(&action) else {
            return;
        };
        self.proposed += 1;
        self.in_flight.push_back(size);
        self.in_flight_bytes += size;
        let (session, n) = (self.speaker(), self.proposed);
        self.propose(Command::Stanza {
            session,
            n,
            places,
            action,
        });
    }

    /// True where nothing is left for the database.
    fn answer_at_once(&mut self, action: &Action) -> bool {
        let bytes = match action {
            Action::Nothing => return true,
            Action::Answer(bytes) => Ok(bytes.clone()),
            Action::Ask { request } => {
                let parsed =
                    Element::parse(request, &pollux_xml::StreamNamespaces::new("jabber:client"));
                let stanza = parsed
                    .ok()
                    .and_then(|element| Stanza::from_element(element).ok());
                // What is asked after a set is answered after it (RFC 6120 section 10.1).
                let waits = self.handled < self.proposed || !self.slots.is_empty();
                match stanza {
                    Some(stanza) if waits && Question::reads_kept(&stanza) => return false,
                    Some(stanza) => render::answer(&self.node, &self.jid, &stanza),
                    None => return false,
                }
            }
            _ => return false,
        };
        match bytes {
            Ok(bytes) => self.stream.write_queue.extend_from_slice(&bytes),
            Err(error) => tracing::error!(%error, "failed to answer"),
        }
        true
    }

    /// Places for the slots that this action is likely to make, in sessions of this node.
    pub(super) fn places(&self, action: &Action) -> Vec<Place> {
        match action {
            Action::Send(parcel) => {
                let id = self.speaker().id;
                let subcluster = &self.node.subcluster;
                let sessions = subcluster.read(|state| state.receivers(id, parcel));
                self.reserve_all(&sessions)
            }
            Action::Ask { .. }
            | Action::AskList { .. }
            | Action::Inquire(_)
            | Action::Keep { .. }
            | Action::Answer(_)
            | Action::Contact { .. }
            | Action::AskBlockList { .. }
            | Action::Block { .. }
            | Action::Carbons { .. } => self.inbox.reserve().into_iter().collect(),
            Action::Broadcast { parcels, .. } => {
                let sessions = self.node.subcluster.read(|state| {
                    let targets = parcels.iter().map(|parcel| state.targets(parcel));
                    targets.flatten().collect::<Vec<_>>()
                });
                self.reserve_all(&sessions)
            }
            Action::Nothing
            | Action::Availability { .. }
            | Action::Directed { .. }
            | Action::DirectedToSeveral { .. }
            | Action::Subscription { .. } => Vec::new(),
        }
    }

    fn reserve_all(&self, sessions: &[SessionId]) -> Vec<Place> {
        let inboxes = sessions.iter();
        let inboxes = inboxes.filter_map(|id| self.node.directory.inbox(*id));
        inboxes.filter_map(|inbox| inbox.reserve()).collect()
    }

    /// Hands a command to the group. Where it has no room the command waits here, and the socket is
    /// not read.
    pub(super) fn propose(&mut self, command: Command) {
        self.propose_shared(Arc::new(command));
    }

    fn propose_shared(&mut self, command: Arc<Command>) {
        if !self.stalled.is_empty() {
            self.stalled.push_back(command);
            return;
        }
        match self.node.subcluster.propose(command.clone()) {
            Ok(()) => {}
            Err(GroupError::Full) => {
                self.stalled.push_back(command);
                self.wake();
            }
            Err(error) => {
                tracing::debug!(%error, "group takes no command");
                self.close_with(StreamCondition::InternalServerError.into(), Ending::Detach);
            }
        }
    }

    /// Waits for room, if commands wait; to be called once a turn.
    pub(super) fn wait_for_room(&mut self, ctx: &mut Context<Session>) {
        if self.stalled.is_empty() || self.waits_for_room {
            return;
        }
        self.waits_for_room = true;
        let group = self.node.subcluster.clone();
        let room = async move { group.room().await };
        ctx.spawn(room.into_actor(self).map(|_room, session, _ctx| {
            session.waits_for_room = false;
            let waiting = std::mem::take(&mut session.stalled);
            for command in waiting {
                session.propose_shared(command);
            }
            session.wake();
        }));
    }

    /// Stanzas up to `n` are committed.
    pub(super) fn take_handled(&mut self, n: u64) {
        while self.handled < n {
            self.handled += 1;
            self.in_flight_bytes -= self.in_flight.pop_front().unwrap_or(0);
        }
        if self.may_answer() && !self.seeks_company {
            self.answer_count();
        }
    }
}
