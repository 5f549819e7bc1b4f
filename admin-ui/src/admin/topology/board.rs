//! What the topology is made of, asked of the node seldom, however many look on. Not for how it
//! looks.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::timeout;
use pollux_domain::operations::{
    Caller, ClusterNodeRow, ErrorKind, NodeStatus, Operation, OperationError, Outcome,
    SubclusterStatus,
};
use tokio::sync::Mutex;

use crate::administration::Administration;

/// What is not older is shown again. Half of it is how late a change is seen on average.
pub(crate) const FRESH: Duration = Duration::from_millis(500);
/// How long the node has for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the cluster is, as the asked node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overview {
    pub(crate) status: NodeStatus,
    pub(crate) nodes: Vec<ClusterNodeRow>,
    pub(crate) subcluster: SubclusterStatus,
}

/// The last answer. One asks, and the others wait for what it hears.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<Option<(Duration, Arc<Overview>)>>);

impl Board {
    /// Every role may see all of it, so that it does not matter for whom it was asked.
    pub(crate) async fn overview(
        &self,
        administration: &dyn Administration,
        caller: &Caller,
    ) -> Result<Arc<Overview>, OperationError> {
        let mut last = self.0.lock().await;
        if let Some((at, overview)) = last.as_ref()
            && administration.now() < *at + FRESH
        {
            return Ok(overview.clone());
        }
        let overview = Arc::new(ask(administration, caller).await?);
        *last = Some((administration.now(), overview.clone()));
        Ok(overview)
    }

    /// Something was changed: what is known is old.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

async fn ask(
    administration: &dyn Administration,
    caller: &Caller,
) -> Result<Overview, OperationError> {
    let one = async |operation| {
        let asked = administration.execute(caller.clone(), operation);
        let late = || OperationError::new(ErrorKind::Unavailable, "the node does not answer");
        timeout(PATIENCE, asked).await.map_err(|_| late())?
    };
    let other = |outcome: Outcome| {
        let message = format!("the node answers something else: {outcome:?}");
        OperationError::new(ErrorKind::Internal, message)
    };
    Ok(Overview {
        status: match one(Operation::NodeStatus {}).await? {
            Outcome::Status(status) => status,
            outcome => return Err(other(outcome)),
        },
        nodes: match one(Operation::ClusterNodes {}).await? {
            Outcome::Nodes(nodes) => nodes,
            outcome => return Err(other(outcome)),
        },
        subcluster: match one(Operation::SubclusterStatus {}).await? {
            Outcome::Subcluster(status) => status,
            outcome => return Err(other(outcome)),
        },
    })
}
