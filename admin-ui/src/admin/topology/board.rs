//! What the topology is made of, asked of the nodes seldom, however many look on: the asked node
//! says who there is, and each of the others what it knows of itself and of its subcluster. Not for
//! how it looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::timeout;
use futures_util::future::join_all;
use pollux_domain::operations::{
    Caller, ClusterNodeRow, Errand, ErrorKind, NodeStatus, Operation, OperationError, Outcome,
    SubclusterStatus,
};
use tokio::sync::Mutex;

use crate::administration::Administration;

/// What is not older is shown again. Half of it is how late a change is seen on average.
pub(crate) const FRESH: Duration = Duration::from_millis(500);
/// How long the asked node has for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the others have. One that died must not keep the page from showing it.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_millis(700);
/// For so long the last answer of a node counts that is busy, so that nothing on the page flickers.
const KEPT: Duration = Duration::from_secs(3);

/// What a node says of itself and its subcluster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) status: NodeStatus,
    pub(crate) subcluster: SubclusterStatus,
}

/// How the cluster is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Overview {
    /// The node that made the page.
    pub(crate) me: u16,
    pub(crate) nodes: Vec<ClusterNodeRow>,
    /// By the number of the node that says it; that of the asked one is always there.
    pub(crate) heard: BTreeMap<u16, Heard>,
}

#[derive(Debug, Default)]
struct Last {
    overview: Option<(Duration, Arc<Overview>)>,
    heard: BTreeMap<u16, (Duration, Heard)>,
}

/// The last answers. One asks, and the others wait for what it hears.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<Last>);

impl Board {
    /// Every role may see all of it, so that it does not matter for whom it was asked.
    pub(crate) async fn overview(
        &self,
        administration: &dyn Administration,
        caller: &Caller,
    ) -> Result<Arc<Overview>, OperationError> {
        let mut last = self.0.lock().await;
        if let Some((at, overview)) = last.overview.as_ref()
            && administration.now() < *at + FRESH
        {
            return Ok(overview.clone());
        }
        let own = heard(administration, caller, None, PATIENCE).await?;
        let nodes = nodes(administration, caller).await?;
        let me = own.status.node_id;
        let others = { nodes.iter() }.filter(|row| row.state == "connected");
        let asked = others.map(|row| async {
            let heard = heard(administration, caller, Some(row.node), PATIENCE_WITH_OTHERS);
            (row.node, heard.await)
        });
        let answers = join_all(asked).await;
        let now = administration.now();
        // Who cannot be reached says nothing any more, whatever it said last.
        last.heard.retain(|node, (at, _)| {
            now < *at + KEPT && answers.iter().any(|(connected, _)| connected == node)
        });
        for (node, answer) in answers {
            match answer {
                Ok(heard) => drop(last.heard.insert(node, (now, heard))),
                Err(error) => tracing::debug!(node, %error, "a node is not heard by a page"),
            }
        }
        let known = { last.heard.iter() }.map(|(node, (_, heard))| (*node, heard.clone()));
        let mut heard: BTreeMap<u16, Heard> = known.collect();
        heard.insert(me, own);
        let overview = Arc::new(Overview { me, nodes, heard });
        last.overview = Some((now, overview.clone()));
        Ok(overview)
    }

    /// Something was changed: what is known is old.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = Last::default();
    }
}

async fn heard(
    administration: &dyn Administration,
    caller: &Caller,
    at: Option<u16>,
    patience: Duration,
) -> Result<Heard, OperationError> {
    let one = |operation| {
        let errand = Errand { operation, at };
        ask(administration, caller, errand, patience)
    };
    let status = one(Operation::NodeStatus {});
    let subcluster = one(Operation::SubclusterStatus {});
    let (status, subcluster) = futures_util::join!(status, subcluster);
    match (status?, subcluster?) {
        (Outcome::Status(status), Outcome::Subcluster(subcluster)) => {
            Ok(Heard { status, subcluster })
        }
        (one, other) => Err(unexpected(&[one, other])),
    }
}

async fn nodes(
    administration: &dyn Administration,
    caller: &Caller,
) -> Result<Vec<ClusterNodeRow>, OperationError> {
    let errand = Operation::ClusterNodes {}.into();
    match ask(administration, caller, errand, PATIENCE).await? {
        Outcome::Nodes(nodes) => Ok(nodes),
        other => Err(unexpected(&[other])),
    }
}

/// An answer, or none in time.
pub(crate) async fn ask(
    administration: &dyn Administration,
    caller: &Caller,
    errand: Errand,
    patience: Duration,
) -> Result<Outcome, OperationError> {
    let asked = administration.execute(caller.clone(), errand);
    let late = || OperationError::new(ErrorKind::Unavailable, "the node does not answer");
    timeout(patience, asked).await.map_err(|_| late())?
}

pub(crate) fn unexpected(outcomes: &[Outcome]) -> OperationError {
    let message = format!("the node answers something else: {outcomes:?}");
    OperationError::new(ErrorKind::Internal, message)
}
