//! One node of the simulation: the shell that drives `Election`, `Guard`, `Grants` and `Holder`
//! around the model of the log's core, as the real one does.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pollux_domain::ids::{Epoch, Life, NodeId, Voter};

use super::Planted;
use super::core::{Command, Core, Disk, Item, Message, Out, Ticket};
use crate::duty::Tenures;
use crate::election::{Act, Answer, Beat, Election, Facts, HandOver, Question, Role, Timing};
use crate::group::guard::{Ballot, Guard};
use crate::lease::{Granted, Grants, Holder, Renewal, ServedBy, Wisher, World};

mod leases;
mod words;

pub(super) use words::{Event, Say, Wishes};

pub(super) const TIMING: Timing = Timing::DEFAULT;

pub(super) struct Node {
    pub(super) me: Voter,
    voters: BTreeMap<Voter, Role>,
    planted: Planted,
    pub(super) core: Core,
    pub(super) inbox: VecDeque<Item>,
    /// When the flush that is going on began.
    pub(super) flush_since: Option<Duration>,
    pub(super) election: Election,
    guard: Guard,
    /// The book of the term that it leads.
    grants: Option<(u64, Grants)>,
    /// What it has decided and not seen applied, and to which leader of which term that was said.
    pipeline: Vec<(Command, Option<(u64, Voter)>)>,
    pub(super) heartbeats: bool,
    pub(super) proposals: bool,
    applied: u64,
    /// How far it was applied at the last look, and since when.
    moved: (u64, Duration),
    life: Life,
    pub(super) homes: Vec<NodeId>,
    pub(super) serving: BTreeMap<NodeId, ServedBy>,
    holder: Holder,
    tenures: Tenures,
    pub(super) said: Vec<(Voter, Say)>,
    pub(super) events: Vec<Event>,
}

