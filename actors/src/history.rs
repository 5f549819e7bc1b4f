//! Takes the measurements of the node at steady steps and keeps what became of them, for the pages
//! and `pollux ctl history`. What is made of them stands in `domain::history`.

use std::sync::{Arc, PoisonError};

use pollux_domain::history::{HistoryRow, STEP};

use crate::node::Node;

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    while !node.is_stopping() {
        let samples = node.samples();
        let now = node.ambient.clock.now();
        { node.history.lock() }
            .unwrap_or_else(PoisonError::into_inner)
            .note(now, &samples);
        tokio::time::sleep(STEP).await;
    }
}

pub(crate) fn rows(node: &Node) -> Vec<HistoryRow> {
    let history = node.history.lock();
    history.unwrap_or_else(PoisonError::into_inner).rows()
}

/// Messages of clients in the last minute; none before the first is over.
pub(crate) fn messages_in_last_slice(node: &Node) -> Option<u64> {
    let history = node.history.lock();
    let history = history.unwrap_or_else(PoisonError::into_inner);
    history.messages_in_last_slice()
}

/// How long flushes took in the last minute: see `NodeStatus::flush_ms`.
pub(crate) fn flush_ms(node: &Node) -> Option<f64> {
    let history = node.history.lock();
    let history = history.unwrap_or_else(PoisonError::into_inner);
    history.flush_ms()
}
