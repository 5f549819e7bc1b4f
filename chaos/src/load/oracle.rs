//! Knows of every message under load what its sender was promised and what its receiver saw, and
//! judges.

use serde::Serialize;

use super::ticket::Ticket;
use crate::client::{Journal, Note};

/// Messages of one sender that are accounted for; more are refused by the player.
pub const FLOW_MESSAGES_MAX: u32 = 50_000_000;

const SENT: u8 = 1;
const ACKNOWLEDGED: u8 = 2;
const RECEIVED: u8 = 4;
const REFUSED: u8 = 8;
const UNKNOWN: u8 = 16;

/// The messages of one sender to one receiver.
#[derive(Debug, Default, Clone)]
pub struct Flow {
    marks: Vec<u8>,
    last_received: Option<u32>,
}

/// The account of one run.
#[derive(Debug, Default)]
pub struct Oracle {
    run: u32,
    flows: Vec<Flow>,
    /// Messages sent that have neither arrived nor come back.
    under_way: u64,
    /// Messages sent whose acknowledgement may still come.
    unacknowledged: u64,
    pub verdict: Verdict,
    /// `handled` notes so far, to see that a session is alive.
    pub handled: u64,
}

/// The judgement; everything counts messages unless it says otherwise.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub sent: u64,
    pub acknowledged: u64,
    pub received: u64,
    /// Promised and neither delivered nor refused.
    pub lost: u64,
    /// Deliveries beyond the first.
    pub twice: u64,
    /// First deliveries after a later message of the same sender.
    pub out_of_order: u64,
    /// Came back as errors.
    pub refused: u64,
    /// Their session was lost before the server promised anything.
    pub in_doubt: u64,
    /// Of those, the ones that did not arrive: no loss, but nobody knew.
    pub in_doubt_missing: u64,
    /// `h` below an earlier one of the same session.
    pub h_backwards: u64,
    /// `h` above what was sent.
    pub h_ahead: u64,
    pub disconnections: u64,
    pub resumptions: u64,
    /// Resumptions that the server refused, so that the client bound anew.
    pub not_resumed: u64,
    /// Messages of other runs that arrived.
    pub foreign: u64,
}

impl Oracle {
    pub fn new(run: u32, flows: usize) -> Self {
        Oracle {
            run,
            flows: vec![Flow::default(); flows],
            ..Oracle::default()
        }
    }

    /// Whether anything may still arrive or be acknowledged.
    pub fn under_way(&self, stream_management: bool) -> u64 {
        if stream_management {
            self.under_way.max(self.unacknowledged)
        } else {
            self.under_way
        }
    }

    /// Judges. Without stream management what was written counts as promised.
    pub fn judge(&self, stream_management: bool) -> Verdict {
        let mut verdict = self.verdict.clone();
        let promise = if stream_management {
            ACKNOWLEDGED
        } else {
            SENT
        };
        for &marks in self.flows.iter().flat_map(|flow| &flow.marks) {
            let arrived = marks & (RECEIVED | REFUSED) != 0;
            verdict.lost += u64::from(marks & promise != 0 && marks & UNKNOWN == 0 && !arrived);
            verdict.in_doubt_missing += u64::from(marks & UNKNOWN != 0 && !arrived);
        }
        verdict
    }

    /// The first tickets that were lost, for whoever looks for the reason.
    pub fn lost(&self, most: usize) -> Vec<(u32, u32)> {
        let mut lost = Vec::new();
        for (flow, marks) in (0..).zip(&self.flows) {
            for (seq, &marks) in (0..).zip(&marks.marks) {
                let promised = marks & ACKNOWLEDGED != 0 && marks & UNKNOWN == 0;
                if promised && marks & (RECEIVED | REFUSED) == 0 && lost.len() < most {
                    lost.push((flow, seq));
                }
            }
        }
        lost
    }

    /// Sets `mark` on the message and returns what was there before; `None` if it is not of this
    /// run.
    fn mark(&mut self, id: &str, mark: u8) -> Option<(Ticket, u8)> {
        let ticket = Ticket::parse(id)?;
        if ticket.run != self.run || ticket.seq >= FLOW_MESSAGES_MAX {
            return None;
        }
        let flow = self.flows.get_mut(ticket.flow as usize)?;
        let seq = ticket.seq as usize;
        if flow.marks.len() <= seq {
            flow.marks.resize(seq + 1, 0);
        }
        let before = flow.marks[seq];
        flow.marks[seq] |= mark;
        Some((ticket, before))
    }

    fn sent(&mut self, id: &str) {
        if let Some((_, before)) = self.mark(id, SENT)
            && before & SENT == 0
        {
            self.verdict.sent += 1;
            self.under_way += 1;
            self.unacknowledged += 1;
        }
    }

    fn acknowledged(&mut self, id: &str) {
        if let Some((_, before)) = self.mark(id, ACKNOWLEDGED)
            && before & (ACKNOWLEDGED | UNKNOWN) == 0
        {
            self.verdict.acknowledged += 1;
            self.unacknowledged -= 1;
        }
    }

    fn unknown(&mut self, id: &str) {
        if let Some((_, before)) = self.mark(id, UNKNOWN)
            && before & (ACKNOWLEDGED | UNKNOWN) == 0
        {
            self.verdict.in_doubt += 1;
            self.unacknowledged -= 1;
            self.under_way -= u64::from(before & (RECEIVED | REFUSED) == 0);
        }
    }

    fn refused(&mut self, id: &str) {
        if let Some((_, before)) = self.mark(id, REFUSED)
            && before & REFUSED == 0
        {
            self.verdict.refused += 1;
            self.under_way -= u64::from(before & (RECEIVED | UNKNOWN) == 0);
        }
    }

    fn received(&mut self, id: &str) {
        let Some((ticket, before)) = self.mark(id, RECEIVED) else {
            self.verdict.foreign += u64::from(Ticket::parse(id).is_some());
            return;
        };
        let flow = &mut self.flows[ticket.flow as usize];
        if before & RECEIVED != 0 {
            self.verdict.twice += 1;
            return;
        }
        self.verdict.received += 1;
        self.under_way -= u64::from(before & (REFUSED | UNKNOWN) == 0);
        let late = flow.last_received.is_some_and(|last| ticket.seq < last);
        self.verdict.out_of_order += u64::from(late);
        flow.last_received = flow.last_received.max(Some(ticket.seq));
    }
}

impl Journal for Oracle {
    fn note(&mut self, note: Note<'_>) {
        match note {
            Note::Sent { id } => self.sent(id),
            Note::Acknowledged { id } => self.acknowledged(id),
            Note::Unknown { id } => self.unknown(id),
            Note::Received { id, .. } => self.received(id),
            Note::Refused { id, .. } => self.refused(id),
            Note::Handled { .. } => self.handled += 1,
            Note::HandledBackwards { .. } => self.verdict.h_backwards += 1,
            Note::HandledAhead { .. } => self.verdict.h_ahead += 1,
            Note::Disconnected => self.verdict.disconnections += 1,
            Note::Resumed { .. } => self.verdict.resumptions += 1,
            Note::NotResumed { .. } => self.verdict.not_resumed += 1,
            Note::Bound { .. } | Note::Presence { .. } => {}
        }
    }
}

#[cfg(test)]
#[path = "oracle_test.rs"]
mod oracle_test;
