//! What other groups ask about users of this one is answered by whoever serves the user, from the
//! database as it is then. A question waits in the database until it is answered: where this node
//! dies on the way, its twin answers. Not for the answers: see `session::questions`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pollux_domain::contract::Command;
use pollux_domain::ids::StanzaId;

use crate::node::Node;
use crate::session::render;

/// How often it looks without being told.
const INTERVAL: Duration = Duration::from_millis(250);
/// After so long an answer counts as lost on its way to the group.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    let mut said: BTreeMap<StanzaId, Duration> = BTreeMap::new();
    while !node.is_stopping() {
        answer(&node, &mut said);
        tokio::select! {
            () = node.directory.inquiry() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// `said`: when each was answered that waits still.
fn answer(node: &Node, said: &mut BTreeMap<StanzaId, Duration>) {
    let now = node.ambient.clock.now();
    let mut waiting = BTreeMap::new();
    let tenures = node.tenures.all();
    for tenure in tenures.iter().filter(|tenure| tenure.holds(now)) {
        let (home, Some(epoch)) = (tenure.home(), tenure.epoch()) else {
            continue;
        };
        for (inquiry, parcel) in node.subcluster.read(|state| state.inquiries(home)) {
            if let Some(at) = said.get(&inquiry)
                && now < *at + PATIENCE
            {
                waiting.insert(inquiry, *at);
                continue;
            }
            let bytes = match render::inquiry(node, &parcel) {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::error!(%error, "failed to answer another group");
                    waiting.insert(inquiry, now);
                    continue;
                }
            };
            let answered = Command::Answered {
                home,
                epoch,
                inquiry,
                bytes,
            };
            // Where there is no room now it is said at the next look.
            if node.subcluster.propose(answered).is_ok() {
                waiting.insert(inquiry, now);
            }
        }
    }
    *said = waiting;
}
