//! How entries come to the other voters, and when they are committed.

use pollux_domain::ids::Voter;

use super::{Core, Entry, Message, Out, Vote};

impl Core {
    pub(super) fn append(&mut self, from: Voter, message: Message, out: &mut Vec<Out>) {
        let Message::Append {
            vote,
            before,
            entries,
            committed,
            sent,
            read,
        } = message
        else {
            return;
        };
        let mut matched = Err(0);
        if self.disk.vote <= vote {
            self.follow(vote);
            matched = Err(before
                .index
                .saturating_sub(1)
                .min(self.disk.log.len() as u64));
            if self.position(before.index) == before {
                let end = before.index + entries.len() as u64;
                self.take(before.index as usize, entries);
                self.committed = self.committed.max(committed.min(end));
                matched = Ok(end);
            }
        }
        let vote = self.disk.vote;
        out.push(Out::Send(
            from,
            Message::Appended {
                vote,
                matched,
                sent,
                read,
            },
        ));
    }

    fn take(&mut self, at: usize, entries: Vec<Entry>) {
        for (index, entry) in (at..).zip(entries) {
            if self.disk.log.get(index) != Some(&entry) {
                assert!(
                    self.committed <= index as u64,
                    "a committed entry is overwritten"
                );
                self.disk.log.truncate(index);
                self.disk.log.push(entry);
            }
        }
    }

    pub(super) fn appended(
        &mut self,
        now: u64,
        from: Voter,
        vote: Vote,
        matched: Result<u64, u64>,
        (sent, read): (u64, u64),
        out: &mut Vec<Out>,
    ) {
        if self.disk.vote < vote {
            self.follow(vote);
        }
        let length = self.disk.log.len() as u64;
        let Some(lead) = &mut self.lead else { return };
        if vote != self.disk.vote {
            return;
        }
        let answered = lead.answered.entry(from).or_insert(sent);
        *answered = sent.max(*answered);
        let answered = lead.reads_answered.entry(from).or_insert(read);
        *answered = read.max(*answered);
        match matched {
            Ok(index) => {
                let known = lead.matched.entry(from).or_insert(index);
                *known = index.max(*known);
                lead.next.insert(from, *known + 1);
                if *known < length {
                    self.send(now, from, out);
                }
                self.commit();
            }
            Err(hint) => {
                lead.next.insert(from, hint + 1);
                self.send(now, from, out);
            }
        }
    }

    fn commit(&mut self) {
        let Some(lead) = &self.lead else { return };
        let mut matched: Vec<u64> = lead.matched.values().copied().collect();
        matched.push(self.disk.log.len() as u64);
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let Some(index) = matched.get(self.quorum() - 1) else {
            return;
        };
        if lead.first <= *index {
            self.committed = self.committed.max(*index);
        }
    }

    pub(super) fn finish_reads(&mut self, out: &mut Vec<Out>) {
        let quorum = self.quorum();
        let committed = self.committed;
        let Some(lead) = &mut self.lead else { return };
        let answered = lead.reads_answered.clone();
        lead.reads.retain(|(id, index, ticket, owner)| {
            let answers = answered.values().filter(|answer| id <= *answer).count();
            let done = quorum <= answers + 1 && *index <= committed;
            if done {
                out.push(Out::Read(ticket.clone(), *owner));
            }
            !done
        });
    }

    pub(super) fn send_all(&mut self, now: u64, out: &mut Vec<Out>) {
        for voter in self.others() {
            self.send(now, voter, out);
        }
    }

    fn send(&mut self, now: u64, to: Voter, out: &mut Vec<Out>) {
        let Some(lead) = &self.lead else { return };
        let length = self.disk.log.len() as u64;
        let next = lead
            .next
            .get(&to)
            .copied()
            .unwrap_or(length + 1)
            .min(length + 1);
        let append = Message::Append {
            vote: self.disk.vote,
            before: self.position(next - 1),
            entries: self.disk.log[next as usize - 1..].to_vec(),
            committed: self.committed,
            sent: now,
            read: lead.read,
        };
        out.push(Out::Send(to, append));
    }
}
