//! What an operator sees of the links. Values only.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use serde::{Deserialize, Serialize};

use crate::link::{Counts, Link};
use crate::refusal::Refusal;

/// One other node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRow {
    pub node: NodeId,
    pub address: String,
    /// The last one, of either side; it may be over.
    pub refusal: Option<Refusal>,
    /// Why it could not be reached, until it was.
    pub unreachable: Option<String>,
    /// Control, bulk.
    pub lanes: [LaneRow; 2],
}

/// One lane to one other node. Bytes and counts are sums since this process knows the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneRow {
    /// How long the connection has stood; none: there is none.
    pub connected_ms: Option<u64>,
    pub connections: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Connections that ended because something came that is no frame.
    pub garbage: u64,
    pub queued: usize,
    pub queued_bytes: usize,
    /// Of the last ping.
    pub round_trip_us: Option<u64>,
}

impl LaneRow {
    pub(crate) fn new(link: Option<&Link>, counts: &Counts, now: Duration) -> LaneRow {
        let (queued, queued_bytes) = link.map_or((0, 0), Link::queue_lengths);
        LaneRow {
            connected_ms: link.map(|link| now.saturating_sub(link.since).as_millis() as u64),
            connections: counts.connections.load(Ordering::Relaxed),
            bytes_in: counts.bytes_in.load(Ordering::Relaxed),
            bytes_out: counts.bytes_out.load(Ordering::Relaxed),
            garbage: counts.garbage.load(Ordering::Relaxed),
            queued,
            queued_bytes,
            round_trip_us: link
                .and_then(Link::round_trip)
                .map(|time| time.as_micros() as u64),
        }
    }
}
