//! The node as those who administer it from afar reach it: joins `admin-ui` to the executor of
//! operations and to who administers. Not for what an operation does, nor for HTTP.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use pollux_actors::administrators::{self, SignedIn};
use pollux_actors::node::Node;
use pollux_admin_ui::{Administration, Administrator, Pending};
use pollux_domain::operations::{
    AdministratorName, Caller, Denial, Errand, ErrorKind, OperationError, OperationExecutor,
    Outcome, Secret,
};
use tokio::sync::{mpsc, oneshot};

use crate::control::execute_in_time;

/// Operations that are done at one time.
const OPERATIONS_MAX: usize = 16;
/// Operations that wait for a place; one more is refused.
const WAITING_MAX: usize = 64;

/// An errand on its way to the thread of the executor, and where its answer goes.
pub struct Request {
    caller: Caller,
    errand: Errand,
    answer: oneshot::Sender<Result<Outcome, OperationError>>,
}

/// See the module.
pub struct NodeAdministration {
    node: Arc<Node>,
    requests: mpsc::Sender<Request>,
}

/// The node for the server, and what [`run`] takes.
pub fn make(node: Arc<Node>) -> (NodeAdministration, mpsc::Receiver<Request>) {
    let (requests, wanted) = mpsc::channel(WAITING_MAX);
    (NodeAdministration { node, requests }, wanted)
}

/// Executes what is asked for, on this thread, until it is dropped.
pub async fn run(
    mut wanted: mpsc::Receiver<Request>,
    executor: &impl OperationExecutor,
) -> Infallible {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(request) = wanted.recv(), if running.len() < OPERATIONS_MAX => {
                running.push(async move {
                    let Request { caller, errand, answer } = request;
                    // Whoever has gone does not want to know; it is done all the same.
                    let _gone = answer.send(execute_in_time(executor, &caller, errand).await);
                });
            }
            Some(()) = running.next(), if !running.is_empty() => {}
            // There is no server that could ask.
            else => std::future::pending().await,
        }
    }
}

impl Administration for NodeAdministration {
    fn execute(&self, caller: Caller, errand: Errand) -> Pending<Result<Outcome, OperationError>> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            caller,
            errand,
            answer,
        };
        let sent = self.requests.try_send(request);
        Box::pin(async move {
            let error = |kind, message: &str| Err(OperationError::new(kind, message));
            match sent {
                Ok(()) => answered
                    .await
                    .unwrap_or_else(|_| error(ErrorKind::Unavailable, "the node stops")),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    let message = "too many operations wait; try again later";
                    error(ErrorKind::ResourceConstraint, message)
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    error(ErrorKind::Unavailable, "the node stops")
                }
            }
        })
    }

    fn sign_in(
        &self,
        name: String,
        password: Secret,
        address: IpAddr,
    ) -> Pending<Result<Administrator, Denial>> {
        let node = self.node.clone();
        Box::pin(async move {
            let signed_in = administrators::sign_in(&node, &name, password, address);
            signed_in.await.map(administrator)
        })
    }

    fn of_token(&self, token: String, address: IpAddr) -> Pending<Result<Caller, Denial>> {
        let node = self.node.clone();
        Box::pin(async move { administrators::of_token(&node, &token, address).await })
    }

    fn administrator(&self, name: &AdministratorName) -> Option<Administrator> {
        administrators::known(&self.node, name).map(administrator)
    }

    fn now(&self) -> Duration {
        self.node.ambient.clock.now()
    }

    fn wall_ms(&self) -> u64 {
        self.node.ambient.clock.wall().0
    }

    fn secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        self.node.ambient.rand.fill(&mut secret);
        secret
    }
}

fn administrator(signed_in: SignedIn) -> Administrator {
    let SignedIn {
        name,
        role,
        password_version,
    } = signed_in;
    Administrator {
        name,
        role,
        password_version,
    }
}
