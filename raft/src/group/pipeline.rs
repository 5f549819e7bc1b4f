//! What this process has proposed and not seen applied, in order: nothing leaves it before its own
//! replica has applied it, so that a change of leaders loses and repeats nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pollux_domain::limits;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::entry::{Item, Origin, Part};
use super::items::Read;
use super::{CommandOf, GroupError, ReplyOf};
use crate::machine::{Kind, Machine};

/// Who waits for what becomes of a command. A barrier has no reply: it is only told.
pub(super) type Told<G> = oneshot::Sender<Result<Option<ReplyOf<G>>, GroupError>>;

/// What does not hurry (`Machine::may_wait`) is sent with what does, or together with so many …
const COMPANY: usize = 64;
/// … or after this time.
const COMPANY_PATIENCE: Duration = Duration::from_millis(10);

/// What waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsent {
    Nothing,
    MayWait,
    Urgent,
}

/// See the module.
pub(super) struct Pipeline<G: Kind> {
    origin: Origin,
    contents: Mutex<Contents<G>>,
    /// Something is there to be sent: now, or when it has waited.
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
    /// The number of the last that may not wait for company.
    urgent: u64,
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
                urgent: 0,
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
        let unsent = contents.waiting.len() - contents.sent;
        let may_wait = item.command().is_some_and(G::Machine::may_wait);
        let is_urgent = !may_wait || told.is_some() || COMPANY <= unsent;
        if is_urgent {
            contents.urgent = contents.first + contents.waiting.len() as u64;
        }
        contents.waiting.push_back(Waiting {
            item,
            told: told.take(),
        });
        drop(contents);
        // Of several that wait for company the first is told of: it begins their time.
        if is_urgent || unsent == 0 {
            self.grown.notify_one();
        }
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
            items: items.into(),
        })
    }

    /// The `count` items from number `first` on, if all of them wait here.
    pub(super) fn items(&self, first: u64, count: usize) -> Option<Read<CommandOf<G>>> {
        let contents = self.contents();
        let skipped = usize::try_from(first.checked_sub(contents.first)?).ok()?;
        let through = skipped.checked_add(count)?;
        if contents.waiting.len() < through {
            return None;
        }
        let waiting = contents.waiting.range(skipped..through);
        let items = waiting.map(|waiting| waiting.item.clone());
        Some(Arc::new(items.collect()))
    }

    pub(super) fn unsent(&self) -> Unsent {
        let contents = self.contents();
        if contents.waiting.len() <= contents.sent {
            return Unsent::Nothing;
        }
        match contents.first + contents.sent as u64 <= contents.urgent {
            true => Unsent::Urgent,
            false => Unsent::MayWait,
        }
    }

    /// Resolves when something is to be sent: at once where it is urgent, else when it has waited
    /// for company.
    pub(super) async fn work(&self) {
        loop {
            match self.unsent() {
                Unsent::Urgent => return,
                Unsent::Nothing => self.grown.notified().await,
                Unsent::MayWait => {
                    let more = timeout(COMPANY_PATIENCE, self.grown.notified());
                    if more.await.is_err() {
                        return;
                    }
                }
            }
        }
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

#[cfg(test)]
mod tests {
    use pollux_domain::contract::{Command, EndReason, Session};
    use pollux_domain::ids::{Connection, Epoch, Life, NodeId, SessionId};

    use super::*;
    use crate::machine::Subcluster;

    fn pipeline() -> Pipeline<Subcluster> {
        Pipeline::new(Origin {
            node: NodeId(1),
            life: Life(1),
        })
    }

    fn put(pipeline: &Pipeline<Subcluster>, command: Command) {
        let item = Item::Command(std::sync::Arc::new(command));
        pipeline.push(item, &mut None).unwrap();
    }

    fn session() -> Session {
        Session {
            id: SessionId(1),
            epoch: Epoch(1),
            connection: Connection(1),
        }
    }

    fn acked(h: u32) -> Command {
        let session = session();
        Command::Acked { session, h }
    }

    fn ended() -> Command {
        Command::End {
            session: session(),
            reason: EndReason::Closed,
        }
    }

    fn sent(pipeline: &Pipeline<Subcluster>) -> usize {
        let part = pipeline.next_part(512, 1 << 20);
        part.map_or(0, |part| part.items.len())
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_wait_goes_with_what_may_not_or_when_it_has_waited() {
        let pipeline = pipeline();
        let moment = Duration::from_millis(1);
        put(&pipeline, acked(1));
        assert_eq!(pipeline.unsent(), Unsent::MayWait);
        let early = timeout(COMPANY_PATIENCE - moment, pipeline.work()).await;
        assert!(early.is_err(), "it waits");
        let late = timeout(COMPANY_PATIENCE + moment, pipeline.work()).await;
        assert!(late.is_ok(), "not for longer");
        assert_eq!(sent(&pipeline), 1);
        put(&pipeline, acked(2));
        put(&pipeline, ended());
        put(&pipeline, acked(3));
        let at_once = timeout(moment, pipeline.work()).await;
        assert!(at_once.is_ok());
        assert_eq!(sent(&pipeline), 3, "all, in their order");
        assert_eq!(pipeline.unsent(), Unsent::Nothing);
    }

    #[test]
    fn what_waits_is_found_by_its_number_and_nothing_else_is() {
        let pipeline = pipeline();
        (1..=4).for_each(|h| put(&pipeline, acked(h)));
        pipeline.settle(1, Vec::new());
        let found = |first, count| {
            let items = pipeline.items(first, count)?;
            let commands = items.iter().filter_map(Item::command);
            Some(Vec::from_iter(commands.cloned()))
        };
        assert_eq!(found(2, 3), Some(vec![acked(2), acked(3), acked(4)]));
        assert_eq!(found(3, 1), Some(vec![acked(3)]));
        for (first, count) in [(1, 2), (2, 4), (9, 1), (2, usize::MAX)] {
            assert_eq!(found(first, count), None, "{count} from {first}");
        }
    }

    #[test]
    fn enough_of_them_do_not_wait_and_what_is_sent_again_does_as_before() {
        let pipeline = pipeline();
        for h in 0..COMPANY as u32 {
            put(&pipeline, acked(h));
            assert_eq!(pipeline.unsent(), Unsent::MayWait);
        }
        put(&pipeline, acked(99));
        assert_eq!(pipeline.unsent(), Unsent::Urgent);
        assert_eq!(sent(&pipeline), COMPANY + 1);
        pipeline.settle(COMPANY as u64 + 1, Vec::new());
        put(&pipeline, acked(100));
        assert_eq!((pipeline.unsent(), sent(&pipeline)), (Unsent::MayWait, 1));
        pipeline.rewind_all();
        assert_eq!(pipeline.unsent(), Unsent::MayWait);
    }
}
