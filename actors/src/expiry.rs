//! What happens because time passes: sessions whose client did not come back end, and what had no
//! room is said again; sessions are reminded of what they asked for.

use std::sync::Arc;
use std::time::Duration;

use pollux_domain::contract::Command;

use crate::node::Node;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    tokio::select! {
        () = look(&node) => {}
        () = node.reminders.run(node.ambient.clock.as_ref()) => {}
    }
}

/// Only who holds the lease of a home says that its sessions are over;
/// and the time in which nobody held it does not count against them.
async fn look(node: &Node) {
    let mut served = false;
    while !node.is_stopping() {
        tokio::time::sleep(INTERVAL).await;
        for command in node.take_unsaid() {
            node.tell_later(command);
        }
        let now = node.ambient.clock.now();
        let tenures = node.tenures.all();
        let serves = tenures.iter().any(|tenure| tenure.holds(now));
        if serves && !served {
            let from = node.subcluster.read(|state| state.group_time());
            node.subcluster.continue_time(from);
        }
        served = serves;
        let now_group = node.subcluster.time();
        for session in node.subcluster.read(|state| state.expired(now_group)) {
            let home = node
                .subcluster
                .read(|state| state.session(session.id).map(|session| session.home));
            let mine = home.is_some_and(|home| node.tenures.of(home).holds(now));
            if mine {
                // Said again at the next look where there is no room now.
                let _full = node.subcluster.propose(Command::Expired { session });
            }
        }
    }
}
