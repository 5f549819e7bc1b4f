//! What the replicas of a subcluster tell each other when an operator asks one of them: the
//! checksum of their database, and how far they are. Not for what is made of it.

use std::sync::Arc;

use pollux_domain::ids::{NodeId, WallMs};
use pollux_domain::redundancy::Answer;
use pollux_domain::services::Service;
use pollux_links::peers::Subject;
use pollux_raft::group::Group;
use pollux_raft::machine::Subcluster;
use serde::{Deserialize, Serialize};

use crate::desks::Questions;
use crate::node::Node;

// 2: questions of several kinds. 3: services, and the wall clock.
const QUESTIONS: Questions<Question, Told> = Questions::new(Subject::Operation, 3);

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
    answer(node, &node.subcluster)
}

fn answer(node: &Node, group: &Group<Subcluster>) -> Answer {
    let (_, applied, _) = group.indexes();
    let down = node.services.down(node.ambient.clock.now());
    Answer {
        applied,
        down: down.map(|down| down.service),
    }
}

/// Asks another replica; none where it does not answer so that it can be understood.
pub(super) async fn ask(node: &Node, other: NodeId, question: Question) -> Option<Told> {
    let group = node.subcluster.group();
    QUESTIONS.ask(node, other, group, &question).await.ok()
}

/// Opens the desk of a replica that is here.
pub(crate) fn open(node: &Arc<Node>, group: &Group<Subcluster>) {
    let replica = group.clone();
    let answer = move |node: Arc<Node>, _from, question| {
        let replica = replica.clone();
        async move { tell(&node, &replica, question) }
    };
    QUESTIONS.open(node, group.group(), answer);
}

fn tell(node: &Node, group: &Group<Subcluster>, question: Question) -> Result<Told, String> {
    match question {
        Question::Digest(index) => {
            let digest = group.digest_at(index);
            Ok(Told::Digest(digest.map_err(|error| error.to_string())?))
        }
        Question::About => {
            let Answer { applied, down } = answer(node, group);
            Ok(Told::About {
                applied,
                down,
                wall: node.ambient.clock.wall(),
            })
        }
    }
}
