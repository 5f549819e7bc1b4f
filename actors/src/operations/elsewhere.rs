//! Operations that another node is to do: taken there over the links together with who asks, whom
//! the first node has let in. Not for doing them.

use std::sync::Arc;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::operations::{
    Caller, Errand, ErrorKind, Operation, OperationError, OperationExecutor, Outcome, Request,
    Response, VERSION,
};
use pollux_links::peers::{LinkError, Subject};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Executor;
use crate::desks::{AskError, Questions};
use crate::node::Node;

/// Both are JSON: see [`Passed`].
const QUESTIONS: Questions<String, String> = Questions::new(Subject::Errand, 1);
/// Less than the faces give an operation, so that they can say which node was silent.
const PATIENCE: Duration = Duration::from_secs(25);
/// Operations that a node does for others at one time; one more is refused.
const OPERATIONS_MAX: usize = 16;

/// What one node asks of another, as JSON, and a [`Response`] comes back: one form of an operation
/// is enough, that of the local socket.
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
        let passed = serde_json::to_string(&passed).map_err(internal)?;
        let asked = QUESTIONS.ask(node, to, node.configuration.group(), &passed);
        let unavailable = |message| OperationError::new(ErrorKind::Unavailable, message);
        let answer = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| {
            unavailable(format!(
                "node {to} has not answered in time; {name} may still be done"
            ))
        })?;
        let answer = answer.map_err(|error| match error {
            AskError::Link(LinkError::NotConnected(_)) => unavailable(format!(
                "node {to} is not connected to node {}; nothing was done",
                node.settings.node
            )),
            AskError::Link(LinkError::Lost(_)) => unavailable(format!(
                "the connection to node {to} was lost; {name} may be done or not"
            )),
            AskError::Link(other) => unavailable(other.to_string()),
            AskError::Record(error) => internal(error),
        })?;
        let response: Response = serde_json::from_str(&answer).map_err(internal)?;
        response.into_result()
    }
}

fn internal(error: impl std::fmt::Display) -> OperationError {
    let message = format!("what nodes say of operations is not understood: {error}");
    OperationError::new(ErrorKind::Internal, message)
}

/// Whoever asks was let in there; what it may do is looked at again here.
async fn execute(node: Arc<Node>, from: NodeId, passed: &str) -> Result<Outcome, OperationError> {
    let passed: Passed = serde_json::from_str(passed).map_err(internal)?;
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
    let places = Arc::new(Semaphore::new(OPERATIONS_MAX));
    let answer = move |node: Arc<Node>, from, passed: String| {
        let place = Arc::clone(&places).try_acquire_owned();
        async move {
            let result = match place {
                Ok(_place) => execute(node, from, &passed).await,
                Err(_none) => {
                    let message = "too many operations of other nodes are being done; try again \
                                   later";
                    Err(OperationError::new(ErrorKind::ResourceConstraint, message))
                }
            };
            serde_json::to_string(&Response::new(result)).map_err(|error| error.to_string())
        }
    };
    QUESTIONS.open(node, node.configuration.group(), answer);
}
