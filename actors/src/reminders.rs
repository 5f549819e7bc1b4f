//! Reminds sessions after a fixed time. One queue for each of the times and one task for all
//! sessions of a node: a timer in each session would be kept by each, and looked at in each of its
//! turns. Not for what a session does then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use pollux_domain::seams::Clock;
use tokio::sync::Notify;

use crate::company::{self, Look};
use crate::inbox::Inbox;

/// For how long an `<r/>` may wait for the commit of what came before it (decision 0028).
const ANSWER_PATIENCE: Duration = Duration::from_millis(200);
/// How often a session looks after itself: does the peer still read, does it still answer.
const LOOK_AFTER: Duration = Duration::from_secs(15);
/// How long a client is not read that has said more than it may.
const PAUSE: Duration = Duration::from_millis(20);
/// A clock may stand still while a queue waits for it.
const WAIT_LEAST: Duration = Duration::from_millis(1);

/// Of what a session is reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reminder {
    /// An answer is due.
    Answer,
    /// A count has waited for company long enough.
    Company,
    LookAfter,
    /// A client may be read again.
    Pause,
}

/// See the module.
#[derive(Debug)]
pub struct Reminders {
    answers: Queue,
    companies: Queue,
    looks: Queue,
    pauses: Queue,
}

#[derive(Debug)]
struct Queue {
    what: Reminder,
    after: Duration,
    /// In the order of their time, since all wait for as long. A session that has ended meanwhile
    /// is passed over.
    waiting: Mutex<VecDeque<(Duration, Weak<Inbox>)>>,
    /// The first has come.
    begun: Notify,
}

impl Default for Reminders {
    fn default() -> Self {
        Reminders {
            answers: Queue::new(Reminder::Answer, ANSWER_PATIENCE),
            companies: Queue::new(Reminder::Company, company::PATIENCE),
            looks: Queue::new(Reminder::LookAfter, LOOK_AFTER),
            pauses: Queue::new(Reminder::Pause, PAUSE),
        }
    }
}

impl Reminders {
    /// Reminds once, when the time of `what` is over.
    pub fn remind(&self, what: Reminder, now: Duration, inbox: &Arc<Inbox>) {
        let queue = match what {
            Reminder::Answer => &self.answers,
            Reminder::Company => &self.companies,
            Reminder::LookAfter => &self.looks,
            Reminder::Pause => &self.pauses,
        };
        let mut waiting = queue.waiting();
        waiting.push_back((now + queue.after, Arc::downgrade(inbox)));
        let is_first = waiting.len() == 1;
        drop(waiting);
        if is_first {
            queue.begun.notify_one();
        }
    }

    /// Runs as long as it is polled.
    pub async fn run(&self, clock: &dyn Clock) {
        tokio::join!(
            self.answers.run(clock),
            self.companies.run(clock),
            self.looks.run(clock),
            self.pauses.run(clock)
        );
    }
}

impl Queue {
    fn new(what: Reminder, after: Duration) -> Queue {
        Queue {
            what,
            after,
            waiting: Mutex::default(),
            begun: Notify::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Duration, Weak<Inbox>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, clock: &dyn Clock) {
        loop {
            let first = self.waiting().front().map(|(due, _)| *due);
            match first {
                None => self.begun.notified().await,
                Some(due) => {
                    let wait = due.saturating_sub(clock.now());
                    tokio::time::sleep(wait.max(WAIT_LEAST)).await;
                    self.tell(clock.now());
                }
            }
        }
    }

    fn tell(&self, now: Duration) {
        while let Some(inbox) = self.next_due(now) {
            if let Some(inbox) = inbox.upgrade()
                && inbox.remind(self.what, now) == Look::Again
            {
                let again = (now + self.after, Arc::downgrade(&inbox));
                self.waiting().push_back(again);
            }
        }
    }

    fn next_due(&self, now: Duration) -> Option<Weak<Inbox>> {
        let mut waiting = self.waiting();
        let is_due = waiting.front().is_some_and(|(due, _)| *due <= now);
        if !is_due {
            return None;
        }
        let (_, inbox) = waiting.pop_front()?;
        if waiting.is_empty() {
            // An idle node holds no queue.
            *waiting = VecDeque::new();
        }
        Some(inbox)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use pollux_domain::ids::{NodeId, SessionId};

    use super::*;
    use crate::stream::claims::Claims;

    #[test]
    fn each_is_reminded_once_when_its_time_is_over() {
        let queue = Reminders::default();
        let inboxes: Vec<Arc<Inbox>> = (1..=3)
            .map(|id| {
                Arc::new(Inbox::new(
                    SessionId(id),
                    NodeId(1),
                    Claims::default().arrive(),
                ))
            })
            .collect();
        let at = Duration::from_millis;
        for (inbox, now) in inboxes.iter().zip([0, 0, 50]) {
            queue.remind(Reminder::Answer, at(now), inbox);
        }
        queue.remind(Reminder::LookAfter, at(0), &inboxes[0]);
        let reminded = |now| {
            queue.answers.tell(at(now));
            let mails = inboxes.iter().map(|inbox| inbox.open(Waker::noop()));
            mails.map(|mail| mail.answer_is_due).collect::<Vec<bool>>()
        };
        assert_eq!(reminded(199), [false, false, false]);
        assert_eq!(reminded(200), [true, true, false]);
        assert_eq!(reminded(300), [false, false, true]);
        queue.looks.tell(LOOK_AFTER);
        assert!(inboxes[0].open(Waker::noop()).look_after);
    }

    #[test]
    fn who_has_ended_is_passed_over() {
        let queue = Reminders::default();
        let [gone, here] = [1, 2].map(|id| {
            Arc::new(Inbox::new(
                SessionId(id),
                NodeId(1),
                Claims::default().arrive(),
            ))
        });
        for inbox in [&gone, &here] {
            queue.remind(Reminder::Answer, Duration::ZERO, inbox);
        }
        drop(gone);
        queue.answers.tell(ANSWER_PATIENCE);
        assert!(here.open(Waker::noop()).answer_is_due);
    }
}
