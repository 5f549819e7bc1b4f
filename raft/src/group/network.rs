//! The way to other voters. A group of one has none; links bring it with the pair.

use std::future::Future;

use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::impls::EmptyNode;
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{Snapshot, Vote};

use super::types::Types;
use crate::machine::Kind;

/// Reaches nobody, and says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoNetwork;

fn nobody() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::NotConnected, "the group has one voter")
}

impl<G: Kind> RaftNetworkFactory<Types<G>> for NoNetwork {
    type Network = NoNetwork;

    async fn new_client(&mut self, _target: u64, _node: &EmptyNode) -> NoNetwork {
        NoNetwork
    }
}

impl<G: Kind> RaftNetwork<Types<G>> for NoNetwork {
    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Types<G>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, EmptyNode, RaftError<u64>>> {
        Err(RPCError::Unreachable(Unreachable::new(&nobody())))
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<u64>,
        _option: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, EmptyNode, RaftError<u64>>> {
        Err(RPCError::Unreachable(Unreachable::new(&nobody())))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote<u64>,
        _snapshot: Snapshot<Types<G>>,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<Types<G>, Fatal<u64>>> {
        Err(StreamingError::Network(NetworkError::new(&nobody())))
    }
}
