//! What a node does about leases, as leader and as owner.

use super::*;

impl Node {
    /// The term in which it leads, when it has applied all that was committed before.
    fn leads_in(&self) -> Option<u64> {
        let lead = self.core.lead.as_ref()?;
        (lead.first <= self.applied).then_some(self.core.disk.vote.term)
    }

    /// Asks the book of this term, if it is that.
    fn with<R>(
        &mut self,
        now: Duration,
        term: u64,
        wishes: &Wishes,
        ask: impl FnOnce(&mut Grants, &World) -> R,
    ) -> Option<R> {
        let world = self.world(now, term, wishes);
        let (known, grants) = self.grants.as_mut()?;
        (*known == term).then(|| ask(grants, &world))
    }

    /// Begins and ends the book with the lead.
    fn note_lead(&mut self, now: Duration) -> Option<u64> {
        let leads_in = self.leads_in();
        if self.grants.as_ref().map(|(term, _)| *term) != leads_in {
            self.grants = leads_in.map(|term| (term, Grants::new(TIMING, now)));
        }
        leads_in
    }

    pub(super) fn decide(&mut self, now: Duration, wishes: &Wishes) {
        let Some(term) = self.note_lead(now) else {
            return;
        };
        // Planted: a grant is thought to end before its time.
        let early = match self.planted.takeover_early {
            true => TIMING.lease,
            false => Duration::ZERO,
        };
        let homes = self.homes.clone();
        let decided = self.with(now, term, wishes, |grants, world| {
            for (home, to) in &wishes.moves {
                if homes.contains(home) && homes.contains(to) {
                    grants.wish(*home, *to, Wisher::Operator);
                }
            }
            grants.decide(now + early, world)
        });
        let me = self.ballot();
        let decided = decided.unwrap_or_default().into_iter();
        self.pipeline
            .extend(decided.map(|take_over| (Command::TakeOver(me, take_over), None)));
    }

    /// What is decided goes to the log of whoever leads, once to each.
    pub(super) fn bring(&mut self, now: Duration) {
        let leads = self.core.lead.is_some();
        let leader = self.election.leader(now);
        let to = if leads { Some(self.me) } else { leader };
        let Some(to) = to.filter(|_| !leads || self.proposals) else {
            return;
        };
        let at = (self.core.disk.vote.term, to);
        for (command, sent) in &mut self.pipeline {
            if *sent == Some(at) {
                continue;
            }
            *sent = Some(at);
            match leads {
                true => self.inbox.push_back(Item::Propose(*command)),
                false => self.said.push((to, Say::Propose(*command))),
            }
        }
    }

    pub(in super::super) fn renew(&mut self, now: Duration) {
        let is_witness = !self.homes.contains(&self.me.node);
        let Some(leader) = self.election.leader(now).filter(|_| !is_witness) else {
            return;
        };
        let has_work = self.applied < self.core.disk.log.len() as u64;
        if self.moved.0 != self.applied || !has_work {
            self.moved = (self.applied, now);
        }
        let flush = self.flush_since.map(|since| now.saturating_sub(since));
        let stuck = now.saturating_sub(self.moved.1);
        let asked = self.holder.ask(now, &self.mine());
        let renewal = Renewal {
            node: self.me.node,
            life: self.life,
            nonce: asked.nonce,
            applied: self.applied,
            stuck: stuck.max(flush.unwrap_or_default()),
            flush: flush.unwrap_or_default(),
            down: None,
            well_for: asked.well_for,
            homes: asked.homes,
            given_back: asked.given_back,
        };
        self.said.push((leader, Say::Renew(renewal)));
    }

