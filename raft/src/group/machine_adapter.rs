//! The state machine of openraft over a [`Machine`]: applies entries, writes rows to the tables
//! before anybody is told of them, hands effects to the outlet, and takes snapshots of a cheap
//! clone.

use std::io::{self, Cursor};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, RaftSnapshotBuilder, Snapshot};
use pollux_domain::contract::RowWrite;
use pollux_store::codec;
use pollux_store::tables::{TableWrite, Tables};
use tokio::sync::oneshot;

use super::types::{Image, LogId, Membership, Meta, StorageError, StorageIOError, Types};
use super::{EffectOf, Outlet, ReplyOf};
use crate::log::LogStore;
use crate::machine::{Applied, Kind, Machine};

type Entry<G> = openraft::impls::Entry<Types<G>>;

/// Version of a parcel in the tables.
pub(crate) const ROW_VERSION: u16 = 1;

/// See the module.
pub(super) struct MachineAdapter<G: Kind> {
    state: Arc<RwLock<G::Machine>>,
    store: Arc<dyn LogStore>,
    tables: Arc<dyn Tables>,
    outlet: Arc<dyn Outlet<EffectOf<G>>>,
    last_applied: Option<LogId>,
    membership: Membership,
}

impl<G: Kind> MachineAdapter<G> {
    /// Begins with the snapshot, where there is one; the log after it is applied again.
    pub(super) fn open(
        state: Arc<RwLock<G::Machine>>,
        store: Arc<dyn LogStore>,
        tables: Arc<dyn Tables>,
        outlet: Arc<dyn Outlet<EffectOf<G>>>,
    ) -> io::Result<MachineAdapter<G>> {
        let mut adapter = MachineAdapter {
            state,
            store,
            tables,
            outlet,
            last_applied: None,
            membership: Membership::default(),
        };
        if let Some(bytes) = adapter.store.read_snapshot()? {
            adapter.replace(&bytes)?;
        }
        Ok(adapter)
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let image: Image<G::Machine> = codec::decode(G::Machine::VERSION, bytes)?;
        self.last_applied = image.meta.last_log_id;
        self.membership = image.meta.last_membership;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = image.machine;
        Ok(())
    }

    fn apply_one(&mut self, entry: Entry<G>) -> io::Result<Vec<ReplyOf<G>>> {
        self.last_applied = Some(entry.log_id);
        let batch = match entry.payload {
            EntryPayload::Blank => return Ok(Vec::new()),
            EntryPayload::Membership(membership) => {
                self.membership = Membership::new(Some(entry.log_id), membership);
                return Ok(Vec::new());
            }
            EntryPayload::Normal(batch) => batch,
        };
        let mut applied = Applied::default();
        let replies = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.apply_batch(&batch, &mut applied)
        };
        let rows = applied
            .rows
            .iter()
            .map(table_write)
            .collect::<io::Result<Vec<_>>>()?;
        self.tables.write(&rows, entry.log_id.index)?;
        self.outlet.take(applied.effects);
        Ok(replies)
    }
}

fn table_write(row: &RowWrite) -> io::Result<TableWrite> {
    Ok(match row {
        RowWrite::Put { row, parcel } => {
            let value = Bytes::from(codec::encode(ROW_VERSION, parcel)?);
            TableWrite::Put { key: row.0, value }
        }
        RowWrite::Delete { row } => TableWrite::Delete { key: row.0 },
    })
}

impl<G: Kind> RaftStateMachine<Types<G>> for MachineAdapter<G> {
    type SnapshotBuilder = Builder<G>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Vec<ReplyOf<G>>>, StorageError>
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
        Builder {
            machine: self
                .state
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            meta: Meta {
                last_log_id: self.last_applied,
                last_membership: self.membership.clone(),
                snapshot_id: self.last_applied.map_or(0, |id| id.index).to_string(),
            },
            store: self.store.clone(),
            tables: self.tables.clone(),
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
        self.replace(&bytes).map_err(fail)?;
        save(&self.store, Box::new(move || Ok(bytes)))
            .await
            .map_err(fail)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types<G>>>, StorageError> {
        let fail =
            |error: io::Error| StorageError::from(StorageIOError::read_snapshot(None, &error));
        let Some(bytes) = self.store.read_snapshot().map_err(fail)? else {
            return Ok(None);
        };
        let image: Image<G::Machine> =
            codec::decode(G::Machine::VERSION, &bytes).map_err(|error| fail(error.into()))?;
        let snapshot = Box::new(Cursor::new(bytes.to_vec()));
        Ok(Some(Snapshot {
            meta: image.meta,
            snapshot,
        }))
    }
}

async fn save(store: &Arc<dyn LogStore>, encode: crate::log::Encode) -> io::Result<()> {
    let (tell, told) = oneshot::channel();
    store.save_snapshot(encode, Box::new(move |result| drop(tell.send(result))));
    told.await
        .map_err(|_| io::Error::other("the snapshot's writer has ended"))?
}

/// Makes one snapshot of the state as it was.
pub(super) struct Builder<G: Kind> {
    machine: G::Machine,
    meta: Meta,
    store: Arc<dyn LogStore>,
    tables: Arc<dyn Tables>,
}

impl<G: Kind> RaftSnapshotBuilder<Types<G>> for Builder<G> {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types<G>>, StorageError> {
        let image = Image {
            meta: self.meta.clone(),
            machine: std::mem::take(&mut self.machine),
        };
        let tables = self.tables.clone();
        let encode = move || {
            // The log may be purged after this: the tables must hold what it said.
            tables.sync()?;
            codec::encode(G::Machine::VERSION, &image).map_err(io::Error::from)
        };
        save(&self.store, Box::new(encode))
            .await
            .map_err(|error| StorageIOError::write_snapshot(Some(self.meta.signature()), &error))?;
        Ok(Snapshot {
            meta: self.meta.clone(),
            snapshot: Box::default(),
        })
    }
}
