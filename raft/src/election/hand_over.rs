//! A witness that leads gives the lead to a twin as soon as one can have it (design, section 4): it
//! stops taking proposals, lets the twin match its last entry, and asks it to elect.

use std::time::Duration;

use pollux_domain::ids::Voter;

use super::{Act, Election, Facts, Role};

/// How far a handover is.
#[derive(Debug, Default)]
pub(super) struct HandOver {
    /// To whom, and when it began.
    under_way: Option<(Voter, Duration)>,
    /// The twin was asked: until then it has our vote.
    asked_until: Option<Duration>,
    /// Not before that another try.
    rest_until: Duration,
}

/// For how long nobody may propose because of a handover.
const PATIENCE: Duration = Duration::from_millis(500);
/// After one that came to nothing.
const REST: Duration = Duration::from_secs(2);

impl HandOver {
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// Whether this voter was asked to take the lead, and may have our vote.
    pub(super) fn is_to(&self, voter: Voter, now: Duration) -> bool {
        self.under_way.is_some_and(|(to, _)| to == voter)
            && self.asked_until.is_some_and(|until| now < until)
    }
}

impl Election {
    pub(super) fn step_aside(&mut self, now: Duration, facts: &Facts, acts: &mut Vec<Act>) {
        let Some((to, since)) = self.hand_over.under_way else {
            let twin = self.ready_twin(now);
            if let Some(twin) = twin.filter(|_| self.hand_over.rest_until <= now) {
                self.hand_over.under_way = Some((twin, now));
                acts.push(Act::Pause(true));
            }
            return;
        };
        if since + PATIENCE <= now || !self.is_alive(now, to) {
            self.hand_over = HandOver {
                rest_until: now + REST,
                ..HandOver::default()
            };
            acts.push(Act::Pause(false));
            return;
        }
        let matched = facts.matched.get(&to).copied().unwrap_or_default();
        if matched == facts.last_log.index && self.hand_over.asked_until.is_none() {
            self.hand_over.asked_until = Some(since + PATIENCE);
            acts.push(Act::HandOver(to));
        }
    }

    /// A twin that lives and whose disk works; the longest log goes first.
    fn ready_twin(&self, now: Duration) -> Option<Voter> {
        let twins = self.voters.iter().filter(|(_, role)| **role == Role::Twin);
        let ready = twins.filter_map(|(voter, _)| {
            let beat = self.alive_beat(now, *voter)?;
            (!beat.is_stuck).then_some((beat.last_log, *voter))
        });
        ready.max().map(|(_, voter)| voter)
    }
}
