//! Answers what other voters ask of this one: votes, entries, snapshots, and commands for the
//! leader. What comes from a stranger, or for another incarnation, is refused with its reason.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use openraft::raft::AppendEntriesResponse;
use openraft::{EntryPayload, Raft, Snapshot};
use pollux_domain::ids::{NodeId, Voter};
use pollux_links::in_use::InUse;
use pollux_links::peers::Desk;
use pollux_store::codec::{self, CodecError};
use pollux_store::tables::Tables;
use serde::Serialize;

use super::CommandOf;
use super::courier::Handover;
use super::gate::Gate;
use super::guard::Ballot;
use super::intake::Intake;
use super::log_adapter::position;
use super::network::{Envelope, LogRequest};
use super::pipeline::Pipeline;
use super::snapshot_transfer::{Incoming, SnapshotPart, SnapshotReceipt};
use super::types::{Image, Types, Vote};
use crate::machine::Kind;
use crate::unread::Unread;
use crate::version::FORMATS;

type Entry<G> = openraft::impls::Entry<Types<G>>;
type Answering = Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>>;

/// Answers about the log.
pub(super) struct LogDesk<G: Kind> {
    pub(super) me: Voter,
    pub(super) raft: Raft<Types<G>>,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) tables: Arc<dyn Tables>,
    pub(super) incoming: Arc<Mutex<Incoming>>,
    pub(super) pipeline: Arc<Pipeline<G>>,
    pub(super) unread: Arc<Unread>,
    pub(super) in_use: InUse,
}

/// Answers those who hand over commands.
pub(super) struct ProposalDesk<G: Kind> {
    pub(super) me: Voter,
    pub(super) intake: Arc<Intake<CommandOf<G>>>,
    pub(super) unread: Arc<Unread>,
    pub(super) in_use: InUse,
}

fn answer<T: Serialize>(format: u16, value: &T) -> Result<Bytes, String> {
    let record = codec::encode(format, value).map_err(|error| error.to_string())?;
    Ok(record.into())
}

pub(super) fn ballot(vote: Vote) -> Ballot {
    Ballot {
        term: vote.leader_id.term,
        voter: Voter::from_number(vote.leader_id.node_id),
    }
}

impl<G: Kind> Desk for LogDesk<G> {
    fn told(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "nothing is told about the log, only asked");
    }

    fn asked(&self, from: NodeId, body: Bytes) -> Answering {
        let envelope: Result<Envelope<G>, _> = codec::decode(FORMATS.newest, &body);
        let envelope = envelope.and_then(|envelope| {
            if let LogRequest::Append(request) = &envelope.request {
                read(&request.entries, &self.pipeline)?;
            }
            Ok(envelope)
        });
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(error) => {
                let words = self.unread.refuse(from, &error);
                return Box::pin(async move { Err(words) });
            }
        };
        if envelope.to != self.me.number() {
            let wanted = Voter::from_number(envelope.to);
            let error = format!("voter {wanted} is not here, this is voter {}", self.me);
            return Box::pin(async move { Err(error) });
        }
        let sender = Voter::from_number(envelope.from);
        if sender.node != from {
            return Box::pin(async move { Err(format!("voter {sender} is not node {from}")) });
        }
        let (raft, format) = (self.raft.clone(), self.in_use.get());
        match envelope.request {
            LogRequest::Vote(request) => {
                let ballot = ballot(request.vote);
                let last_log = request.last_log_id.map_or_else(Default::default, position);
                let gate = self.gate.clone();
                if ballot.voter != sender || !gate.may_vote(ballot, last_log) {
                    return Box::pin(async move { Err("no vote now".to_owned()) });
                }
                Box::pin(async move {
                    let voted = raft.vote(request).await;
                    gate.voted(
                        ballot,
                        voted.as_ref().ok().map(|voted| self::ballot(voted.vote)),
                    );
                    answer(format, &voted.map_err(|error| error.to_string())?)
                })
            }
            LogRequest::Append(request) => {
                let gate = self.gate.clone();
                let leader = ballot(request.vote);
                Box::pin(async move {
                    if leader.voter != sender || !gate.may_append(leader) {
                        return Err("this leader is not confirmed".to_owned());
                    }
                    let appended = raft.append_entries(request).await;
                    let appended = appended.map_err(|error| error.to_string())?;
                    let higher = matches!(appended, AppendEntriesResponse::HigherVote(_));
                    if !higher && !gate.appended(leader) {
                        return Err("a vote was given meanwhile".to_owned());
                    }
                    answer(format, &appended)
                })
            }
            LogRequest::Snapshot(part) => {
                let (incoming, tables) = (self.incoming.clone(), self.tables.clone());
                Box::pin(async move {
                    let taken = take_part(raft, format, &incoming, tables.as_ref(), part).await;
                    if let Err(reason) = &taken {
                        // Nothing of it is kept: the leader sends it again from the first byte.
                        let group = G::NAME;
                        let advice = "the leader begins again; if that goes on, its log says more";
                        tracing::info!(%from, group, reason, advice, "snapshot was refused");
                    }
                    taken
                })
            }
        }
    }
}

