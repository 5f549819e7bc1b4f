//! The state machine of openraft over a [`Machine`]: applies entries, writes rows to the tables
//! before anybody is told of them, hands effects to the outlet, and takes snapshots of a cheap
//! clone.

use std::io::{self, Cursor};
use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, RaftSnapshotBuilder, Snapshot};
use pollux_links::in_use::InUse;
use pollux_store::codec;
use pollux_store::tables::Tables;
use tokio::sync::{oneshot, watch};

use super::entry::{Batch, Item, Leadership, Taken};
use super::held::{Held, State};
use super::items::Read;
use super::pipeline::Pipeline;
use super::types::{Image, LogId, Membership, Meta, StorageError, StorageIOError, Types};
use super::{CommandOf, EffectOf, Outlet, ReplyOf};
use crate::log::LogStore;
use crate::machine::{Applied, Kind, Machine};
use crate::rows;
use crate::version::{self, FORMATS, Written};

type Entry<G> = openraft::impls::Entry<Types<G>>;

/// See the module.
pub(super) struct MachineAdapter<G: Kind> {
    state: State<G>,
    pipeline: Arc<Pipeline<G>>,
    store: Arc<dyn LogStore>,
    tables: Arc<dyn Tables>,
    outlet: Arc<dyn Outlet<EffectOf<G>>>,
    in_use: InUse,
    /// Told up to which index a snapshot is on the disk.
    saved: watch::Sender<u64>,
    last_applied: Option<LogId>,
    membership: Membership,
}

impl<G: Kind> MachineAdapter<G> {
    /// Begins with the snapshot, where there is one; the log after it is applied again.
    pub(super) fn open(
        state: State<G>,
        pipeline: Arc<Pipeline<G>>,
        store: Arc<dyn LogStore>,
        tables: Arc<dyn Tables>,
        outlet: Arc<dyn Outlet<EffectOf<G>>>,
        in_use: InUse,
        saved: watch::Sender<u64>,
    ) -> io::Result<MachineAdapter<G>> {
        let mut adapter = MachineAdapter {
            state,
            pipeline,
            store,
            tables,
            outlet,
            in_use,
            saved,
            last_applied: None,
            membership: Membership::default(),
        };
        if let Some(bytes) = adapter.store.read_snapshot()? {
            adapter.replace(&bytes)?;
            note_saved(&adapter.saved, adapter.last_applied);
        }
        Ok(adapter)
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let image: Image<G::Machine> = codec::decode(FORMATS.newest, bytes)?;
        self.last_applied = image.meta.last_log_id;
        self.membership = image.meta.last_membership;
        let through = image.taken.through(self.pipeline.origin());
        let index = self.last_applied.map_or(0, |id| id.index);
        self.state.write(|held| {
            *held = Held {
                machine: image.machine,
                taken: image.taken,
                index,
            };
        });
        self.pipeline.settle(through, Vec::new());
        self.follow_format()
    }

    /// Whatever is written from now on is written in the format that the cluster uses. A build that
    /// does not speak it goes no further.
    fn follow_format(&self) -> io::Result<()> {
        let Some(format) = self.state.read(|held| held.machine.format_in_use()) else {
            return Ok(());
        };
        let spoken = pollux_domain::version::judge(&version::build(), format, None);
        spoken.map_err(|error| {
            self.in_use.give_up(format);
            io::Error::new(io::ErrorKind::Unsupported, error)
        })?;
        if self.in_use.raise(format) {
            tracing::info!(format, "the cluster uses another format");
        }
        Ok(())
    }

    fn apply_one(&mut self, entry: Entry<G>) -> io::Result<()> {
        self.last_applied = Some(entry.log_id);
        let written = Leadership {
            term: entry.log_id.leader_id.term,
            leader: entry.log_id.leader_id.node_id,
        };
        let batch = match entry.payload {
            EntryPayload::Normal(batch) => batch,
            EntryPayload::Membership(membership) => {
                self.membership = Membership::new(Some(entry.log_id), membership);
                self.state.write(|held| held.index = entry.log_id.index);
                return Ok(());
            }
            EntryPayload::Blank => {
                self.state.write(|held| held.index = entry.log_id.index);
                return Ok(());
            }
        };
        let items = batch.parts.iter().map(|part| part.items.get());
        let items: Vec<Read<CommandOf<G>>> = items.collect::<Result<_, _>>()?;
        let mut applied = Applied::default();
        let mine = self.state.write(|held| {
            held.index = entry.log_id.index;
            self.apply_batch(held, &batch, &items, written, &mut applied)
        });
        self.follow_format()?;
        // They go while they are near; others need the bytes at most.
        batch.parts.iter().for_each(|part| part.items.forget());
        drop(items);
        let rows = applied
            .rows
            .iter()
            .map(rows::table_write)
            .collect::<io::Result<Vec<_>>>()?;
        self.tables.write(&rows, entry.log_id.index)?;
        self.outlet.take(applied.effects);
        if let Some((through, replies)) = mine {
            self.pipeline.settle(through, replies);
        }
        Ok(())
    }

