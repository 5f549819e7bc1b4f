//! What an operator does at a node while a run goes on: reads the serving table, adds users. Not
//! for what goes wrong.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pollux_actors::node::Node;
use pollux_actors::users;
use pollux_domain::jid::BareJid;
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
