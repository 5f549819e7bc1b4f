//! XEP-0198 on a bound stream: enable, requests and answers. Resumption begins before a session has
//! its actor: see `stream::bind`.

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use pollux_domain::contract::{Command, Reply};
use pollux_raft::plants::{Plant, is_planted};
use pollux_xml::Element;
use pollux_xmpp::sm::{SmElement, handled_count_too_high};
use pollux_xmpp::stanza::ErrorCondition;
use pollux_xmpp::stream_error::StreamCondition;

use super::{Ending, Session};
use crate::reminders::Reminder;
use crate::stream::enabled;

/// After so many answers that waited in vain one after the other …
const IN_VAIN: u8 = 2;
/// … so many do not wait; then a single one decides.
const ALONE: u8 = 15;

impl Session {
    /// True where the element was one of stream management.
    pub(super) fn take_management(
        &mut self,
        element: &Element,
        ctx: &mut Context<Session>,
    ) -> bool {
        let Some(parsed) = SmElement::from_element(element) else {
            return false;
        };
        self.manage(parsed, element.name(), ctx);
        true
    }

    pub(super) fn manage(
        &mut self,
        parsed: Result<SmElement, ErrorCondition>,
        name: &str,
        ctx: &mut Context<Session>,
    ) {
        match parsed {
            Ok(SmElement::Request) => self.answer_request(),
            Ok(SmElement::Answer { h }) => self.take_answer(h),
            Ok(SmElement::Enable { resume, .. }) => self.enable(resume, ctx),
            Err(_) if name == "a" => {
                self.close_with(StreamCondition::BadFormat.into(), Ending::Detach);
            }
            // Section 3: once, after binding; resumption instead of binding, not after.
            Ok(_) => self.fail(ErrorCondition::UnexpectedRequest),
            Err(condition) => self.fail(condition),
        }
    }

    fn fail(&mut self, condition: ErrorCondition) {
        let failed = SmElement::Failed {
            h: None,
            condition: Some(condition),
        };
        self.write_element(&failed.to_element());
    }

    /// Answered when all that came before it is committed, and after a short time with what is by
    /// then (section 4: "as soon as possible", and not withheld "for any condition other than a
    /// timeout"); the rest follows.
    fn answer_request(&mut self) {
        if self.managed.is_none() {
            return self.fail(ErrorCondition::UnexpectedRequest);
        }
        if self.handled == self.proposed {
            return self.answer_count();
        }
        self.owes_answer = Some(self.proposed);
        if !std::mem::replace(&mut self.is_reminded, true) {
            self.ask_reminder(Reminder::Answer);
        }
        self.seek_company();
    }

    /// All is committed of what an `<r/>` came after.
    pub(super) fn may_answer(&self) -> bool {
        self.owes_answer.is_some_and(|owed| owed <= self.handled)
    }

    /// Between two who talk, something is soon written to the client anyway: the answer goes with
    /// it (decision 0032).
    fn seek_company(&mut self) {
        if self.seeks_company {
            return;
        }
        if let Some(left) = self.alone.checked_sub(1) {
            self.alone = left;
            return;
        }
        self.seeks_company = true;
        if self.inbox.seek_company(self.now()) {
            self.ask_reminder(Reminder::Company);
        }
    }

    /// At the end of a turn. Whoever has to be woken by the next commit does not wait.
    pub(super) fn join_company(&mut self) {
        if !self.seeks_company {
            return;
        }
        let has_company = !self.stream.write_queue.is_empty() && self.may_answer();
        if has_company {
            self.in_vain = 0;
        }
        if has_company || !self.may_read() {
            self.leave_company();
        }
    }

    /// Nothing was written meanwhile. Where that is the rule, the next answers do not wait: this
    /// client may be one that goes on only when it has them.
    pub(super) fn answer_alone(&mut self) {
        if !self.seeks_company {
            return;
        }
        self.in_vain = (self.in_vain + 1).min(IN_VAIN);
        if self.in_vain == IN_VAIN {
            self.alone = ALONE;
        }
        self.leave_company();
    }

    fn leave_company(&mut self) {
        self.seeks_company = false;
        if self.inbox.end_company() {
            self.wake();
        }
        if self.may_answer() {
            self.answer_count();
        }
    }

    /// The time for an answer is over.
    pub(super) fn answer_anyway(&mut self) {
        self.is_reminded = false;
        if self.owes_answer.is_some() && !self.closing {
            self.answer_count();
        }
    }

    pub(super) fn answer_count(&mut self) {
        self.owes_answer = self.owes_answer.filter(|n| self.handled < *n);
        let h = match is_planted(Plant::AckBeforeCommit) {
            true => self.proposed,
            false => self.handled,
        };
        let answer = SmElement::answer(h as u32);
        self.stream.write_queue.extend_from_slice(answer.as_bytes());
    }

    /// Section 4: the client has received `h` stanzas.
    fn take_answer(&mut self, h: u32) {
        if self.managed.is_none() {
            return self.fail(ErrorCondition::UnexpectedRequest);
        }
        let count = self.acked + u64::from(h.wrapping_sub(self.acked as u32));
        let sent = self.base + self.sent;
        if sent < count {
            let error = handled_count_too_high(h, sent as u32);
            return self.close_with(error, Ending::Detach);
        }
        self.asked = None;
        if self.acked < count {
            self.acked = count;
            let session = self.speaker();
            self.propose(Command::Acked { session, h });
        }
    }

    /// Section 3. Nothing is read or written until it is committed: both counts begin there.
    fn enable(&mut self, resume: bool, ctx: &mut Context<Session>) {
        if self.managed.is_some() {
            return self.fail(ErrorCondition::UnexpectedRequest);
        }
        self.enabling = true;
        self.end_early();
        let command = Command::Enable {
            session: self.speaker(),
            resumable: resume,
            written: self.written,
        };
        let group = self.node.subcluster.clone();
        let enabled = async move { group.execute(command).await };
        ctx.spawn(
            enabled
                .into_actor(self)
                .map(|reply, session, _ctx| match reply {
                    Ok(Reply::Session {
                        session: speaker, ..
                    }) => session.enabled(speaker),
                    _ => session
                        .close_with(StreamCondition::InternalServerError.into(), Ending::Detach),
                }),
        );
    }

    fn enabled(&mut self, speaker: pollux_domain::contract::Session) {
        self.enabling = false;
        self.guard.speaker = speaker;
        let state = self
            .node
            .subcluster
            .read(|state| state.session(speaker.id).cloned());
        let Some(state) = state else {
            return self.wake();
        };
        self.begin_connection(&state);
        let enabled = enabled(&self.node, speaker.id, &state);
        self.write_element(&enabled.to_element());
        self.wake();
    }
}
