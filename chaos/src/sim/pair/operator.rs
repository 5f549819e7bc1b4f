//! What an operator does at a node while a run goes on: reads the serving table, adds users,
//! empties nodes, moves users. Not for what goes wrong.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pollux_actors::node::Node;
use pollux_actors::operations::Executor;
use pollux_actors::users;
use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_domain::operations::{Caller, Operation, OperationExecutor};
use tokio::time::sleep;

use super::plan;
use crate::sim::environment::MachineClock;
use crate::sim::history::{Fact, History, Phase};
use crate::sim::world::DOMAIN;

/// Where an operator sits: at a node, with its clock, and a pen.
#[derive(Clone)]
pub struct Desk {
    pub node: Arc<Node>,
    pub clock: Arc<MachineClock>,
    pub phase: Rc<Cell<Phase>>,
    pub history: Rc<RefCell<History>>,
}

impl Desk {
    fn note(&self, fact: Fact) {
        let at = self.clock.elapsed();
        self.history.borrow_mut().add_at(at, fact);
    }
}

/// What is to become of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Empty,
    /// An operator was told that it is.
    Emptied,
    Back,
}

/// What all operators of a run want.
pub type Orders = Rc<RefCell<BTreeMap<NodeId, Order>>>;

/// One thing that is asked for once, at one node.
#[derive(Debug, Clone)]
pub struct Errand {
    pub at: NodeId,
    pub operation: Operation,
    pub answer: Answer,
}

/// Whether it is done, as soon as the operator is told.
pub type Answer = Rc<Cell<Option<bool>>>;

/// The errand that nobody has begun yet.
pub type Errands = Rc<RefCell<Option<Errand>>>;

/// Reads the serving table now and then, linearizably.
pub async fn read_serving(desk: Desk) {
    let node = &desk.node;
    loop {
        sleep(Duration::from_millis(330)).await;
        let begun = desk.clock.elapsed();
        if node.subcluster.catch_up().await.is_err() {
            continue;
        }
        for home in plan::homes(node.settings.subcluster) {
            let serving = node.subcluster.read(|state| state.serving(home));
            let epoch = serving.map_or(0, |serving| serving.epoch.0);
            desk.note(Fact::ServingRead {
                node: node.settings.node,
                begun,
                home,
                epoch,
            });
        }
    }
}

/// Adds a user now and then while faults come, so that the configuration has something to agree on,
/// and all groups with it.
pub async fn add_users(desk: Desk) {
    let node = &desk.node;
    let (number, life) = (node.settings.node, node.life.0);
    for count in 0_u64.. {
        sleep(Duration::from_millis(2_100)).await;
        if desk.phase.get() != Phase::Faults {
            continue;
        }
        let Ok(user) = BareJid::parse(&format!("new{number}-{life}-{count}@{DOMAIN}")) else {
            continue;
        };
        match users::add(node, &user, "pencil".to_owned(), false).await {
            Ok(()) => {
                let user = user.as_str().to_owned();
                desk.note(Fact::UserAdded { user });
            }
            Err(error) => tracing::debug!(%user, %error, "user was not added"),
        }
    }
}

/// Empties nodes, and takes that back, as is ordered: at each node again until one has done it.
pub async fn empty_nodes(desk: Desk, orders: Orders) {
    let executor = Executor::new(desk.node.clone());
    loop {
        sleep(Duration::from_millis(90)).await;
        let Some((node, order)) = next(&desk.node, &orders) else {
            continue;
        };
        let operation = match order {
            Order::Back => Operation::NodeUndrain { node: node.0 },
            Order::Empty | Order::Emptied => Operation::NodeDrain { node: node.0 },
        };
        let caller = Caller::LocalSocket { uid: 0 };
        let done = tokio::select! {
            biased;
            done = executor.execute(&caller, operation.into()) => done,
            () = withdrawn(&orders, node, order) => continue,
        };
        match done {
            Ok(_) if orders.borrow().get(&node) == Some(&Order::Empty) => {
                desk.note(Fact::Drained { node });
                orders.borrow_mut().insert(node, Order::Emptied);
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%node, ?order, %error, "order was not carried out"),
        }
    }
}

/// Carries out what is to be asked for here, and notes what the operator is told.
pub async fn run_errands(desk: Desk, errands: Errands) {
    let executor = Executor::new(desk.node.clone());
    let me = desk.node.settings.node;
    loop {
        sleep(Duration::from_millis(10)).await;
        let Some(errand) = errands.borrow_mut().take_if(|errand| errand.at == me) else {
            continue;
        };
        let caller = Caller::LocalSocket { uid: 0 };
        let asked = format!("{:?}", errand.operation);
        let done = executor.execute(&caller, errand.operation.into()).await;
        errand.answer.set(Some(done.is_ok()));
        desk.note(Fact::Told {
            at: me,
            asked,
            refused: done.err().map(|error| error.to_string()),
        });
    }
}

/// What is to be done, as far as this node knows.
fn next(node: &Node, orders: &Orders) -> Option<(NodeId, Order)> {
    let is_drained = |node_id: NodeId| {
        let configuration = &node.configuration;
        configuration.read(|configuration| configuration.topology().is_drained(node_id))
    };
    let orders = orders.borrow();
    let mut open = orders.iter().filter(|(node, order)| match order {
        Order::Empty => true,
        Order::Emptied => false,
        Order::Back => is_drained(**node),
    });
    open.next().map(|(node, order)| (*node, *order))
}

async fn withdrawn(orders: &Orders, node: NodeId, order: Order) {
    while orders.borrow().get(&node) == Some(&order) {
        sleep(Duration::from_millis(20)).await;
    }
}
