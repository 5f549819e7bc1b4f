//! What a subcluster is like at present, as this node sees it: who serves whom, who votes, whether
//! it is protected. Not for changing it: see `cluster`.

use std::sync::atomic::{AtomicU64, Ordering};

use pollux_domain::ids::Epoch;
use pollux_domain::metrics::Sample;
use pollux_domain::operations::{HomeRow, MemberRow, SubclusterStatus};
use pollux_domain::perfmon;
use pollux_domain::protection::{Replica, exposure};

use crate::node::Node;
use crate::{history, node_states, witnesses};

pub(crate) fn status(node: &Node) -> SubclusterStatus {
    let subcluster = node.settings.subcluster;
    let (homes, high_availability) = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let entry = topology.subcluster(subcluster);
        let on = entry.is_some_and(|entry| entry.high_availability);
        (topology.homes(subcluster), on)
    });
    let homes = match homes.is_empty() {
        true => vec![node.settings.node],
        false => homes,
    };
    let now = node.ambient.clock.now();
    let rows = homes.iter().map(|home| {
        let (serving, counts) = node
            .subcluster
            .read(|state| (state.serving(*home), state.home_counts(*home)));
        HomeRow {
            home: home.0,
            serving: serving.map(|serving| serving.node.0),
            epoch: serving.map_or(Epoch::default(), |serving| serving.epoch).0,
            users: counts.0 as u64,
            sessions: counts.1 as u64,
            is_held_here: node.tenures.of(*home).holds(now),
        }
    });
    let members: Vec<MemberRow> = node
        .subcluster
        .members()
        .into_iter()
        .map(|row| MemberRow {
            node: row.voter.node.0,
            incarnation: row.voter.incarnation.0,
            votes: row.votes,
            matched_index: row.matched,
        })
        .collect();
    let exposure = exposure(&replicas(node));
    SubclusterStatus {
        subcluster: subcluster.0,
        high_availability,
        is_protected: exposure.is_none(),
        exposure: exposure.map(|exposure| exposure.to_string()),
        leader: node.subcluster.leader().map(|leader| leader.node.0),
        term: node.subcluster.term(),
        homes: rows.collect(),
        members,
        nodes: node_states::rows(node),
    }
}

/// The replicas of this subcluster, as they are configured and as they are seen from here.
fn replicas(node: &Node) -> Vec<Replica> {
    let voters = node.subcluster.voters();
    let reachable = witnesses::reachable(node);
    let heard = node_states::heard_lately(node);
    node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let wanted = topology.voters(node.settings.subcluster);
        let replicas = topology.replicas(node.settings.subcluster).into_iter();
        let replicas = replicas.map(|(number, entry, serves)| Replica {
            node: number,
            serves,
            is_drained: entry.drained,
            // Not under an older name.
            votes: voters
                .intersection(&wanted)
                .any(|voter| voter.node == number),
            is_reached: reachable.contains(&number),
            is_heard: heard.contains(&number),
        });
        replicas.collect()
    })
}

/// How well its users are kept, and what of that monitors of Cisco's product know by other names.
pub(crate) fn samples(node: &Node) -> Vec<Sample> {
    let status = status(node);
    let me = node.settings.node.0;
    let gauge = |name, help, count: u64| Sample::gauge(name, help, count as f64);
    let away = status.homes.iter();
    let away = away.filter(|row| row.serving.is_some_and(|serving| serving != row.home));
    let mut samples = vec![gauge(
        "pollux_users_away",
        "Users whom the twin of their node serves.",
        away.map(|row| row.users).sum(),
    )];
    if status.high_availability {
        samples.push(gauge(
            "pollux_subcluster_protected",
            "Whether the loss of one node would be outlived, as this node sees it.",
            status.is_protected.into(),
        ));
    }
    let served = || status.homes.iter().filter(|row| row.serving == Some(me));
    let own = status.nodes.iter().find(|row| row.node == me);
    let metrics = &node.metrics;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    samples.extend(perfmon::samples(&perfmon::Facts {
        sockets: read(&metrics.session_streams)
            + read(&metrics.relayed_streams)
            + metrics.strangers.count(),
        sessions: served().map(|row| row.sessions).sum(),
        users: served().map(|row| row.users).sum(),
        messages: read(&metrics.messages),
        messages_in_last_slice: history::messages_in_last_slice(node),
        state: own.map(|row| row.state),
    }));
    samples
}
