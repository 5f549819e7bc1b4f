//! Stream management (XEP-0198) from the client's side: both counters and the stanzas that wait for
//! an acknowledgement. Writes nothing itself: see client.

use std::collections::VecDeque;

use super::error::Error;
use super::journal::{Journal, Note};

/// Stanzas that may wait for an acknowledgement before the client refuses to send more.
pub const UNACKNOWLEDGED_MAX: usize = 100_000;
/// Half of the number line: nearer behind than this is "backwards", everything else "ahead".
const HALF: u32 = 1 << 31;

/// A stanza in the server's debt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id, if it has one.
    pub id: Option<Box<str>>,
    pub text: Box<str>,
}

/// The counters of one session; they outlive its connections.
#[derive(Debug, Default)]
pub struct Counting {
    /// By what name the session can be resumed.
    pub resume_id: Option<String>,
    /// Where the server would like to see it resumed.
    pub location: Option<String>,
    /// Stanzas handled from the server: the client's own `h`.
    pub handled: u32,
    /// The server's last `h`.
    acknowledged: u32,
    pending: VecDeque<Pending>,
}

impl Counting {
    pub fn new(resume_id: Option<String>, location: Option<String>) -> Self {
        Counting {
            resume_id,
            location,
            ..Counting::default()
        }
    }

    pub fn unacknowledged(&self) -> usize {
        self.pending.len()
    }

    pub fn server_h(&self) -> u32 {
        self.acknowledged
    }

    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter()
    }

    pub fn has_room(&self) -> bool {
        self.pending.len() < UNACKNOWLEDGED_MAX
    }

    /// One stanza more is in the server's debt.
    pub fn sent(&mut self, id: Option<Box<str>>, text: Box<str>) {
        self.pending.push_back(Pending { id, text });
    }

    /// One stanza more was handled.
    //= xep-0198#section-4
    //# the value of 'h' SHALL be reset from 2^32-1 back to zero
    pub fn received(&mut self) {
        self.handled = self.handled.wrapping_add(1);
    }

    /// Takes the server's `h` into account; returns how many stanzas it newly covers.
    pub fn acknowledge(&mut self, h: u32, journal: &mut impl Journal) -> Result<u32, Error> {
        journal.note(Note::Handled { h });
        let covered = h.wrapping_sub(self.acknowledged);
        if covered as usize > self.pending.len() {
            return Err(self.impossible(h, journal));
        }
        for pending in self.pending.drain(..covered as usize) {
            if let Some(id) = &pending.id {
                journal.note(Note::Acknowledged { id });
            }
        }
        self.acknowledged = h;
        Ok(covered)
    }

    /// The session is lost, and with it the knowledge of what became of these.
    pub fn abandon(self, journal: &mut impl Journal) {
        for id in self
            .pending
            .iter()
            .filter_map(|pending| pending.id.as_ref())
        {
            journal.note(Note::Unknown { id });
        }
    }

    fn impossible(&self, h: u32, journal: &mut impl Journal) -> Error {
        let last = self.acknowledged;
        if last.wrapping_sub(h) < HALF {
            journal.note(Note::HandledBackwards { last, h });
            return Error::protocol(format!("h went back from {last} to {h}"));
        }
        let sent = last.wrapping_add(self.pending.len() as u32);
        journal.note(Note::HandledAhead { sent, h });
        Error::protocol(format!("h is {h}, but only {sent} were sent"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::Lines;
    use super::Counting;

    fn with(acknowledged: u32, ids: &[&str]) -> Counting {
        let mut counting = Counting {
            acknowledged,
            ..Counting::default()
        };
        for &id in ids {
            counting.sent(Some(id.into()), id.into());
        }
        counting
    }

    #[test]
    fn an_h_drops_what_it_covers() {
        let mut lines = Lines::default();
        let mut counting = with(0, &["a", "b", "c"]);
        assert_eq!(counting.acknowledge(2, &mut lines).unwrap(), 2);
        assert_eq!(counting.acknowledge(2, &mut lines).unwrap(), 0);
        assert_eq!(counting.pending().next().unwrap().id.as_deref(), Some("c"));
        counting.abandon(&mut lines);
        let noted = [
            "Handled { h: 2 }",
            "Acknowledged { id: \"a\" }",
            "Acknowledged { id: \"b\" }",
            "Handled { h: 2 }",
            "Unknown { id: \"c\" }",
        ];
        assert_eq!(lines.lines, noted);
    }

    #[test]
    fn counts_across_the_wrap() {
        let mut counting = with(u32::MAX - 1, &["a", "b", "c"]);
        assert_eq!(counting.acknowledge(u32::MAX, &mut ()).unwrap(), 1);
        assert_eq!(counting.acknowledge(1, &mut ()).unwrap(), 2);
        assert_eq!(counting.unacknowledged(), 0);
        counting.handled = u32::MAX;
        counting.received();
        assert_eq!(counting.handled, 0);
    }

    #[test]
    fn tells_backwards_from_ahead() {
        let check = |h: u32, expected: &str| {
            let mut lines = Lines::default();
            assert!(with(5, &["a"]).acknowledge(h, &mut lines).is_err());
            assert_eq!(lines.lines[1], expected);
        };
        check(4, "HandledBackwards { last: 5, h: 4 }");
        check(7, "HandledAhead { sent: 6, h: 7 }");
    }
}