/// Reads the commands of entries. Those of this process, it has.
fn read<G: Kind>(entries: &[Entry<G>], pipeline: &Pipeline<G>) -> Result<(), CodecError> {
    for entry in entries {
        let EntryPayload::Normal(batch) = &entry.payload else {
            continue;
        };
        for part in &batch.parts {
            let mine = part.origin == pipeline.origin();
            let known = mine.then(|| pipeline.items(part.first, part.items.len()));
            part.items.read(known.flatten())?;
        }
    }
    Ok(())
}

async fn take_part<G: Kind>(
    raft: Raft<Types<G>>,
    format: u16,
    incoming: &Mutex<Incoming>,
    tables: &dyn Tables,
    part: SnapshotPart,
) -> Result<Bytes, String> {
    let lock = || incoming.lock().unwrap_or_else(PoisonError::into_inner);
    let (id, vote, length, digest) = match part {
        SnapshotPart::Chunk { id, offset, bytes } => {
            lock().take_chunk(id, offset, &bytes)?;
            return answer(format, &SnapshotReceipt::Taken);
        }
        SnapshotPart::Rows { id, rows } => {
            let taken = lock().take_rows(&id, rows, tables);
            taken.map_err(|error| error.to_string())?;
            return answer(format, &SnapshotReceipt::Taken);
        }
        SnapshotPart::Install {
            id,
            vote,
            length,
            digest,
        } => (id, vote, length, digest),
    };
    let bytes = lock().finish(&id, length, digest)?;
    let image: Image<G::Machine> =
        codec::decode(FORMATS.newest, &bytes).map_err(|error| error.to_string())?;
    let snapshot = Snapshot {
        meta: image.meta,
        snapshot: Box::new(std::io::Cursor::new(bytes)),
    };
    let installed = raft.install_full_snapshot(vote, snapshot).await;
    let response = installed.map_err(|error| error.to_string())?;
    answer(format, &SnapshotReceipt::Installed(response))
}

impl<G: Kind> Desk for ProposalDesk<G> {
    fn told(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "commands are handed over by asking");
    }

    fn asked(&self, from: NodeId, body: Bytes) -> Answering {
        let format = self.in_use.get();
        let handover: Result<Handover<CommandOf<G>>, _> = codec::decode(FORMATS.newest, &body);
        let handover = handover.and_then(|handover| {
            handover.part.items.read(None)?;
            Ok(handover)
        });
        let answered = match handover {
            Err(error) => Err(self.unread.refuse(from, &error)),
            Ok(handover) if handover.part.origin.node != from => {
                Err(format!("the commands are not node {from}'s"))
            }
            Ok(handover) if handover.to != self.me => {
                Err(format!("voter {} is not here", handover.to))
            }
            Ok(handover) => answer(format, &self.intake.offer(handover.part, handover.afresh)),
        };
        Box::pin(async move { answered })
    }
}
