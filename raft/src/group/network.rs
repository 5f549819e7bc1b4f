//! The way to other voters: openraft's network over the links. Votes go by the control lane,
//! entries and snapshots by the bulk lane, so that neither delays the other.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::Snapshot;
use openraft::error::{
    Fatal, PayloadTooLarge, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::impls::EmptyNode;
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use pollux_domain::ids::Voter;
use pollux_domain::seams::Clock;
use pollux_links::in_use::InUse;
use pollux_links::peers::{Lane, LinkError, Peers, Topic};
use pollux_store::codec;
use pollux_store::tables::Tables;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;

use super::snapshot_transfer::{self, SnapshotPart};
use super::types::{Types, Vote};
use crate::machine::Kind;
use crate::version::FORMATS;

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

/// The voter that entries may reach late, where there is one: it gets many in one request, with one
/// flush. Set by the rules of `election`, several times in a lease.
#[derive(Debug, Default)]
pub(super) struct Laggard(AtomicU64);

impl Laggard {
    pub(super) fn set(&self, voter: Option<Voter>) {
        let number = voter.map_or(0, Voter::number);
        self.0.store(number, Ordering::Relaxed);
    }

    fn is(&self, voter: Voter) -> bool {
        self.0.load(Ordering::Relaxed) == voter.number()
    }
}

/// A vote above that of this leader, with which a voter answered it. The mind tells the core; if
/// the core were answered with it, it would end the way to that voter, and stop for good where it
/// has a snapshot for the same voter before it hears why.
#[derive(Debug)]
pub(super) struct HigherVote(watch::Sender<Option<Vote>>);

impl Default for HigherVote {
    fn default() -> HigherVote {
        HigherVote(watch::Sender::new(None))
    }
}

impl HigherVote {
    fn note(&self, vote: Vote) {
        self.0.send_if_modified(|known| {
            let is_news = known.is_none_or(|known| known < vote);
            if is_news {
                *known = Some(vote);
            }
            is_news
        });
    }

    pub(super) fn news(&self) -> watch::Receiver<Option<Vote>> {
        self.0.subscribe()
    }
}

/// Between two requests with entries to one that may have them late. Far less than the core waits
/// for an answer.
const LAG: Duration = Duration::from_millis(20);

/// Makes the way to each voter.
#[derive(Clone)]
pub(super) struct LinkNetworks {
    pub(super) me: Voter,
    pub(super) topic: Topic,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) tables: Arc<dyn Tables>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) in_use: InUse,
    pub(super) laggard: Arc<Laggard>,
    pub(super) higher_vote: Arc<HigherVote>,
}

/// The way to one.
pub(super) struct LinkNetwork {
    to: Voter,
    parts: LinkNetworks,
    /// When it was last sent entries.
    entries_sent: Option<Duration>,
    /// Why the last snapshot was not taken: tried again many times a second, said once.
    failed: Option<LinkError>,
}

