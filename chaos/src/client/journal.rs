//! What a client was promised and what it saw, told as it happens to whoever keeps the account.

use std::cell::RefCell;
use std::rc::Rc;

/// One entry. Ids are those of the stanzas; stanzas without one are told by counters alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note<'a> {
    /// A new session; what the former one had not got acknowledged follows as `Unknown`.
    Bound {
        jid: &'a str,
    },
    /// The session goes on; `resent` stanzas were written again.
    Resumed {
        h: u32,
        resent: usize,
    },
    /// A resumption was refused.
    NotResumed {
        condition: &'a str,
    },
    Disconnected,
    /// Handed to the connection for the first time.
    Sent {
        id: &'a str,
    },
    /// Covered by the server's `h`.
    Acknowledged {
        id: &'a str,
    },
    /// Neither acknowledged nor refused when its session was lost: may or may not arrive.
    Unknown {
        id: &'a str,
    },
    /// A message arrived.
    Received {
        id: &'a str,
        from: &'a str,
    },
    /// A stanza came back as an error.
    Refused {
        id: &'a str,
        condition: &'a str,
    },
    /// A presence arrived; `kind` is its type, empty when available.
    Presence {
        from: &'a str,
        kind: &'a str,
    },
    /// An `h` that the server sent, also one that says nothing new.
    Handled {
        h: u32,
    },
    /// An `h` below the last one.
    HandledBackwards {
        last: u32,
        h: u32,
    },
    /// An `h` above what was sent.
    HandledAhead {
        sent: u32,
        h: u32,
    },
}

/// Keeps an account. Must be quick: it is called between reading and writing.
pub trait Journal {
    fn note(&mut self, note: Note<'_>);
}

/// Keeps none.
impl Journal for () {
    fn note(&mut self, _: Note<'_>) {}
}

/// Several clients keep one account, on one thread.
impl<J: Journal> Journal for Rc<RefCell<J>> {
    fn note(&mut self, note: Note<'_>) {
        self.borrow_mut().note(note);
    }
}

/// The account as lines of text, for plays and small tests.
#[derive(Debug, Default)]
pub struct Lines {
    pub lines: Vec<String>,
    /// Notes beyond `Lines::MAX`.
    pub left_out: usize,
}

impl Lines {
    pub const MAX: usize = 100_000;
}

impl Journal for Lines {
    fn note(&mut self, note: Note<'_>) {
        if self.lines.len() < Self::MAX {
            self.lines.push(format!("{note:?}"));
        } else {
            self.left_out += 1;
        }
    }
}
