//! Commands become entries: one in flight, and as many commands in the next as have come meanwhile. So a flush is shared by
//! all who waited for it (design, section 5, "Batch, do not trickle").

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
use crate::machine::{Batch, Kind};

/// A command on its way, and who waits for what becomes of it.
pub(super) struct Proposal<G: Kind> {
    pub(super) command: CommandOf<G>,
    pub(super) reply: Option<oneshot::Sender<Result<ReplyOf<G>, GroupError>>>,
}

/// The leader's time: the group's own goes on from where the state stands, by the monotonic clock.
pub(super) struct Timekeeper {
    clock: Arc<dyn Clock>,
    /// What is added to the clock, in milliseconds, to make the group's time. Modulo 2^64: the clock may be ahead of
    /// the group by any time in which nobody served.
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
}

impl<G: Kind> Batcher<G> {
    pub(super) fn new(
        raft: Raft<Types<G>>,
        waiting: mpsc::Receiver<Proposal<G>>,
        time: Arc<Timekeeper>,
        failed: watch::Sender<Option<String>>,
    ) -> Batcher<G> {
        Batcher {
            raft,
            waiting,
            time,
            failed,
        }
    }

    /// Runs until all handles are gone or the group fails.
    pub(super) async fn run(mut self) {
        let mut proposals = Vec::with_capacity(limits::BATCH_COMMANDS_MAX);
        loop {
            let taken = self
                .waiting
                .recv_many(&mut proposals, limits::BATCH_COMMANDS_MAX)
                .await;
            if taken == 0 {
                return;
            }
            let (commands, replies): (Vec<_>, Vec<_>) = proposals
                .drain(..)
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
                }
                Err(error) => {
                    let reason = error.to_string();
                    tracing::error!(group = G::NAME, error = reason, "group cannot go on");
                    for reply in replies.into_iter().flatten() {
                        let _gone = reply.send(Err(GroupError::Unknown(reason.clone())));
                    }
                    let _nobody = self.failed.send(Some(reason));
                    return;
                }
            }
        }
    }
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

    /// `GroupMs`: neither a restart nor the time in which nobody served makes anything expire, however long the machine has
    /// been running.
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