    /// Applies what may be taken of each part. Returns the replies to this process's own items,
    /// with the number of the last.
    fn apply_batch(
        &self,
        held: &mut Held<G>,
        batch: &Batch<CommandOf<G>>,
        read: &[Read<CommandOf<G>>],
        written: Leadership,
        applied: &mut Applied<EffectOf<G>>,
    ) -> Option<(u64, Vec<Option<ReplyOf<G>>>)> {
        let mut items = Vec::new();
        let mut mine = Vec::new();
        let mut through = None;
        for (part, read) in batch.parts.iter().zip(read) {
            let Some(skipped) = held.taken.take(part) else {
                continue;
            };
            let from = items.len();
            items.extend(read.iter().skip(skipped));
            if part.origin == self.pipeline.origin() {
                mine.push(from..items.len());
                through = Some(part.last());
            }
        }
        let commands = items.iter().filter_map(|item| item.command_under(written));
        let commands: Vec<&CommandOf<G>> = commands.collect();
        let replies = held.machine.apply_batch(batch.stamp, &commands, applied);
        if items.iter().any(|item| matches!(item, Item::Digest)) {
            self.state.mark(held);
        }
        let through = through?;
        let mut replies = replies.into_iter();
        let told = items
            .iter()
            .map(|item| item.command_under(written).and_then(|_| replies.next()));
        let told: Vec<Option<ReplyOf<G>>> = told.collect();
        let mine = mine.into_iter().flat_map(|range| told[range].to_vec());
        Some((through, mine.collect()))
    }
}

impl<G: Kind> RaftStateMachine<Types<G>> for MachineAdapter<G> {
    type SnapshotBuilder = Builder<G>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>, StorageError>
    where
        I: IntoIterator<Item = Entry<G>> + Send,
        I::IntoIter: Send,
    {
        let mut replies = Vec::new();
        for entry in entries {
            let applied = self.apply_one(entry);
            replies.push(applied.map_err(|error| {
                StorageError::from(StorageIOError::write_state_machine(&error))
            })?);
        }
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Builder<G> {
        let (machine, taken) = self
            .state
            .read(|held| (held.machine.clone(), held.taken.clone()));
        Builder {
            format: self.in_use.get(),
            machine,
            taken,
            meta: Meta {
                last_log_id: self.last_applied,
                last_membership: self.membership.clone(),
                snapshot_id: self.last_applied.map_or(0, |id| id.index).to_string(),
            },
            store: self.store.clone(),
            tables: self.tables.clone(),
            saved: self.saved.clone(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &Meta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let fail = |error: io::Error| -> StorageError {
            StorageIOError::write_snapshot(Some(meta.signature()), &error).into()
        };
        // What follows may count on the rows that came with it.
        self.tables.sync().map_err(fail)?;
        self.replace(&bytes).map_err(fail)?;
        self.outlet.replaced();
        save(&self.store, meta.last_log_id, Box::new(move || Ok(bytes)))
            .await
            .map_err(fail)?;
        note_saved(&self.saved, meta.last_log_id);
        let index = meta.last_log_id.map_or(0, |id| id.index);
        tracing::info!(
            group = G::NAME,
            index,
            "snapshot of the leader is installed"
        );
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types<G>>>, StorageError> {
        let fail =
            |error: io::Error| StorageError::from(StorageIOError::read_snapshot(None, &error));
        let Some(bytes) = self.store.read_snapshot().map_err(fail)? else {
            return Ok(None);
        };
        let image: Image<G::Machine> =
            codec::decode(FORMATS.newest, &bytes).map_err(|error| fail(error.into()))?;
        let snapshot = Box::new(Cursor::new(bytes.to_vec()));
        Ok(Some(Snapshot {
            meta: image.meta,
            snapshot,
        }))
    }
}

/// A snapshot up to here is on the disk.
fn note_saved(saved: &watch::Sender<u64>, last: Option<LogId>) {
    let through = last.map_or(0, |id| id.index);
    saved.send_if_modified(|known| {
        let newer = *known < through;
        *known = through.max(*known);
        newer
    });
}

async fn save(
    store: &Arc<dyn LogStore>,
    last: Option<LogId>,
    encode: crate::log::Encode,
) -> io::Result<()> {
    let (tell, told) = oneshot::channel();
    let index = last.map_or(0, |id| id.index);
    let done = Box::new(move |result| drop(tell.send(result)));
    store.save_snapshot(index, encode, done);
    told.await
        .map_err(|_| io::Error::other("the snapshot's writer has ended"))?
}

/// Makes one snapshot of the state as it was.
pub(super) struct Builder<G: Kind> {
    format: u16,
    machine: G::Machine,
    taken: Taken,
    meta: Meta,
    store: Arc<dyn LogStore>,
    tables: Arc<dyn Tables>,
    saved: watch::Sender<u64>,
}

impl<G: Kind> RaftSnapshotBuilder<Types<G>> for Builder<G> {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types<G>>, StorageError> {
        let format = self.format;
        let image = Image {
            written: Written::here(format),
            meta: self.meta.clone(),
            taken: std::mem::take(&mut self.taken),
            machine: std::mem::take(&mut self.machine),
        };
        let tables = self.tables.clone();
        let encode = move || {
            // The log may be purged after this: the tables must hold what it said.
            tables.sync()?;
            codec::encode(format, &image).map_err(io::Error::from)
        };
        save(&self.store, self.meta.last_log_id, Box::new(encode))
            .await
            .map_err(|error| StorageIOError::write_snapshot(Some(self.meta.signature()), &error))?;
        note_saved(&self.saved, self.meta.last_log_id);
        Ok(Snapshot {
            meta: self.meta.clone(),
            snapshot: Box::default(),
        })
    }
}
