//! What decides about leaders and leases, on a thread of its own on which nothing else runs: no
//! stanza, entry or snapshot makes it late (design, section 4).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_raft::configuration;
use pollux_raft::duty::{self, Duty, DutyParts, Pair, Pulse, View};
use pollux_raft::election::Role;
use pollux_raft::group::Roles;

use crate::hosting;
use crate::node::Node;

/// How often an arbiter shows that it moves.
const PULSE: Duration = Duration::from_millis(100);

/// The duty of a node, and the pulse of its arbiters.
pub(crate) fn duty(node: &Arc<Node>) -> Duty {
    Duty::new(DutyParts {
        node: node.settings.node,
        life: node.life,
        is_witness: node.settings.is_witness,
        group: node.subcluster.clone(),
        tenures: node.tenures.clone(),
        streams: node.directory.clone(),
        peers: node.peers.clone(),
        desks: node.desks.clone(),
        clock: node.ambient.clock.clone(),
        view: view(node, node.settings.subcluster),
        pulse: pulse(node),
        services: services(node),
    })
}

/// Runs until it is dropped. Belongs on a `LocalSet` of the control thread.
pub async fn run(node: Arc<Node>) {
    let duty = node.duty();
    let in_subcluster = roles_in(&node, node.settings.subcluster);
    tokio::join!(
        node.configuration.run_elections(roles(&node)),
        node.subcluster.run_elections(in_subcluster),
        duty.run(),
        hosting::run_control(&node),
    );
}

/// A node that nobody has configured is the home of its users.
pub(crate) fn view(node: &Arc<Node>, subcluster: SubclusterId) -> View {
    let configuration = node.configuration.clone();
    let me = node.settings.node;
    Arc::new(move || {
        configuration.read(|configuration| {
            let topology = configuration.topology();
            let entry = topology.subcluster(subcluster);
            let homes = topology.homes(subcluster);
            let is_gone = |home: &&NodeId| topology.node(**home).is_some_and(|entry| entry.removed);
            let removed = homes.iter().filter(is_gone).copied().collect();
            let is_drained = |home: &&NodeId| topology.is_drained(**home);
            let drained = homes.iter().filter(is_drained).copied().collect();
            Pair {
                homes: if entry.is_none() { vec![me] } else { homes },
                removed,
                drained,
                high_availability: entry.is_some_and(|entry| entry.high_availability),
                stable: configuration.settings().fallback_after(),
                service_delay: configuration.settings().service_delay(),
            }
        })
    })
}

/// In the cluster's configuration.
fn roles(node: &Arc<Node>) -> Roles {
    let configuration = node.configuration.clone();
    Arc::new(move |node: NodeId| {
        configuration.read(|configuration| {
            let entry = configuration.topology().node(node);
            match entry.map(|entry| entry.role) {
                Some(configuration::Role::Witness) => Role::Witness,
                Some(configuration::Role::Node) | None => Role::Twin,
            }
        })
    })
}

fn services(node: &Arc<Node>) -> duty::Services {
    let (services, clock) = (node.services.clone(), node.ambient.clock.clone());
    Arc::new(move || services.down(clock.now()))
}

/// In a subcluster's group: a node of another one is its witness.
pub(crate) fn roles_in(node: &Arc<Node>, subcluster: SubclusterId) -> Roles {
    let configuration = node.configuration.clone();
    Arc::new(move |node: NodeId| {
        configuration.read(|configuration| match configuration.topology().node(node) {
            Some(entry) if entry.subcluster != subcluster => Role::Witness,
            Some(entry) if entry.role == configuration::Role::Witness => Role::Witness,
            Some(_) | None => Role::Twin,
        })
    })
}

/// Every arbiter moves its number on; the slowest is the node's pulse.
fn pulse(node: &Arc<Node>) -> Pulse {
    let clock = node.ambient.clock.clone();
    let now = move || u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX);
    let mut beats: Vec<Arc<AtomicU64>> = Vec::new();
    for arbiter in 0..node.placement.arbiter_count() {
        let beat = Arc::new(AtomicU64::new(now()));
        beats.push(beat.clone());
        let (now, alive) = (now.clone(), Arc::downgrade(node));
        let job = move || {
            tokio::task::spawn_local(async move {
                while alive.upgrade().is_some_and(|node| !node.is_stopping()) {
                    beat.store(now(), Ordering::Relaxed);
                    tokio::time::sleep(PULSE).await;
                }
                // A node that stops keeps its lease while it says goodbye.
                beat.store(u64::MAX, Ordering::Relaxed);
            });
        };
        // Jobs that come first wait for nothing: the pulse begins with the node.
        node.placement.run(arbiter, Box::new(job));
    }
    Arc::new(move || {
        let oldest = beats.iter().map(|beat| beat.load(Ordering::Relaxed)).min();
        Duration::from_millis(now().saturating_sub(oldest.unwrap_or(u64::MAX)))
    })
}
