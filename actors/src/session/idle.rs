//! A client that nobody looks at (XEP-0352): announcements wait until it is active again, or until
//! something is written that wakes it anyway; of each sender the last. Everything else comes at
//! once, and nothing is left out. The state belongs to the stream: a resumed one begins active.

use pollux_xml::Element;
use pollux_xmpp::client_state;

use super::Session;

impl Session {
    /// False: the element says something else. What waited is written before what comes next is
    /// read (section 5.1).
    pub(super) fn take_client_state(&mut self, element: &Element) -> bool {
        let Some(active) = client_state::is_active(element) else {
            return false;
        };
        self.news.spares = !active;
        if active {
            self.fill();
        }
        true
    }

    /// `woken`: the client is being written to.
    pub(super) fn may_announce(&mut self, woken: bool) -> bool {
        let may = woken || !self.news.spares;
        if may && self.news.has_missed() {
            let id = self.speaker().id;
            let all = self.node.subcluster.read(|state| state.news_for(id));
            self.news.afresh(all);
        }
        may
    }
}
