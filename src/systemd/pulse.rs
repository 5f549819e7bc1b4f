//! Says to the service manager that the node moves, as long as each of its threads does, and how
//! many sessions it has. A node that hangs is ended by the manager and started again; its twin has
//! long taken over. Not for whether a lease is held: see `pollux_raft::duty`.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_actors::node::Node;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::notify::Notifier;
use crate::groups::Groups;

/// Where nobody watches, the status is still said.
const INTERVAL: Duration = Duration::from_secs(10);

/// Runs until it is dropped.
pub async fn run(node: &Arc<Node>, groups: &Groups, notifier: &Notifier) -> Infallible {
    if !notifier.is_heard() {
        return std::future::pending().await;
    }
    let watchdog = notifier.watchdog_interval();
    let interval = watchdog.unwrap_or(INTERVAL);
    let mut said = String::new();
    loop {
        if watchdog.is_some() {
            match moves(node, groups, interval).await {
                true => notifier.moves(),
                false => tracing::warn!("a thread has not moved in time"),
            }
        }
        let now = status(node);
        if now != said {
            notifier.status(&now);
            said = now;
        }
        sleep(interval).await;
    }
}

/// Whether each thread answers within `patience`.
async fn moves(node: &Arc<Node>, groups: &Groups, patience: Duration) -> bool {
    let mut answers = Vec::new();
    for arbiter in 0..node.placement.arbiter_count() {
        let (tell, told) = oneshot::channel();
        let job = move || {
            let _late = tell.send(());
        };
        node.placement.run(arbiter, Box::new(job));
        answers.push(told);
    }
    let (tell, told) = oneshot::channel();
    groups.spawn(async move {
        let _late = tell.send(());
    });
    answers.push(told);
    let all = async {
        for answer in answers {
            if answer.await.is_err() {
                return false;
            }
        }
        true
    };
    timeout(patience, all).await.unwrap_or(false)
}

fn status(node: &Node) -> String {
    if node.settings.is_witness {
        return "votes, and serves nobody".to_owned();
    }
    let streams = node.metrics.session_streams.load(Ordering::Relaxed);
    match node.metrics.relayed_streams.load(Ordering::Relaxed) {
        0 => format!("clients: {streams}"),
        relayed => format!("clients: {streams}, passed on: {relayed}"),
    }
}
