//! What the replicas of a subcluster tell each other when an operator asks one of them: the
//! checksum of their database, and how far they are. Not for what is made of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::ids::{NodeId, WallMs};
use pollux_domain::redundancy::Answer;
use pollux_domain::seams::Clock;
use pollux_domain::services::Service;
use pollux_links::peers::{Desk, Lane, Subject, Topic};
use pollux_raft::group::Group;
use pollux_raft::machine::Subcluster;
use pollux_store::codec;
use serde::{Deserialize, Serialize};

use crate::node::Node;
use crate::services::Services;

// 2: questions of several kinds. 3: services, and the wall clock.
const VERSION: u16 = 3;

/// What one asks of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Question {
    /// The checksum of the database after this entry.
    Digest(u64),
    /// How far it is.
    About,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Told {
    /// None: that entry is not applied yet.
    Digest(Option<u32>),
    About {
        applied: u64,
        down: Option<Service>,
        wall: WallMs,
    },
}

/// What this node says of itself.
pub(super) fn about(node: &Node) -> Answer {
    answer(&node.subcluster, &node.services, &*node.ambient.clock)
}

fn answer(group: &Group<Subcluster>, services: &Services, clock: &dyn Clock) -> Answer {
    let (_, applied, _) = group.indexes();
    Answer {
        applied,
        down: services.down(clock.now()).map(|down| down.service),
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
struct ReplicaDesk {
    group: Group<Subcluster>,
    services: Arc<Services>,
    clock: Arc<dyn Clock>,
}

impl Desk for ReplicaDesk {
    fn told(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "replicas are asked, not told");
    }

    fn asked(
        &self,
        _from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let (group, services) = (self.group.clone(), self.services.clone());
        let clock = self.clock.clone();
        Box::pin(async move {
            let question = codec::decode(VERSION, &body).map_err(|error| error.to_string())?;
            let told = match question {
                Question::Digest(index) => {
                    let digest = group.digest_at(index);
                    Told::Digest(digest.map_err(|error| error.to_string())?)
                }
                Question::About => {
                    let Answer { applied, down } = answer(&group, &services, &*clock);
                    Told::About {
                        applied,
                        down,
                        wall: clock.wall(),
                    }
                }
            };
            let record = codec::encode(VERSION, &told).map_err(|error| error.to_string())?;
            Ok(record.into())
        })
    }
}

/// Opens the desk of a replica that is here.
pub(crate) fn open(node: &Node, group: &Group<Subcluster>) {
    let desk = ReplicaDesk {
        group: group.clone(),
        services: node.services.clone(),
        clock: node.ambient.clock.clone(),
    };
    node.desks.open(topic(group), Arc::new(desk));
}
