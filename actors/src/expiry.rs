//! What happens because time passes: sessions whose client did not come back end, and what had no
//! room is said again.

use std::sync::Arc;
use std::time::Duration;

use pollux_domain::contract::Command;

use crate::node::Node;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    while !node.is_stopping() {
        tokio::time::sleep(INTERVAL).await;
        for command in node.take_unsaid() {
            node.tell_later(command);
        }
        let now = node.subcluster.time();
        for session in node.subcluster.read(|state| state.expired(now)) {
            // Said again at the next look where there is no room now.
            let _full = node.subcluster.propose(Command::Expired { session });
        }
    }
}
