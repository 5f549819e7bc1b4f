//! What a client gets, and in which order: slots by number, announcements between them where no
//! slot has the next place.

use pollux_domain::contract::{Command, EndReason, Position, Slot};
use pollux_domain::ids::Seq;
use pollux_domain::limits;
use pollux_raft::plants::{Plant, is_planted};
use pollux_xml::Element;
use pollux_xmpp::ns;
use pollux_xmpp::sm::SmElement;
use pollux_xmpp::stream_error::{StreamCondition, StreamError};

use super::{Ending, Session, render};
use crate::inbox::Mail;

/// Bytes that wait for the socket; above it slots stay where they are, shared with the database,
/// and nothing is read that could be answered.
pub(super) const WRITE_AHEAD_BYTES: usize = 64 * 1024;

impl Session {
    /// Takes what others have put into the inbox.
    pub(super) fn take_mail(&mut self, mail: Mail) {
        let connection = self.speaker().connection;
        for (of, slot) in mail.slots {
            if of != connection {
                continue;
            }
            self.untold = true;
            if self.taken < slot.seq {
                self.taken = slot.seq;
                self.slots.push_back(slot);
            } else if slot.position() <= self.told {
                // It went early, and was committed after it was told to be written.
                self.told = Position::default();
            }
        }
        self.take_early(mail.early);
        if let Some((of, through)) = mail.placed
            && of == connection
        {
            let v = self.inbox.volatile_count();
            let waiting = self.slots.iter_mut().filter(|slot| slot.placed.is_none());
            for slot in waiting.take_while(|slot| slot.seq <= through) {
                slot.placed = Some(v);
            }
        }
        if let Some((of, n)) = mail.handled
            && of == connection
        {
            self.take_handled(n);
        }
        self.news.take(mail.announcements);
        if mail.answer_is_due {
            self.answer_anyway();
        }
        if mail.pause_is_over {
            self.pauses = false;
        }
        if mail.company_is_over {
            self.answer_alone();
        }
        if mail.missed {
            self.news.miss();
        }
        if mail.moved.is_some_and(|of| of == connection) {
            let error = StreamError::new(StreamCondition::Conflict);
            self.close_with(
                error.with_text("the session goes on in another stream"),
                Ending::Known,
            );
        }
        if let Some(reason) = mail.ended {
            self.take_end(reason);
        }
        if mail.shut_down {
            self.close_with(StreamCondition::SystemShutdown.into(), Ending::Detach);
        }
        if mail.move_on {
            self.close_with(self.farewell(), Ending::Detach);
        }
    }

    /// RFC 6120 section 4.9.3.19, where it is known where to go.
    fn farewell(&self) -> StreamError {
        let elsewhere = self.node.client_address_of_twin();
        let error = StreamError::new(StreamCondition::Reset);
        match elsewhere {
            Some(address) => StreamError::see_other_host(address),
            None => error.with_text("another node serves you from now on"),
        }
    }

    fn take_end(&mut self, reason: EndReason) {
        // XEP-0077 section 3.2: the one who asked for it is told that it is done.
        if let (EndReason::UserRemoved, Some(result)) = (reason, self.parting.take()) {
            self.stream.write_queue.extend_from_slice(&result);
        }
        let (condition, text) = match reason {
            EndReason::Conflict => (StreamCondition::Conflict, "another client has the resource"),
            EndReason::UserRemoved => (StreamCondition::NotAuthorized, "the user was removed"),
            EndReason::UserDisabled => (StreamCondition::NotAuthorized, "the account was disabled"),
            EndReason::TooMuchWaiting => (
                StreamCondition::ResourceConstraint,
                "too much waits for this session",
            ),
            EndReason::Administrator => (StreamCondition::Reset, "an administrator ended it"),
            EndReason::Closed | EndReason::Expired => (StreamCondition::ConnectionTimeout, "over"),
        };
        self.close_with(StreamError::new(condition).with_text(text), Ending::Known);
    }

