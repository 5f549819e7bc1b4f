//! The id of a message under load: says by itself whose it is, which one, and when it was meant to
//! go.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Tells the messages of this run from what an earlier one left in an offline store.
    pub run: u32,
    /// Which sender.
    pub flow: u32,
    /// Which of its messages, from 0.
    pub seq: u32,
    /// When it was meant to be sent, after the run's beginning.
    pub meant: Duration,
}

impl Ticket {
    pub fn parse(id: &str) -> Option<Self> {
        let mut parts = id.strip_prefix('t')?.split('.');
        let ticket = Ticket {
            run: parts.next()?.parse().ok()?,
            flow: parts.next()?.parse().ok()?,
            seq: parts.next()?.parse().ok()?,
            meant: Duration::from_nanos(parts.next()?.parse().ok()?),
        };
        parts.next().is_none().then_some(ticket)
    }
}

impl std::fmt::Display for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "t{}.{}.{}.{}",
            self.run,
            self.flow,
            self.seq,
            self.meant.as_nanos()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Ticket};

    #[test]
    fn reads_what_it_wrote_and_nothing_else() {
        let ticket = Ticket {
            run: 7,
            flow: 3,
            seq: 99,
            meant: Duration::from_nanos(123_456),
        };
        assert_eq!(ticket.to_string(), "t7.3.99.123456");
        assert_eq!(Ticket::parse("t7.3.99.123456"), Some(ticket));
        for id in ["", "t1.2.3", "t1.2.3.4.5", "u1.2.3.4", "t1.2.x.4"] {
            assert_eq!(Ticket::parse(id), None, "{id}");
        }
    }
}
