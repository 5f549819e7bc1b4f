//! Carries what one group has to tell another: the leader of a group ships its lines in order to
//! any node of the target's subcluster, which has them taken, and notes what was (design, section
//! 5, rule 2). It may ship twice or lose anything on the way: numbers in both groups see to it that
//! each line is taken once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pollux_domain::contract::{Command, GroupName, OutboxLine, Reply};
use pollux_domain::ids::{GroupId, Incarnation, NodeId, SubclusterId};
use pollux_domain::limits;
use pollux_links::peers::{Lane, Subject};
use pollux_raft::plants::{Plant, is_planted};
use pollux_raft::state::Shipment;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::desks::Questions;
use crate::node::Node;

const QUESTIONS: Questions<Parcels, Reply> = Questions::new(Subject::Outbox, 1);
/// How long a target may take over one shipment: a commit, and a change of leaders at worst.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before another try with a target that cannot be reached.
const PAUSE: Duration = Duration::from_millis(100);

/// A shipment as it travels.
#[derive(Serialize, Deserialize)]
struct Parcels {
    source: GroupName,
    told: u64,
    first: u64,
    lines: Vec<Arc<OutboxLine>>,
}

/// Runs until the node stops. Only the group's leader ships.
pub async fn run(node: Arc<Node>) {
    let mut shipping = JoinSet::new();
    let mut under_way: BTreeSet<SubclusterId> = BTreeSet::new();
    while !node.is_stopping() {
        if node.subcluster.is_leading() {
            name(&node).await;
            for target in node.subcluster.read(|state| state.outbox_targets()) {
                if under_way.insert(target) {
                    let node = node.clone();
                    shipping.spawn(async move {
                        ship(&node, target).await;
                        target
                    });
                }
            }
        }
        tokio::select! {
            biased;
            Some(done) = shipping.join_next() => {
                if let Ok(target) = done {
                    under_way.remove(&target);
                }
            }
            () = node.directory.outbox_growth() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// A group has a name as soon as there are others that it could talk to; a new one after it had to
/// go on from less than it may have said.
async fn name(node: &Node) {
    let id = node.settings.subcluster;
    let (wanted, reforms) = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let reforms = topology.subcluster(id).map_or(0, |entry| entry.reforms);
        (topology.subclusters().count() > 1, reforms)
    });
    let name = GroupName {
        id,
        incarnation: Incarnation(reforms + 1),
    };
    let known = node.subcluster.read(|state| state.group_name());
    if !wanted || known.is_some_and(|known| name.incarnation <= known.incarnation) {
        return;
    }
    if let Err(error) = node.subcluster.execute(Command::Name(name)).await {
        tracing::debug!(%error, "group has no name yet");
    }
}

/// Ships to one group until nothing waits, or it cannot be reached.
async fn ship(node: &Node, target: SubclusterId) {
    loop {
        let shipment = node.subcluster.read(|state| {
            state.outbox_lines(target, 0, limits::TAKE_LINES_MAX, limits::TAKE_BYTES_MAX)
        });
        let Some(shipment) = shipment else { return };
        let incarnation = shipment.source.incarnation;
        let Some(reply) = hand_over(node, target, shipment).await else {
            tokio::time::sleep(PAUSE).await;
            return;
        };
        let Reply::Taken {
            through, refused, ..
        } = reply
        else {
            tracing::debug!(%target, ?reply, "lines were not taken");
            tokio::time::sleep(PAUSE).await;
            return;
        };
        let told = Command::Told {
            target,
            incarnation,
            through,
            refused,
        };
        if node.subcluster.execute(told).await.is_err() || !node.subcluster.is_leading() {
            return;
        }
    }
}

/// To the first node of the target that answers.
async fn hand_over(node: &Node, target: SubclusterId, shipment: Shipment) -> Option<Reply> {
    let parcels = Parcels {
        source: shipment.source,
        told: shipment.told,
        first: shipment.first,
        lines: shipment.lines,
    };
    let group = GroupId::Subcluster(target);
    for member in members(node, target) {
        if !node.peers.is_connected(member, Lane::Bulk) {
            continue;
        }
        let asked = QUESTIONS.ask(node, member, group, &parcels);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(reply)) => return Some(reply),
            Ok(Err(error)) => tracing::debug!(%target, %member, %error, "lines were not shipped"),
            Err(_late) => tracing::debug!(%target, %member, "target took too long"),
        }
        if is_planted(Plant::ToldUnanswered) {
            return Some(Reply::Taken {
                source: parcels.source,
                through: parcels.first + parcels.lines.len() as u64 - 1,
                refused: Vec::new(),
            });
        }
    }
    None
}

fn members(node: &Node, subcluster: SubclusterId) -> Vec<NodeId> {
    node.configuration.read(|configuration| {
        let members = configuration.topology().members(subcluster);
        members.map(|(member, _)| member).collect()
    })
}

/// Has lines of other groups taken by this one, from nodes that may speak for them.
async fn take(node: Arc<Node>, from: NodeId, parcels: Parcels) -> Result<Reply, String> {
    if !members(&node, parcels.source.id).contains(&from) {
        return Err(format!(
            "node {from} is not of subcluster {}",
            parcels.source.id
        ));
    }
    let take = Command::Take {
        source: parcels.source,
        told: parcels.told,
        first: parcels.first,
        lines: parcels.lines,
    };
    let taken = node.subcluster.execute(take).await;
    taken.map_err(|error| error.to_string())
}

/// Opens the desk of a node.
pub(crate) fn open(node: &Arc<Node>) {
    QUESTIONS.open(node, node.subcluster.group(), take);
}