    /// Puts into the write queue what may be written now.
    pub(super) fn fill(&mut self) {
        if !self.may_speak() {
            return;
        }
        let before = self.sent;
        while !self.closing && !self.enabling && self.stream.write_queue.len() < WRITE_AHEAD_BYTES {
            if self.is_early_next() {
                self.fill_early();
            } else if !self.slots.is_empty() {
                if !self.fill_slot() {
                    break;
                }
            } else if !self.may_announce(before < self.sent)
                || self.news.is_empty()
                || !self.inbox.take_volatile_place()
            {
                break;
            } else if let Some(announcement) = self.news.next() {
                self.stream
                    .write_queue
                    .extend_from_slice(&render::announcement(&announcement));
                self.sent += 1;
            }
        }
        self.ask_for_answer();
    }

    /// False while the next slot may not be written.
    fn fill_slot(&mut self) -> bool {
        let waits = |slot: &Slot| slot.placed.is_none();
        if self.slots.front().is_some_and(waits) {
            self.propose_places();
            if !is_planted(Plant::WriteBeforePlaced) {
                return false;
            }
        }
        let Some(slot) = self.slots.front() else {
            return false;
        };
        match render::slot(&self.node, &self.jid, slot) {
            Ok(bytes) => self.stream.write_queue.extend_from_slice(&bytes),
            Err(error) => {
                tracing::error!(session = %self.speaker().id, %error, "failed to render a slot");
                self.close_with(StreamCondition::InternalServerError.into(), Ending::Detach);
                return false;
            }
        }
        self.written = Position {
            seq: slot.seq,
            v: 0,
        };
        self.slots.pop_front();
        self.sent += 1;
        true
    }

    /// All slots that wait without place stand here; what is volatile waits behind them.
    fn propose_places(&mut self) {
        if self
            .slots
            .front()
            .is_none_or(|slot| slot.seq <= self.placing)
        {
            return;
        }
        let through = self.slots.back().map_or(Seq::default(), |slot| slot.seq);
        self.placing = through;
        let (session, v) = (self.speaker(), self.inbox.volatile_count());
        self.propose(Command::Placed {
            session,
            through,
            v,
        });
    }

    /// The socket has taken everything. Without stream management what is written counts as served
    /// (design, section 5, "Edges").
    pub(super) fn all_written(&mut self) {
        self.early_written();
        let is_told = !self.untold || self.written <= self.told;
        if self.managed.is_some() || is_told || self.enabling {
            return;
        }
        self.told = self.written;
        self.untold = !self.slots.is_empty() || !self.early.waiting.is_empty();
        let (session, through) = (self.speaker(), self.written);
        self.propose(Command::Written { session, through });
    }

    /// XEP-0198 section 4: one request at a time, as long as something is not acknowledged.
    fn ask_for_answer(&mut self) {
        let waits = self.acked < self.base + self.sent;
        if self.managed.is_some() && waits && self.asked.is_none() && !self.closing {
            self.asked = Some(self.now());
            self.stream
                .write_queue
                .extend_from_slice(SmElement::REQUEST);
        }
    }

    pub(super) fn write_element(&mut self, element: &Element) {
        self.stream
            .write_queue
            .extend_from_slice(&element.to_bytes(ns::CLIENT));
    }

    /// The last word to the client; the actor stops when it is written.
    pub(super) fn close_with(&mut self, error: StreamError, ending: Ending) {
        if self.closing {
            return;
        }
        self.node.metrics.stream_errors.count(error.condition);
        let mut last = Vec::new();
        error.write(&mut last);
        self.close(&last, ending);
    }

    pub(super) fn close(&mut self, last: &[u8], ending: Ending) {
        self.closing = true;
        self.guard.ending = ending;
        if self.stream.write_queue.len() < limits::WRITE_QUEUE_BYTES_MAX {
            self.stream.write_queue.extend_from_slice(last);
        }
        self.stalled_since = Some(self.now());
        self.wake();
    }
}
