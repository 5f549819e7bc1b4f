//! Operations that another node is to do: taken there over the links together with who asks, whom
//! the first node has let in. Not for doing them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::operations::{
    Caller, Errand, ErrorKind, Operation, OperationError, OperationExecutor, Outcome, Request,
    Response, VERSION,
};
use pollux_links::peers::{Desk, Lane, LinkError, Subject, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Executor;
use crate::node::Node;

/// Less than the faces give an operation, so that they can say which node was silent.
const PATIENCE: Duration = Duration::from_secs(25);
/// Operations that a node does for others at one time; one more is refused.
const OPERATIONS_MAX: usize = 16;

/// What one node asks of another. JSON, as on the local socket: one form of an operation is enough.
#[derive(Serialize, Deserialize)]
struct Passed {
    caller: Caller,
    request: Request,
}

impl Executor {
    /// Has it done there.
    pub(super) async fn pass(
        &self,
        to: NodeId,
        caller: &Caller,
        operation: Operation,
    ) -> Result<Outcome, OperationError> {
        let node = &self.node;
        let is_known = node.configuration.read(|configuration| {
            let entry = configuration.topology().node(to);
            entry.is_some_and(|entry| !entry.removed)
        });
        if !is_known {
            let message = format!("there is no node {to} in this cluster");
            return Err(OperationError::new(ErrorKind::NotFound, message));
        }
        let name = operation.name();
        let passed = Passed {
            caller: caller.clone(),
            request: Request::new(operation.into()),
        };
        let body = serde_json::to_vec(&passed).map_err(internal)?;
        let asked = node.peers.ask(to, Lane::Bulk, topic(node), body.into());
        let unavailable = |message| OperationError::new(ErrorKind::Unavailable, message);
        let answer = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| {
            unavailable(format!(
                "node {to} has not answered in time; {name} may still be done"
            ))
        })?;
        let answer = answer.map_err(|error| match error {
            LinkError::NotConnected(_) => unavailable(format!(
                "node {to} is not connected to node {}; nothing was done",
                node.settings.node
            )),
            LinkError::Lost(_) => unavailable(format!(
                "the connection to node {to} was lost; {name} may be done or not"
            )),
            other => unavailable(other.to_string()),
        })?;
        let response: Response = serde_json::from_slice(&answer).map_err(internal)?;
        response.into_result()
    }
}

fn internal(error: serde_json::Error) -> OperationError {
    let message = format!("what nodes say of operations is not understood: {error}");
    OperationError::new(ErrorKind::Internal, message)
}

fn topic(node: &Node) -> Topic {
    Topic {
        subject: Subject::Errand,
        group: node.configuration.group(),
    }
}

/// Does what other nodes pass on.
struct ErrandDesk {
    node: Weak<Node>,
    places: Arc<Semaphore>,
}

impl Desk for ErrandDesk {
    fn told(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "operations are asked for, not told");
    }

    fn asked(
        &self,
        from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let node = self.node.upgrade();
        let place = Arc::clone(&self.places).try_acquire_owned();
        Box::pin(async move {
            let result = match (node, place) {
                (None, _) => Err((ErrorKind::Unavailable, "the node stops")),
                (_, Err(_)) => Err((
                    ErrorKind::ResourceConstraint,
                    "too many operations of other nodes are being done; try again later",
                )),
                (Some(node), Ok(place)) => Ok((node, place)),
            };
            let result = match result {
                Ok((node, _place)) => execute(node, from, &body).await,
                Err((kind, message)) => Err(OperationError::new(kind, message)),
            };
            let response = serde_json::to_vec(&Response::new(result));
            response.map(Bytes::from).map_err(|error| error.to_string())
        })
    }
}

/// Whoever asks was let in there; what it may do is looked at again here.
async fn execute(node: Arc<Node>, from: NodeId, body: &[u8]) -> Result<Outcome, OperationError> {
    let passed: Passed = serde_json::from_slice(body).map_err(internal)?;
    let Passed { caller, request } = passed;
    if request.version != VERSION {
        let message = format!(
            "node {} speaks version {VERSION} of operations, node {from} version {}",
            node.settings.node, request.version
        );
        return Err(OperationError::new(ErrorKind::Unavailable, message));
    }
    tracing::debug!(%from, operation = request.operation.name(), "operation was passed on");
    let errand = Errand::from(request.operation);
    Executor::new(node).execute(&caller, errand).await
}

/// Opens the desk of a node.
pub(crate) fn open(node: &Arc<Node>) {
    let desk = ErrandDesk {
        node: Arc::downgrade(node),
        places: Arc::new(Semaphore::new(OPERATIONS_MAX)),
    };
    node.desks.open(topic(node), Arc::new(desk));
}
