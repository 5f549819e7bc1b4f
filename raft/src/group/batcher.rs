//! Commands become entries: one in flight, and as many commands in the next as have come meanwhile.
//! So a flush is shared by all who waited for it (design, section 5, "Batch, do not trickle").

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::Raft;
use pollux_domain::contract::Stamp;
use pollux_domain::ids::GroupMs;
use pollux_domain::limits;
use pollux_domain::seams::Clock;
use tokio::sync::{mpsc, oneshot, watch};

use super::types::Types;
use super::{CommandOf, GroupError, ReplyOf};
use crate::machine::{Batch, Kind, Machine};

/// A command on its way, and who waits for what becomes of it.
pub(super) struct Proposal<G: Kind> {
    pub(super) command: CommandOf<G>,
    pub(super) reply: Option<oneshot::Sender<Result<ReplyOf<G>, GroupError>>>,
}

/// The leader's time: the group's own goes on from where the state stands, by the monotonic clock.
pub(super) struct Timekeeper {
    clock: Arc<dyn Clock>,
    /// What is added to the clock, in milliseconds, to make the group's time. Modulo 2^64: the
    /// clock may be ahead of the group by any time in which nobody served.
    offset: AtomicU64,
}

impl Timekeeper {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Timekeeper {
        Timekeeper {
            clock,
            offset: AtomicU64::new(0),
        }
    }

    pub(super) fn continue_from(&self, from: GroupMs) {
        let now = self.clock.now().as_millis() as u64;
        self.offset
            .store(from.0.wrapping_sub(now), Ordering::Relaxed);
    }

    pub(super) fn stamp(&self) -> Stamp {
        let now = self.clock.now().as_millis() as u64;
        let group = GroupMs(now.wrapping_add(self.offset.load(Ordering::Relaxed)));
        Stamp {
            group,
            wall: self.clock.wall(),
        }
    }
}

/// The task in front of openraft.
pub(super) struct Batcher<G: Kind> {
    raft: Raft<Types<G>>,
    waiting: mpsc::Receiver<Proposal<G>>,
    time: Arc<Timekeeper>,
    failed: watch::Sender<Option<String>>,
    stopping: watch::Receiver<bool>,
}

impl<G: Kind> Batcher<G> {
    pub(super) fn new(
        raft: Raft<Types<G>>,
        waiting: mpsc::Receiver<Proposal<G>>,
        time: Arc<Timekeeper>,
        failed: watch::Sender<Option<String>>,
        stopping: watch::Receiver<bool>,
    ) -> Batcher<G> {
        Batcher {
            raft,
            waiting,
            time,
            failed,
            stopping,
        }
    }

    /// Runs until all handles are gone, the group stops and nothing waits, or the group fails.
    pub(super) async fn run(mut self) {
        let mut proposals = VecDeque::new();
        let mut taken = Vec::with_capacity(limits::BATCH_COMMANDS_MAX);
        loop {
            let room = limits::BATCH_COMMANDS_MAX - proposals.len();
            // What did not fit into the last entry goes at once, with whatever has come meanwhile.
            if proposals.is_empty() {
                let count = tokio::select! {
                    biased;
                    count = self.waiting.recv_many(&mut taken, room) => count,
                    _ = self.stopping.wait_for(|stopping| *stopping) => 0,
                };
                if count == 0 {
                    return;
                }
            } else {
                taken.extend(std::iter::from_fn(|| self.waiting.try_recv().ok()).take(room));
            }
            proposals.extend(taken.drain(..));
            let weights = proposals
                .iter()
                .map(|proposal: &Proposal<G>| G::Machine::weight(&proposal.command));
            let count = fitting(weights);
            let batch = proposals.drain(..count).collect();
            if let Err(reason) = self.write(batch).await {
                for reply in proposals.into_iter().filter_map(|proposal| proposal.reply) {
                    let _gone = reply.send(Err(GroupError::Stopped));
                }
                let _nobody = self.failed.send(Some(reason));
                return;
            }
        }
    }

    /// One entry, and the replies to those who wait for them.
    async fn write(&self, batch: Vec<Proposal<G>>) -> Result<(), String> {
        let (commands, replies): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|proposal| (proposal.command, proposal.reply))
            .unzip();
        let batch = Arc::new(Batch {
            stamp: self.time.stamp(),
            commands,
        });
        match self.raft.client_write(batch).await {
            Ok(written) => {
                for (reply, outcome) in replies.into_iter().zip(written.data) {
                    if let Some(reply) = reply {
                        let _gone = reply.send(Ok(outcome));
                    }
                }
                Ok(())
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::error!(group = G::NAME, error = reason, "group cannot go on");
                for reply in replies.into_iter().flatten() {
                    let _gone = reply.send(Err(GroupError::Unknown(reason.clone())));
                }
                Err(reason)
            }
        }
    }
}

/// How many of these go into one entry: at least the first, and then as many as its limit of bytes
/// allows.
fn fitting(weights: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0usize;
    let fits = weights.enumerate().take_while(|(index, weight)| {
        sum = sum.saturating_add(*weight);
        *index == 0 || sum <= limits::BATCH_BYTES_MAX
    });
    fits.count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pollux_domain::ids::WallMs;

    use super::*;

    struct At(AtomicU64);

    impl Clock for At {
        fn now(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }

        fn wall(&self) -> WallMs {
            WallMs(0)
        }
    }

    #[test]
    fn an_entry_takes_its_first_command_and_what_fits() {
        let whole = limits::BATCH_BYTES_MAX;
        let half = whole / 2;
        for (weights, count) in [
            (vec![1, 1, 1], 3),
            (vec![2 * whole, 1], 1),
            (vec![half, half, 1], 2),
            (vec![1, whole, 1], 1),
            (vec![], 0),
        ] {
            assert_eq!(fitting(weights.iter().copied()), count, "{weights:?}");
        }
    }

    /// `GroupMs`: neither a restart nor the time in which nobody served makes anything expire,
    /// however long the machine has been running.
    #[test]
    fn group_time_goes_on_where_the_state_stands() {
        for (clock, from) in [(500, 0), (1_000_000, 20), (30, 7_000_000), (40, 40)] {
            let at = Arc::new(At(AtomicU64::new(clock)));
            let time = Timekeeper::new(at.clone());
            time.continue_from(GroupMs(from));
            assert_eq!(time.stamp().group, GroupMs(from));
            at.0.fetch_add(17, Ordering::Relaxed);
            assert_eq!(time.stamp().group, GroupMs(from + 17));
        }
    }
}
