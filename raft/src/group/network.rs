//! The way to other voters: openraft's network over the links. Votes go by the control lane,
//! entries and snapshots by the bulk lane, so that neither delays the other.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::Snapshot;
use openraft::error::{
    Fatal, NetworkError, PayloadTooLarge, RPCError, RaftError, ReplicationClosed, StreamingError,
    Unreachable,
};
use openraft::impls::EmptyNode;
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use pollux_domain::ids::Voter;
use pollux_links::peers::{Lane, LinkError, Peers, Topic};
use pollux_store::codec;
use pollux_store::tables::Tables;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::snapshot_transfer::{self, SnapshotPart};
use super::types::{Types, Vote};
use crate::machine::{Kind, Machine};

type Rpc<E> = RPCError<u64, EmptyNode, RaftError<u64, E>>;

/// What a voter asks another. `to` and `from` are incarnations: a node in a new life does not
/// answer for its old one.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Envelope<G: Kind> {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) request: LogRequest<G>,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) enum LogRequest<G: Kind> {
    Append(AppendEntriesRequest<Types<G>>),
    Vote(VoteRequest<u64>),
    Snapshot(SnapshotPart),
}

/// Makes the way to each voter.
#[derive(Clone)]
pub(super) struct LinkNetworks {
    pub(super) me: Voter,
    pub(super) topic: Topic,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) tables: Arc<dyn Tables>,
}

/// The way to one.
pub(super) struct LinkNetwork {
    to: Voter,
    parts: LinkNetworks,
    /// Why the last snapshot was not taken: tried again many times a second, said once.
    failed: Option<LinkError>,
}

impl<G: Kind> RaftNetworkFactory<Types<G>> for LinkNetworks {
    type Network = LinkNetwork;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> LinkNetwork {
        LinkNetwork {
            to: Voter::from_number(target),
            parts: self.clone(),
            failed: None,
        }
    }
}

impl LinkNetwork {
    /// Asks and decodes the answer.
    pub(super) async fn ask<G: Kind, A: DeserializeOwned>(
        &self,
        lane: Lane,
        request: LogRequest<G>,
    ) -> Result<A, LinkError> {
        let node = self.to.node;
        let envelope = Envelope {
            from: self.parts.me.number(),
            to: self.to.number(),
            request,
        };
        let refused = |error: codec::CodecError| LinkError::Refused(node, error.to_string());
        let body = codec::encode(G::Machine::VERSION, &envelope).map_err(refused)?;
        let answer = self
            .parts
            .peers
            .ask(node, lane, self.parts.topic, body.into())
            .await?;
        codec::decode(G::Machine::VERSION, &answer).map_err(refused)
    }

    /// The other side, or a file, says what it cannot.
    pub(super) fn nonsense(&self, what: &str) -> LinkError {
        LinkError::Refused(self.to.node, what.to_owned())
    }

    /// Says that a snapshot broke off, once for each reason. Nothing of it is left there: the next
    /// try begins with the first byte.
    fn note_sent<G: Kind>(&mut self, sent: &Result<SnapshotResponse<u64>, LinkError>) {
        let (to, group) = (self.to, G::NAME);
        let Err(error) = sent else {
            self.failed = None;
            tracing::info!(%to, group, "snapshot was taken");
            return;
        };
        if self.failed.replace(error.clone()).as_ref() == Some(error) {
            return;
        }
        match error {
            LinkError::Refused(..) | LinkError::TooLong(_) => {
                let advice = "its log says more; a node whose snapshots are refused for long is \
                              joined again with empty data";
                tracing::warn!(
                    %to,
                    group,
                    %error,
                    advice,
                    "snapshot was refused, it is sent again"
                );
            }
            error => tracing::info!(%to, group, %error, "snapshot broke off, it is sent again"),
        }
    }

    pub(super) fn tables(&self) -> &Arc<dyn Tables> {
        &self.parts.tables
    }
}

fn rpc_error<E: std::error::Error>(error: LinkError) -> Rpc<E> {
    match error {
        LinkError::NotConnected(_) | LinkError::NoSuchTopic(_) => {
            RPCError::Unreachable(Unreachable::new(&error))
        }
        error => RPCError::Network(NetworkError::new(&error)),
    }
}

impl<G: Kind> RaftNetwork<Types<G>> for LinkNetwork {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types<G>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Rpc<openraft::error::Infallible>> {
        let count = request.entries.len() as u64;
        match self
            .ask::<G, _>(Lane::Bulk, LogRequest::Append(request))
            .await
        {
            Ok(answer) => Ok(answer),
            // Entries are bounded one by one; fewer of them fit.
            Err(LinkError::TooLong(_)) if 1 < count => Err(RPCError::PayloadTooLarge(
                PayloadTooLarge::new_entries_hint(count / 2),
            )),
            Err(error) => Err(rpc_error(error)),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _option: RPCOption,
    ) -> Result<VoteResponse<u64>, Rpc<openraft::error::Infallible>> {
        self.ask::<G, _>(Lane::Control, LogRequest::Vote(request))
            .await
            .map_err(rpc_error)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<Types<G>>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<Types<G>, Fatal<u64>>> {
        let sent = snapshot_transfer::send::<G>(self, vote, snapshot);
        let sent = tokio::select! {
            biased;
            closed = cancel => return Err(StreamingError::Closed(closed)),
            sent = sent => sent,
        };
        self.note_sent::<G>(&sent);
        // Any other error would be tried again at once, also while nobody is there to take it.
        sent.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))
    }

    /// Before the next try with one that cannot be reached.
    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(Duration::from_millis(100)))
    }
}
