//! A client that does not read, or of whom nothing is heard: asked whether it is there, and let go
//! where it does not answer (RFC 6120 section 4.6). Its session waits for it where it may.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_xmpp::ping;
use pollux_xmpp::sm::SmElement;
use pollux_xmpp::stanza::{IqType, Stanza};
use pollux_xmpp::stream_error::StreamCondition;

use super::{CLOSE_SECONDS_MAX, Ending, Session};
use crate::node::hex;
use crate::reminders::Reminder;

/// Seconds for which what was asked may stay without answer; then the stream counts as broken.
const ANSWER_SECONDS_MAX: u64 = 60;

impl Session {
    /// From time to time. False where the peer is given up.
    pub(super) fn looks_after_itself(&mut self) -> bool {
        self.ask_reminder(Reminder::LookAfter);
        self.note_what_was_heard();
        let metrics = &self.node.metrics;
        if self.is_stalled() {
            if !self.closing {
                metrics.given_up_slow.fetch_add(1, Ordering::Relaxed);
            }
            return false;
        }
        if self.is_over(self.asked, ANSWER_SECONDS_MAX) && !self.closing {
            metrics.given_up_silent.fetch_add(1, Ordering::Relaxed);
            // Section 4.9.3.4. Nobody waits for the word to be read.
            self.close_with(StreamCondition::ConnectionTimeout.into(), Ending::Detach);
            return true;
        }
        self.ask_the_silent();
        true
    }

    /// Whether the socket has not taken a byte for too long.
    fn is_stalled(&self) -> bool {
        let seconds = match self.closing {
            true => CLOSE_SECONDS_MAX,
            false => limits::WRITE_STALL_SECONDS_MAX,
        };
        self.is_over(self.stalled_since, seconds)
    }

    fn is_over(&self, since: Option<Duration>, seconds: u64) -> bool {
        since.is_some_and(|since| since.as_secs() + seconds <= self.now().as_secs())
    }

    /// Without stream management whatever the client says shows that it is there.
    fn note_what_was_heard(&mut self) {
        if !std::mem::take(&mut self.was_heard) {
            return;
        }
        self.heard = self.now();
        if self.managed.is_none() {
            self.asked = None;
        }
    }

    /// By `<r/>` under stream management, else by a ping: a client has to answer either, if only
    /// with an error (decision 0057).
    fn ask_the_silent(&mut self) {
        let now = self.now();
        let Some(patience) = self.silence else { return };
        let is_silent = self.heard + patience <= now;
        if !is_silent || self.closing || self.enabling || self.asked.is_some() {
            return;
        }
        let metrics = &self.node.metrics;
        metrics.silent_asked.fetch_add(1, Ordering::Relaxed);
        self.asked = Some(now);
        match self.managed {
            Some(_) => {
                let queue = &mut self.stream.write_queue;
                queue.extend_from_slice(SmElement::REQUEST);
            }
            None => self.ping(),
        }
    }

    /// XEP-0199 section 4.1. Its answer is a stanza like others, and does nothing.
    fn ping(&mut self) {
        let Ok(domain) = Jid::parse(&self.node.settings.domain) else {
            return;
        };
        let ping = Stanza::new(IqType::Get)
            .from(domain)
            .to(self.jid.clone())
            .id(hex(&self.node.ambient.rand.token()))
            .payload(ping::request());
        self.write_element(&ping.to_element());
    }
}