    pub(super) fn take_renewal(
        &mut self,
        now: Duration,
        from: Voter,
        renewal: Renewal,
        wishes: &Wishes,
    ) {
        let Some(term) = self.note_lead(now) else {
            return;
        };
        let take = |grants: &mut Grants, world: &World| grants.take(now, &renewal, world);
        let Some(granted) = self.with(now, term, wishes, take) else {
            return;
        };
        let ticket = Ticket {
            term,
            renewal,
            granted,
        };
        if ticket.granted.homes.is_empty() {
            self.confirm(now, ticket, from, wishes);
            return;
        }
        let me = self.ballot();
        if self.planted.no_guard || self.guard.may_confirm(now, me) {
            self.election.note_lease_granted(now);
            self.inbox.push_back(Item::Read(ticket, from));
        }
    }

    pub(super) fn confirm(&mut self, now: Duration, ticket: Ticket, owner: Voter, wishes: &Wishes) {
        let Ticket {
            term,
            renewal,
            granted,
        } = ticket;
        let confirm = |grants: &mut Grants, world: &World| grants.confirm(granted, &renewal, world);
        let granted = self.with(now, term, wishes, confirm);
        self.said
            .extend(granted.map(|granted| (owner, Say::Granted(granted))));
    }

    pub(super) fn granted(&mut self, now: Duration, mut granted: Granted) {
        let mine = self.mine();
        if self.planted.until_from_answer {
            granted.nonce = self.holder.ask(now, &mine).nonce;
        }
        for (home, epoch, until) in self.holder.granted(&granted, &mine) {
            let tenure = self.tenures.of(home);
            tenure.extend(epoch, until, now);
            if tenure.holds(now) {
                self.events.push(Event::Held(home));
            }
        }
        // Every second time its clients do not go.
        for (home, epoch) in granted.give_back {
            if granted.nonce.is_multiple_of(2) && mine.get(&home) == Some(&epoch) {
                self.tenures.of(home).drop_epoch();
                self.holder.give_back(home, epoch);
            }
        }
    }

    /// What the log gives to this process.
    fn mine(&self) -> BTreeMap<NodeId, Epoch> {
        let served = self
            .serving
            .iter()
            .filter(|(_, served)| served.node == self.me.node && served.life == self.life);
        served.map(|(home, served)| (*home, served.epoch)).collect()
    }

    /// What the log has done to the tenures.
    pub(super) fn look_after(&mut self) {
        let mine = self.mine();
        for tenure in self.tenures.all() {
            if tenure.epoch() != mine.get(&tenure.home()).copied() {
                tenure.drop_epoch();
            }
        }
    }

    fn ballot(&self) -> Ballot {
        self.core.disk.vote.ballot()
    }

    fn world(&self, now: Duration, term: u64, wishes: &Wishes) -> World {
        let known = self.election.leads_in() == Some(term);
        let may = self.planted.takes_over_at_once || self.election.may_take_over(now);
        let alive = self.voters.keys();
        let alive = alive.filter(|voter| self.election.alive(now, **voter));
        World {
            is_confirmed: self.election.confirmed(now, &self.facts(now)),
            may_take_over: known && self.leads_in() == Some(term) && may,
            high_availability: wishes.ha_on,
            homes: self.homes.clone(),
            serving: self.serving.clone(),
            committed: self.applied,
            heard: alive.map(|voter| voter.node).collect(),
            ..World::default()
        }
    }

    pub(super) fn apply(&mut self) {
        while self.applied < self.core.committed {
            let entry = self.core.disk.log[self.applied as usize];
            self.applied += 1;
            self.pipeline
                .retain(|(command, _)| *command != entry.command);
            let Command::TakeOver(decided, take_over) = entry.command else {
                continue;
            };
            let void = (decided.term, decided.voter.number()) != (entry.term, entry.leader);
            if void && !self.planted.decisions_outlive_the_lead {
                continue;
            }
            let served = ServedBy {
                node: take_over.to,
                life: take_over.life,
                epoch: take_over.epoch,
            };
            let known = self.serving.get(&take_over.home);
            if known.is_none_or(|known| known.epoch < served.epoch) {
                self.serving.insert(take_over.home, served);
            }
        }
    }
}
