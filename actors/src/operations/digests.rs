//! Compares the databases of all replicas: each keeps its state after one entry of the log, and
//! tells its checksum when it is asked. Equal at an equal index, or something is very wrong.

use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::operations::{DigestRow, OperationError, Outcome};

use super::Executor;
use super::replicas::{self, Question, Told};
use crate::users::UserError;

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
        for _try in 0..TRIES {
            let asked = replicas::ask(&self.node, node, Question::Digest(index));
            let told = tokio::time::timeout(Duration::from_secs(1), asked).await;
            if let Ok(Some(Told::Digest(Some(digest)))) = told {
                return Some(digest);
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }
}