impl Node {
    pub(super) fn start(
        me: Voter,
        voters: &BTreeMap<Voter, Role>,
        disk: Disk,
        life: u64,
        now: Duration,
        planted: Planted,
    ) -> Node {
        let all: Vec<Voter> = voters.keys().copied().collect();
        let twins = voters.iter().filter(|(_, role)| **role == Role::Twin);
        let homes: Vec<NodeId> = twins.map(|(voter, _)| voter.node).collect();
        let began = match planted.forgets_restart {
            true => now.saturating_sub(Duration::from_secs(5)),
            false => now,
        };
        Node {
            me,
            voters: voters.clone(),
            planted,
            core: Core::start(me, &all, disk),
            inbox: VecDeque::new(),
            flush_since: None,
            election: Election::new(me, TIMING, began),
            guard: Guard::default(),
            grants: None,
            pipeline: Vec::new(),
            heartbeats: true,
            proposals: true,
            applied: 0,
            moved: (0, now),
            life: Life(life),
            homes,
            serving: BTreeMap::new(),
            holder: Holder::new(TIMING.lease),
            tenures: Tenures::default(),
            said: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn tick(&mut self, now: Duration, dice: u64, wishes: &Wishes) {
        let facts = self.facts(now);
        let voters = self.voters.clone();
        let acts = self.election.tick(now, &facts, &voters, dice);
        self.act(acts);
        self.look_after();
        self.decide(now, wishes);
        self.bring(now);
    }

    pub(super) fn work(&mut self, number: u64) {
        if self.core.lead.is_some() && self.proposals && self.inbox.len() < 4 {
            self.inbox.push_back(Item::Propose(Command::Write(number)));
        }
    }

    pub(super) fn heartbeat(&mut self) {
        if self.core.lead.is_some() && self.heartbeats && self.inbox.len() < 4 {
            self.inbox.push_back(Item::Heartbeat);
        }
    }

    pub(super) fn hear(&mut self, now: Duration, from: Voter, say: Say, wishes: &Wishes) {
        let facts = self.facts(now);
        match say {
            Say::Beat(beat) => {
                let said = (beat.leads, beat.confirmed);
                self.guard.note_beat(now, from, beat.term, said);
                self.election.take_beat(now, from, beat);
            }
            Say::Question(question) => {
                let mut answer = self.election.take_question(now, &facts, from, question);
                if self.planted.no_vote_refusal {
                    answer.refusal = None;
                }
                self.said.push((from, Say::Answer(answer)));
            }
            Say::Answer(answer) => {
                let acts = self.election.take_answer(now, &facts, from, answer);
                self.act(acts);
            }
            Say::HandOver(told) => {
                let acts = self.election.take_hand_over(now, &facts, from, told);
                self.act(acts);
            }
            Say::Core(message) => self.gate(now, &facts, from, message),
            Say::Renew(renewal) => self.take_renewal(now, from, renewal, wishes),
            Say::Granted(granted) => self.granted(now, granted),
            Say::Propose(command) => {
                if self.core.lead.is_some() && self.proposals {
                    self.inbox.push_back(Item::Propose(command));
                }
            }
        }
    }

    /// The core has done the first of what waits for it.
    pub(super) fn core_done(&mut self, now: Duration, item: Item, wishes: &Wishes) {
        self.flush_since = None;
        let mut outs = Vec::new();
        let elects = matches!(item, Item::Elect);
        self.core.handle(now.as_micros() as u64, item, &mut outs);
        if elects {
            let vote = self.core.disk.vote.ballot();
            self.guard.end_election(Some(vote));
        }
        self.apply();
        for out in outs {
            match out {
                Out::Send(to, message) => self.answer(now, to, message),
                Out::Elected => self.events.push(Event::Elected),
                Out::Read(ticket, owner) => self.confirm(now, ticket, owner, wishes),
            }
        }
    }

    pub(super) fn holds(&self, home: NodeId, now: Duration) -> bool {
        self.tenures.of(home).holds(now)
    }

    pub(super) fn facts(&self, now: Duration) -> Facts {
        let answered = self.core.quorum_answered().map(Duration::from_micros);
        let lead = self.core.lead.as_ref();
        Facts {
            term: self.core.disk.vote.term,
            leads: lead.is_some(),
            last_log: self.core.last_log(),
            matched: lead.map(|lead| lead.matched.clone()).unwrap_or_default(),
            flush_pending_for: self.flush_since.map(|since| now.saturating_sub(since)),
            quorum_answered_ago: answered.map(|at| now.saturating_sub(at)),
        }
    }

    /// Before the core.
    fn gate(&mut self, now: Duration, facts: &Facts, from: Voter, message: Message) {
        match &message {
            Message::Vote { vote, last_log } => {
                let election = &self.election;
                let may = election.may_vote(now, facts, from, vote.term, *last_log);
                if !may && !self.planted.no_vote_refusal {
                    return;
                }
                self.guard.begin_vote(now, vote.ballot());
            }
            Message::Append { vote, .. } => {
                let (leader, own) = (vote.ballot(), self.core.disk.vote.ballot());
                let may = self.guard.may_append(now, leader, TIMING.lease, own);
                if !may && !self.planted.no_guard {
                    return;
                }
                if own <= leader {
                    self.election.note_entries(now, from, vote.term);
                }
            }
            _ => {}
        }
        self.inbox.push_back(Item::From(from, message));
    }

    /// Behind it.
    fn answer(&mut self, now: Duration, to: Voter, message: Message) {
        match &message {
            Message::Voted { asked, vote, .. } => {
                let vote = vote.ballot();
                self.guard.end_vote(asked.ballot(), Some(vote));
            }
            // One of a higher vote says that nothing was taken.
            Message::Appended { vote, .. } if vote.voter == to => {
                let may = self.guard.may_confirm(now, vote.ballot());
                if !may && !self.planted.no_guard {
                    return;
                }
            }
            _ => {}
        }
        self.said.push((to, Say::Core(message)));
    }

    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Beat(beat) => {
                    let others = self.voters.keys().filter(|voter| **voter != self.me);
                    self.said
                        .extend(others.map(|voter| (*voter, Say::Beat(beat))));
                }
                Act::Ask(to, question) => self.said.push((to, Say::Question(question))),
                Act::Elect => {
                    self.guard.begin_election();
                    self.inbox.push_back(Item::Elect);
                }
                Act::HeartbeatsOff => self.heartbeats = false,
                Act::HeartbeatsOn => self.heartbeats = true,
                Act::StopProposals => self.proposals = false,
                Act::ResumeProposals => self.proposals = true,
                Act::HandOver(to, told) => {
                    self.events.push(Event::HandedOver);
                    self.said.push((to, Say::HandOver(told)));
                }
            }
        }
    }
}
