//! What the replicas of a subcluster tell each other when an operator asks one of them: the
//! checksum of their database, their version and how far they are. Not for what is made of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::redundancy::Answer;
use pollux_links::peers::{Desk, Desks, Lane, Subject, Topic};
use pollux_raft::group::Group;
use pollux_raft::machine::Subcluster;
use pollux_store::codec;
use serde::{Deserialize, Serialize};

use crate::node::Node;

// 2: questions of several kinds.
const VERSION: u16 = 2;

/// What one asks of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Question {
    /// The checksum of the database after this entry.
    Digest(u64),
    /// Of which version it is, and how far.
    About,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Told {
    /// None: that entry is not applied yet.
    Digest(Option<u32>),
    About {
        version: String,
        applied: u64,
    },
}

/// What this node says of itself.
pub(super) fn about(node: &Node) -> Answer {
    let (_, applied, _) = node.subcluster.indexes();
    Answer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        applied,
    }
}

/// Asks another replica; none where it does not answer so that it can be understood.
pub(super) async fn ask(node: &Node, other: NodeId, question: Question) -> Option<Told> {
    let body = Bytes::from(codec::encode(VERSION, &question).ok()?);
    let asked = node
        .peers
        .ask(other, Lane::Bulk, topic(&node.subcluster), body);
    codec::decode(VERSION, &asked.await.ok()?).ok()
}

fn topic(group: &Group<Subcluster>) -> Topic {
    Topic {
        subject: Subject::Operation,
        group: group.group(),
    }
}

/// Answers other nodes.
struct ReplicaDesk(Group<Subcluster>);

impl Desk for ReplicaDesk {
    fn told(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "replicas are asked, not told");
    }

    fn asked(
        &self,
        _from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let group = self.0.clone();
        Box::pin(async move {
            let question = codec::decode(VERSION, &body).map_err(|error| error.to_string())?;
            let told = match question {
                Question::Digest(index) => {
                    let digest = group.digest_at(index);
                    Told::Digest(digest.map_err(|error| error.to_string())?)
                }
                Question::About => Told::About {
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    applied: group.indexes().1,
                },
            };
            let record = codec::encode(VERSION, &told).map_err(|error| error.to_string())?;
            Ok(record.into())
        })
    }
}

/// Opens the desk of a replica that is here.
pub(crate) fn open(desks: &Desks, group: &Group<Subcluster>) {
    let desk = ReplicaDesk(group.clone());
    desks.open(topic(group), Arc::new(desk));
}
