//! Compares the databases of all replicas: each keeps its state after one entry of the log, and
//! tells its checksum when it is asked. Equal at an equal index, or something is very wrong.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::operations::{DigestRow, OperationError, Outcome};
use pollux_links::peers::{Desk, Lane, Subject, Topic};
use pollux_raft::group::Group;
use pollux_raft::machine::Subcluster;
use pollux_store::codec;

use super::Executor;
use crate::node::Node;
use crate::users::UserError;

const VERSION: u16 = 1;
/// A replica that lags has this long.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl Executor {
    pub(super) async fn verify(&self) -> Result<Outcome, OperationError> {
        let group = &self.node.subcluster;
        let index = group.mark().await.map_err(UserError::from)?;
        let mut rows = Vec::new();
        for member in group.members() {
            let node = member.voter.node;
            let digest = match node == self.node.settings.node {
                true => group.digest_at(index).ok().flatten(),
                false => self.digest_of(node, index).await,
            };
            rows.push(DigestRow {
                node: node.0,
                index,
                digest,
            });
        }
        Ok(Outcome::Digests(rows))
    }

    async fn digest_of(&self, node: NodeId, index: u64) -> Option<u32> {
        let topic = topic(&self.node);
        let body = Bytes::from(codec::encode(VERSION, &index).ok()?);
        for _try in 0..TRIES {
            let asked = self.node.peers.ask(node, Lane::Bulk, topic, body.clone());
            let answer = tokio::time::timeout(Duration::from_secs(1), asked).await;
            if let Ok(Ok(answer)) = answer
                && let Ok(Some(digest)) = codec::decode::<Option<u32>>(VERSION, &answer)
            {
                return Some(digest);
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }
}

fn topic(node: &Node) -> Topic {
    Topic {
        subject: Subject::Operation,
        group: node.subcluster.group(),
    }
}

/// Answers other nodes.
struct DigestDesk(Group<Subcluster>);

impl Desk for DigestDesk {
    fn told(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "checksums are asked for, not told");
    }

    fn asked(
        &self,
        _from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let group = self.0.clone();
        Box::pin(async move {
            let index: u64 = codec::decode(VERSION, &body).map_err(|error| error.to_string())?;
            let digest = group.digest_at(index).map_err(|error| error.to_string())?;
            let record = codec::encode(VERSION, &digest).map_err(|error| error.to_string())?;
            Ok(record.into())
        })
    }
}

/// Opens the desk of a node.
pub(crate) fn open(node: &Arc<Node>) {
    let desk = DigestDesk(node.subcluster.clone());
    node.desks.open(topic(node), Arc::new(desk));
}
