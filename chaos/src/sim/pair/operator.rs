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
use crate::sim::history::{Fact, History, Phase};
use crate::sim::world::DOMAIN;

/// Reads the serving table now and then, linearizably.
pub async fn read_serving(node: Arc<Node>, history: Rc<RefCell<History>>) {
    loop {
        sleep(Duration::from_millis(330)).await;
        let begun = turmoil::sim_elapsed().unwrap_or_default();
        if node.subcluster.catch_up().await.is_err() {
            continue;
        }
        for home in plan::homes(node.settings.subcluster) {
            let serving = node.subcluster.read(|state| state.serving(home));
            let epoch = serving.map_or(0, |serving| serving.epoch.0);
            let fact = Fact::ServingRead {
                node: node.settings.node,
                begun,
                home,
                epoch,
            };
            history.borrow_mut().add(fact);
        }
    }
}

/// Adds a user now and then while faults come, so that the configuration has something to agree on,
/// and all groups with it.
pub async fn add_users(node: Arc<Node>, phase: Rc<Cell<Phase>>, history: Rc<RefCell<History>>) {
    let (number, life) = (node.settings.node, node.life.0);
    for count in 0_u64.. {
        sleep(Duration::from_millis(2_100)).await;
        if phase.get() != Phase::Faults {
            continue;
        }
        let Ok(user) = BareJid::parse(&format!("new{number}-{life}-{count}@{DOMAIN}")) else {
            continue;
        };
        match users::add(&node, &user, "pencil".to_owned(), false).await {
            Ok(()) => {
                let user = user.as_str().to_owned();
                history.borrow_mut().add(Fact::UserAdded { user });
            }
            Err(error) => tracing::debug!(%user, %error, "user was not added"),
        }
    }
}
