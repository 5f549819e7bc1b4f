//! The type configuration of openraft for a kind of group.

use std::io::Cursor;
use std::marker::PhantomData;
use std::sync::Arc;

use openraft::impls::{EmptyNode, Entry, OneshotResponder, TokioRuntime};
use openraft::{RaftTypeConfig, SnapshotMeta, StoredMembership};
use serde::{Deserialize, Serialize};

use super::CommandOf;
use super::entry::{Batch, Taken};
use crate::machine::Kind;
use crate::version::Written;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Types<G>(PhantomData<G>);

impl<G: Kind> RaftTypeConfig for Types<G> {
    type D = Arc<Batch<CommandOf<G>>>;
    /// Replies go to those who proposed, where they apply the entry themselves.
    type R = ();
    type NodeId = u64;
    type Node = EmptyNode;
    type Entry = Entry<Self>;
    type SnapshotData = Cursor<Vec<u8>>;
    type AsyncRuntime = TokioRuntime;
    type Responder = OneshotResponder<Self>;
}

pub(super) type LogId = openraft::LogId<u64>;
pub(super) type Vote = openraft::Vote<u64>;
pub(super) type Membership = StoredMembership<u64, EmptyNode>;
pub(super) type Meta = SnapshotMeta<u64, EmptyNode>;
pub(super) type StorageError = openraft::StorageError<u64>;
pub(super) type StorageIOError = openraft::StorageIOError<u64>;

/// A snapshot as it is stored: which log it covers, how far each process's commands are taken, and
/// the machine.
#[derive(Serialize, Deserialize)]
pub(super) struct Image<M> {
    pub(super) written: Written,
    pub(super) meta: Meta,
    pub(super) taken: Taken,
    pub(super) machine: M,
}
