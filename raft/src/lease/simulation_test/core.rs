//! A model of the log's core: votes, entries, commits and reads of one voter. As the real one it
//! does one thing after another, knows one leader to a term *and voter*, and takes up its lead
//! again when it is started. It has no lease of its own: what holds here holds by `Election` alone.

use std::collections::{BTreeMap, BTreeSet};

use pollux_domain::ids::Voter;

use crate::election::LogPosition;

mod replication;
mod words;

pub(super) use words::{Command, Disk, Entry, Item, Message, Out, Ticket, Vote};

pub(super) struct Core {
    pub(super) me: Voter,
    voters: Vec<Voter>,
    pub(super) disk: Disk,
    pub(super) committed: u64,
    pub(super) lead: Option<Lead>,
    candidate: Option<BTreeSet<Voter>>,
}

#[derive(Default)]
pub(super) struct Lead {
    pub(super) first: u64,
    pub(super) matched: BTreeMap<Voter, u64>,
    next: BTreeMap<Voter, u64>,
    answered: BTreeMap<Voter, u64>,
    read: u64,
    reads_answered: BTreeMap<Voter, u64>,
    reads: Vec<(u64, u64, Ticket, Voter)>,
}

impl Core {
    pub(super) fn start(me: Voter, voters: &[Voter], disk: Disk) -> Core {
        let mut core = Core {
            me,
            voters: voters.to_vec(),
            disk,
            committed: 0,
            lead: None,
            candidate: None,
        };
        if core.disk.vote.voter == me && core.disk.vote.committed {
            core.lead = Some(core.new_lead(core.own_first()));
        }
        core
    }

    pub(super) fn last_log(&self) -> LogPosition {
        self.position(self.disk.log.len() as u64)
    }

    /// When a quorum's last answer was asked for.
    pub(super) fn quorum_answered(&self) -> Option<u64> {
        let lead = self.lead.as_ref()?;
        let mut answered: Vec<u64> = lead.answered.values().copied().collect();
        answered.sort_unstable_by(|a, b| b.cmp(a));
        answered.get(self.quorum() - 2).copied()
    }

    pub(super) fn needs_flush(&self, item: &Item) -> bool {
        match item {
            Item::From(_, Message::Vote { vote, .. }) => self.disk.vote < *vote,
            Item::From(
                _,
                Message::Append {
                    entries,
                    vote,
                    before,
                    ..
                },
            ) => {
                let known = self.disk.log.get(before.index as usize..).unwrap_or(&[]);
                self.disk.vote < *vote || !known.starts_with(entries)
            }
            Item::From(_, Message::Voted { granted, .. }) => *granted && self.candidate.is_some(),
            Item::From(_, Message::Appended { .. }) | Item::Read(..) | Item::Heartbeat => false,
            Item::Elect | Item::Propose(_) => true,
        }
    }

    /// Does one thing. `now` is any clock of this voter, in microseconds.
    pub(super) fn handle(&mut self, now: u64, item: Item, out: &mut Vec<Out>) {
        match item {
            Item::From(from, Message::Vote { vote, last_log }) => {
                let granted = self.last_log() <= last_log && self.disk.vote <= vote;
                if granted {
                    self.follow(vote);
                }
                let answer = Message::Voted {
                    asked: vote,
                    granted,
                    vote: self.disk.vote,
                };
                out.push(Out::Send(from, answer));
            }
            Item::From(
                from,
                Message::Voted {
                    asked,
                    granted,
                    vote,
                },
            ) => {
                self.voted(now, from, asked, granted, vote, out);
            }
            Item::From(from, append @ Message::Append { .. }) => self.append(from, append, out),
            Item::From(
                from,
                Message::Appended {
                    vote,
                    matched,
                    sent,
                    read,
                },
            ) => {
                self.appended(now, from, vote, matched, (sent, read), out);
            }
            Item::Elect => self.elect(out),
            Item::Propose(command) => self.propose(now, command, out),
            Item::Read(ticket, owner) => {
                let committed = self.committed;
                if let Some(lead) = &mut self.lead {
                    lead.read += 1;
                    let index = committed.max(lead.first);
                    lead.reads.push((lead.read, index, ticket, owner));
                    self.send_all(now, out);
                }
            }
            Item::Heartbeat => self.send_all(now, out),
        }
        self.finish_reads(out);
    }

    fn elect(&mut self, out: &mut Vec<Out>) {
        if self.lead.is_some() {
            return;
        }
        let vote = Vote {
            term: self.disk.vote.term + 1,
            voter: self.me,
            committed: false,
        };
        self.disk.vote = vote;
        self.candidate = Some(BTreeSet::from([self.me]));
        let last_log = self.last_log();
        for voter in self.others() {
            out.push(Out::Send(voter, Message::Vote { vote, last_log }));
        }
    }

    fn voted(
        &mut self,
        now: u64,
        from: Voter,
        asked: Vote,
        granted: bool,
        vote: Vote,
        out: &mut Vec<Out>,
    ) {
        if !granted {
            if self.disk.vote < vote {
                self.follow(vote);
            }
            return;
        }
        let quorum = self.quorum();
        let Some(votes) = &mut self.candidate else {
            return;
        };
        if asked != self.disk.vote {
            return;
        }
        votes.insert(from);
        if quorum <= votes.len() {
            self.candidate = None;
            self.disk.vote.committed = true;
            let first = self.disk.log.len() as u64 + 1;
            self.lead = Some(self.new_lead(first));
            out.push(Out::Elected);
            self.propose(now, Command::Blank, out);
        }
    }

    fn propose(&mut self, now: u64, command: Command, out: &mut Vec<Out>) {
        if self.lead.is_none() {
            return;
        }
        self.disk.log.push(Entry {
            term: self.disk.vote.term,
            leader: self.me.number(),
            command,
        });
        self.send_all(now, out);
    }

    fn follow(&mut self, vote: Vote) {
        if self.disk.vote != vote {
            self.disk.vote = vote;
            self.lead = None;
            self.candidate = None;
        }
    }

    fn new_lead(&self, first: u64) -> Lead {
        let next = self.disk.log.len() as u64 + 1;
        Lead {
            first,
            next: self.others().map(|voter| (voter, next)).collect(),
            ..Lead::default()
        }
    }

    /// The first entry of the leadership that is taken up again.
    fn own_first(&self) -> u64 {
        let own =
            |entry: &Entry| entry.term == self.disk.vote.term && entry.leader == self.me.number();
        self.disk
            .log
            .iter()
            .position(own)
            .map_or(u64::MAX, |index| index as u64 + 1)
    }

    fn position(&self, index: u64) -> LogPosition {
        match index
            .checked_sub(1)
            .map(|before| self.disk.log.get(before as usize))
        {
            None => LogPosition::default(),
            Some(None) => LogPosition {
                index: u64::MAX,
                ..LogPosition::default()
            },
            Some(Some(entry)) => LogPosition {
                term: entry.term,
                leader: entry.leader,
                index,
            },
        }
    }

    fn quorum(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    fn others(&self) -> impl Iterator<Item = Voter> + use<> {
        let me = self.me;
        self.voters
            .clone()
            .into_iter()
            .filter(move |voter| *voter != me)
    }
}
