//! What this process has proposed and not seen applied, in order: nothing leaves it before its own
//! replica has applied it, so that a change of leaders loses and repeats nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pollux_domain::limits;
use tokio::sync::{Notify, oneshot};

use super::entry::{Item, Origin, Part};
use super::{CommandOf, GroupError, ReplyOf};
use crate::machine::{Kind, Machine};

/// Who waits for what becomes of a command. A barrier has no reply: it is only told.
pub(super) type Told<G> = oneshot::Sender<Result<Option<ReplyOf<G>>, GroupError>>;

/// See the module.
pub(super) struct Pipeline<G: Kind> {
    origin: Origin,
    contents: Mutex<Contents<G>>,
    /// Something is there to be sent.
    pub(super) grown: Notify,
    /// There is room again.
    shrunk: Notify,
}

struct Contents<G: Kind> {
    /// The number of the first that waits.
    first: u64,
    waiting: VecDeque<Waiting<G>>,
    /// How many at the front are on their way to the present leader.
    sent: usize,
    closed: bool,
}

struct Waiting<G: Kind> {
    item: Item<CommandOf<G>>,
    told: Option<Told<G>>,
}

impl<G: Kind> Pipeline<G> {
    pub(super) fn new(origin: Origin) -> Pipeline<G> {
        Pipeline {
            origin,
            contents: Mutex::new(Contents {
                first: 1,
                waiting: VecDeque::new(),
                sent: 0,
                closed: false,
            }),
            grown: Notify::new(),
            shrunk: Notify::new(),
        }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    fn contents(&self) -> MutexGuard<'_, Contents<G>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item at the end. `told` is taken where there was room.
    pub(super) fn push(
        &self,
        item: Item<CommandOf<G>>,
        told: &mut Option<Told<G>>,
    ) -> Result<(), GroupError> {
        let mut contents = self.contents();
        if contents.closed {
            return Err(GroupError::Stopped);
        }
        if limits::PROPOSALS_MAX <= contents.waiting.len() {
            return Err(GroupError::Full);
        }
        contents.waiting.push_back(Waiting {
            item,
            told: told.take(),
        });
        drop(contents);
        self.grown.notify_one();
        Ok(())
    }

    /// Resolves when one more would be taken.
    pub(super) async fn room(&self) -> Result<(), GroupError> {
        loop {
            let shrunk = self.shrunk.notified();
            let mut shrunk = std::pin::pin!(shrunk);
            // Listens before it looks.
            shrunk.as_mut().enable();
            {
                let contents = self.contents();
                if contents.closed {
                    return Err(GroupError::Stopped);
                }
                if contents.waiting.len() < limits::PROPOSALS_MAX {
                    return Ok(());
                }
            }
            shrunk.await;
        }
    }

    /// The next commands for the leader, up to the limits of one entry; they count as sent.
    pub(super) fn next_part(
        &self,
        items_max: usize,
        bytes_max: usize,
    ) -> Option<Part<CommandOf<G>>> {
        let mut contents = self.contents();
        let from = contents.sent;
        let mut bytes = 0usize;
        let mut items = Vec::new();
        for waiting in contents.waiting.iter().skip(from).take(items_max) {
            let weight = waiting.item.command().map_or(0, G::Machine::weight);
            bytes = bytes.saturating_add(weight);
            if !items.is_empty() && bytes_max < bytes {
                break;
            }
            items.push(waiting.item.clone());
        }
        if items.is_empty() {
            return None;
        }
        contents.sent += items.len();
        Some(Part {
            origin: self.origin,
            first: contents.first + from as u64,
            items,
        })
    }

    pub(super) fn has_unsent(&self) -> bool {
        let contents = self.contents();
        contents.sent < contents.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.contents().waiting.is_empty()
    }

    /// The number of the first command that is not applied, where some are on their way.
    pub(super) fn first_sent(&self) -> Option<u64> {
        let contents = self.contents();
        (0 < contents.sent).then_some(contents.first)
    }

    /// What comes after `through` is to be sent again.
    pub(super) fn rewind(&self, through: u64) {
        let mut contents = self.contents();
        let kept = (through + 1).saturating_sub(contents.first) as usize;
        contents.sent = contents.sent.min(kept);
    }

    /// Nothing is on its way: another leader begins.
    pub(super) fn rewind_all(&self) {
        self.contents().sent = 0;
    }

    /// The last `replies` commands up to `through` were applied.
    pub(super) fn settle(&self, through: u64, replies: Vec<Option<ReplyOf<G>>>) {
        let mut contents = self.contents();
        let mut replies = replies.into_iter();
        let count = (through + 1).saturating_sub(contents.first) as usize;
        let mut told = Vec::new();
        // What a snapshot has brought was applied, and nobody knows with which reply.
        let unseen = count.saturating_sub(replies.len());
        for index in 0..count {
            let Some(waiting) = contents.waiting.pop_front() else {
                break;
            };
            contents.first += 1;
            contents.sent = contents.sent.saturating_sub(1);
            let reply = match index < unseen {
                true => Err(GroupError::Unknown("it came with a snapshot".to_owned())),
                false => Ok(replies.next().flatten()),
            };
            if let Some(tell) = waiting.told {
                told.push((tell, reply));
            }
        }
        drop(contents);
        self.shrunk.notify_waiters();
        for (tell, reply) in told {
            let _gone = tell.send(reply);
        }
    }

    /// Takes no more; those who wait are told.
    pub(super) fn close(&self, reason: Option<&str>) {
        let waiting = {
            let mut contents = self.contents();
            contents.closed = true;
            contents.sent = 0;
            std::mem::take(&mut contents.waiting)
        };
        self.shrunk.notify_waiters();
        for tell in waiting.into_iter().filter_map(|waiting| waiting.told) {
            let error = match reason {
                Some(reason) => GroupError::Unknown(reason.to_owned()),
                None => GroupError::Stopped,
            };
            let _gone = tell.send(Err(error));
        }
    }
}