impl<G: Kind> RaftNetworkFactory<Types<G>> for LinkNetworks {
    type Network = LinkNetwork;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> LinkNetwork {
        LinkNetwork {
            to: Voter::from_number(target),
            parts: self.clone(),
            entries_sent: None,
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
        let format = self.parts.in_use.get();
        let body = codec::encode(format, &envelope).map_err(refused)?;
        let answer = self
            .parts
            .peers
            .ask(node, lane, self.parts.topic, body.into())
            .await?;
        codec::decode(FORMATS.newest, &answer).map_err(refused)
    }

    /// Lets entries for one that may have them late wait for more. What comes meanwhile goes with
    /// the next request.
    async fn wait_for_more(&mut self) {
        let clock = &self.parts.clock;
        if let Some(sent) = self.entries_sent
            && self.parts.laggard.is(self.to)
        {
            sleep((sent + LAG).saturating_sub(clock.now())).await;
        }
        self.entries_sent = Some(clock.now());
    }

    /// The core keeps the way to this voter until it has heard that it leads no more.
    fn outvoted<E: From<Unreachable>>(&self, vote: Vote) -> E {
        // Of an election of our own the core knows.
        if vote.leader_id.node_id != self.parts.me.number() {
            self.parts.higher_vote.note(vote);
        }
        unreachable(self.nonsense(&format!("it has voted in term {}", vote.leader_id.term)))
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

/// Any other error would be tried again at once: also one of somebody who is not there, or who
/// answers that it takes nothing from us now.
fn unreachable<E: From<Unreachable>>(error: LinkError) -> E {
    Unreachable::new(&error).into()
}

/// Before the first try with one that could not be reached or refused, and then twice as long each
/// time. A new leader is refused until it is heard to be confirmed, which takes a beat or so.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);

fn pauses() -> impl Iterator<Item = Duration> {
    let double = |pause: &Duration| Some((*pause * 2).min(PAUSE_MAX));
    std::iter::successors(Some(PAUSE_MIN), double)
}

impl<G: Kind> RaftNetwork<Types<G>> for LinkNetwork {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types<G>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Rpc<openraft::error::Infallible>> {
        let count = request.entries.len() as u64;
        if 0 < count {
            self.wait_for_more().await;
        }
        match self
            .ask::<G, _>(Lane::Bulk, LogRequest::Append(request))
            .await
        {
            Ok(AppendEntriesResponse::HigherVote(vote)) => Err(self.outvoted(vote)),
            Ok(answer) => Ok(answer),
            // Entries are bounded one by one; fewer of them fit.
            Err(LinkError::TooLong(_)) if 1 < count => Err(RPCError::PayloadTooLarge(
                PayloadTooLarge::new_entries_hint(count / 2),
            )),
            Err(error) => Err(unreachable(error)),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _option: RPCOption,
    ) -> Result<VoteResponse<u64>, Rpc<openraft::error::Infallible>> {
        self.ask::<G, _>(Lane::Control, LogRequest::Vote(request))
            .await
            .map_err(unreachable)
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
        match sent {
            Ok(answer) if vote < answer.vote => Err(self.outvoted(answer.vote)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(unreachable(error)),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(pauses())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use openraft::LeaderId;
    use pollux_domain::ids::{GroupId, Incarnation, NodeId, WallMs};
    use pollux_links::peers::{Answer, Subject};
    use pollux_store::tables::MemoryTables;

    use super::*;
    use crate::machine::ConfigurationGroup;

    /// Somebody who has voted for another.
    struct Turned(Vote);

    impl Peers for Turned {
        fn tell(&self, _: NodeId, _: Lane, _: Topic, _: Bytes) -> Result<(), LinkError> {
            Ok(())
        }

        fn ask(&self, _: NodeId, _: Lane, _: Topic, _: Bytes) -> Answer {
            let answer = AppendEntriesResponse::HigherVote(self.0);
            let answer = codec::encode(FORMATS.oldest, &answer).unwrap();
            Box::pin(async move { Ok(answer.into()) })
        }

        fn is_connected(&self, _: NodeId, _: Lane) -> bool {
            true
        }
    }

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Duration {
            Duration::ZERO
        }

        fn wall(&self) -> WallMs {
            WallMs(1)
        }
    }

    fn voter(node: u16) -> Voter {
        Voter {
            node: NodeId(node),
            incarnation: Incarnation(1),
        }
    }

    fn vote(term: u64, of: Voter) -> Vote {
        Vote {
            leader_id: LeaderId::new(term, of.number()),
            committed: true,
        }
    }

    /// Found by seed 79 of pairs: a leader that had been paused was outvoted while it had a
    /// snapshot for the same voter, and its core stopped for good.
    #[tokio::test]
    async fn the_core_is_not_answered_with_a_higher_vote_and_the_mind_hears_of_the_highest() {
        let higher_vote = Arc::new(HigherVote::default());
        let mut news = higher_vote.news();
        let said = vote(7, voter(2));
        let mut networks = LinkNetworks {
            me: voter(1),
            topic: Topic {
                subject: Subject::Log,
                group: GroupId::Configuration,
            },
            peers: Arc::new(Turned(said)),
            tables: Arc::new(MemoryTables::default()),
            clock: Arc::new(Still),
            in_use: InUse::default(),
            laggard: Arc::default(),
            higher_vote: higher_vote.clone(),
        };
        type Networks = Types<ConfigurationGroup>;
        let to = voter(2).number();
        let mut network =
            RaftNetworkFactory::<Networks>::new_client(&mut networks, to, &EmptyNode {}).await;
        let request: AppendEntriesRequest<Networks> = AppendEntriesRequest {
            vote: vote(6, voter(1)),
            prev_log_id: None,
            entries: Vec::new(),
            leader_commit: None,
        };
        let option = RPCOption::new(Duration::from_secs(1));
        let answer = network.append_entries(request, option).await;
        assert!(
            matches!(answer, Err(RPCError::Unreachable(_))),
            "{answer:?}"
        );
        assert!(news.has_changed().unwrap());
        assert_eq!(*news.borrow_and_update(), Some(said));
        for known in [said, vote(5, voter(3))] {
            higher_vote.note(known);
            assert!(!news.has_changed().unwrap(), "{known} is no news");
        }
    }
}
