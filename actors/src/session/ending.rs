//! The end of a session's actor, on any way: what the database is told, exactly once. Also when the
//! actor panics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pollux_domain::contract::{Command, EndReason, Session};

use super::early::EarlyQueue;
use crate::inbox::Inbox;
use crate::node::Node;

/// What becomes of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The stream is gone; the session waits for its client where it may.
    Detach,
    /// The session is over.
    End(EndReason),
    /// The database knows already: another stream has it, or it has ended.
    Known,
}

/// Tells the database when it is dropped.
pub struct Guard {
    node: Arc<Node>,
    inbox: Arc<Inbox>,
    pub speaker: Session,
    pub ending: Ending,
    /// What came early, and is with nobody else.
    pub(super) early: EarlyQueue,
}

impl Guard {
    pub fn new(node: Arc<Node>, speaker: Session, inbox: Arc<Inbox>) -> Guard {
        Guard {
            node,
            inbox,
            speaker,
            ending: Ending::Detach,
            early: EarlyQueue::default(),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.node.directory.leave(&self.inbox);
        if std::thread::panicking() {
            self.node
                .metrics
                .session_panics
                .fetch_add(1, Ordering::Relaxed);
            tracing::error!(session = %self.speaker.id, "session actor panicked");
        }
        let session = self.speaker;
        let last = self.inbox.close();
        self.early.waiting.extend(last);
        let parcels = self.early.take_unwritten();
        if !parcels.is_empty() {
            self.node
                .tell_later(Command::Unwritten { session, parcels });
        }
        let command = match self.ending {
            Ending::Detach => Command::Detached { session },
            Ending::End(reason) => Command::End { session, reason },
            Ending::Known => return,
        };
        self.node.tell_later(command);
    }
}
