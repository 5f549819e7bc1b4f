//! A client that nobody looks at (XEP-0352): announcements wait until it is active again, or until
//! something is written that wakes it anyway; of each sender the last. Everything else comes at
//! once, and nothing is left out. The state belongs to the stream: a resumed one begins active.

use std::collections::VecDeque;

use pollux_domain::contract::Announcement;
use pollux_domain::limits;
use pollux_xml::Element;
use pollux_xmpp::client_state;

use super::Session;

/// What is known of the client's attention.
#[derive(Debug)]
pub(super) struct Idle {
    inactive: bool,
    /// More waited than is kept: all is told afresh.
    missed: bool,
}

impl Idle {
    /// Of a session that begins so (XEP-0386 section 3.2).
    pub(super) fn begun(inactive: bool) -> Idle {
        Idle {
            inactive,
            missed: false,
        }
    }
}

impl Session {
    /// False: the element says something else. What waited is written before what comes next is
    /// read (section 5.1).
    pub(super) fn take_client_state(&mut self, element: &Element) -> bool {
        let Some(active) = client_state::is_active(element) else {
            return false;
        };
        self.idle.inactive = !active;
        if active {
            self.end_idleness();
            self.fill();
        }
        true
    }

    pub(super) fn take_announcements(&mut self, news: VecDeque<Announcement>) {
        if !self.idle.inactive {
            self.announcements.extend(news);
            return;
        }
        for announcement in news {
            self.announcements
                .retain(|other| other.from != announcement.from);
            self.announcements.push_back(announcement);
        }
        if limits::ANNOUNCEMENTS_MAX < self.announcements.len() {
            self.announcements.clear();
            self.idle.missed = true;
        }
    }

    /// `woken`: the client is being written to.
    pub(super) fn may_announce(&mut self, woken: bool) -> bool {
        if woken {
            self.end_idleness();
        }
        woken || !self.idle.inactive
    }

    fn end_idleness(&mut self) {
        if std::mem::take(&mut self.idle.missed) {
            let id = self.speaker().id;
            self.announcements = self.node.subcluster.read(|state| state.news_for(id)).into();
        }
    }
}
