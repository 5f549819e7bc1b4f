//! The bytes of a relayed client, unread and both ways, and the last word of a node that stops. Not
//! for where they go: see `relay`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_links::net::Socket;
use tokio::io::{AsyncWriteExt, copy, split};

use super::wire::Wire;
use crate::node::Node;

/// For so long a node that stops waits for the last that the serving node has for a client.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Why a relay is over.
#[derive(Debug, PartialEq, Eq)]
pub enum Over {
    /// A side has ended, or another node serves.
    Ended,
    /// This node stops. The client has all that the serving node had for it.
    Stops,
}

/// Bytes both ways, until either side ends, another node serves or this one stops.
pub async fn carry(
    node: &Node,
    home: NodeId,
    wire: &mut Wire,
    other: &mut Box<dyn Socket>,
) -> Over {
    let begun = node.subcluster.read(|state| state.serving(home));
    let mut serving = node.directory.serving();
    let mut stops = pin!(node.stops());
    let (mut client_says, mut client_hears) = split(&mut wire.socket);
    let (mut there_says, mut there_hears) = split(other);
    let down = async {
        copy(&mut there_says, &mut client_hears).await?;
        match node.is_stopping() {
            // This node has a last word.
            true => Ok(()),
            false => client_hears.shutdown().await,
        }
    };
    let mut down = pin!(down);
    let (mut is_told, mut is_heard) = (false, false);
    {
        let up = async {
            copy(&mut client_says, &mut there_hears).await?;
            there_hears.shutdown().await
        };
        let mut up = pin!(up);
        loop {
            let passed = tokio::select! {
                biased;
                passed = &mut down, if !is_told => {
                    is_told = true;
                    passed
                }
                passed = &mut up, if !is_heard => {
                    is_heard = true;
                    passed
                }
                () = &mut stops => break,
                changed = serving.changed() => {
                    let now = node.subcluster.read(|state| state.serving(home));
                    if changed.is_err() || now != begun {
                        tracing::debug!("relayed stream ends: another node serves");
                        return Over::Ended;
                    }
                    Ok(())
                }
            };
            if passed.is_err() || (is_told && is_heard) {
                tracing::debug!(?passed, "relayed stream ends");
                return Over::Ended;
            }
        }
    }
    if is_told {
        return Over::Ended;
    }
    // To the serving node the client is gone: it says no more, and whole elements until then. The
    // client's session waits for it where it may.
    let last = async {
        let _gone = there_hears.shutdown().await;
        down.await
    };
    let _late = tokio::time::timeout(LAST_WAIT, last).await;
    Over::Stops
}

/// Counts a relayed stream as long as it lives.
pub struct Relayed(Arc<Node>);

impl Relayed {
    pub fn begin(node: &Arc<Node>) -> Relayed {
        let gauge = &node.metrics.relayed_streams;
        gauge.fetch_add(1, Ordering::Relaxed);
        Relayed(node.clone())
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        let gauge = &self.0.metrics.relayed_streams;
        gauge.fetch_sub(1, Ordering::Relaxed);
    }
}
