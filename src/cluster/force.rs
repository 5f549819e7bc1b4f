//! `pollux cluster force-takeover`: an operator says that the other nodes are lost for good. Works
//! on the files of a node that does not run: it served nobody anyway, since it could not know that
//! it was alone.

use std::time::Duration;

use pollux_domain::ids::{Incarnation, Voter};
use pollux_links::net::{Net, SystemNet};
use pollux_raft::group::{check_record, reform};
use pollux_raft::log::JournalLog;
use pollux_raft::machine::{ConfigurationGroup, Kind, Subcluster};

use super::{ClusterError, Membership, change, read};
use crate::config::Config;

/// How long another node may take to show that it lives.
const PATIENCE: Duration = Duration::from_secs(2);

/// Both groups go on with this node alone, under its next incarnation.
pub fn force_takeover(config: &Config) -> Result<Membership, ClusterError> {
    let folder = &config.node.data_folder;
    let mut membership = read(folder)?.ok_or(ClusterError::Alone)?.membership;
    all_lost(&membership)?;
    membership.incarnation = Incarnation(membership.incarnation.0 + 1);
    membership.goes_on_alone = true;
    let me = Voter {
        node: membership.node,
        incarnation: membership.incarnation,
    };
    reform_log::<Subcluster>(config, me)?;
    reform_log::<ConfigurationGroup>(config, me)?;
    change(folder, |known| {
        known.incarnation = membership.incarnation;
        known.goes_on_alone = true;
    })?;
    Ok(membership)
}

fn reform_log<G: Kind>(config: &Config, me: Voter) -> Result<(), ClusterError> {
    let failed = |error: &dyn std::fmt::Display| ClusterError::failed("change the log", error);
    let log = JournalLog::open(&config.node.data_folder, G::NAME, check_record);
    let log = log.map_err(|error| failed(&error))?;
    reform::<G>(&log, me).map_err(|error| failed(&error))?;
    Ok(())
}

/// Nobody answers at the port of any other node.
fn all_lost(membership: &Membership) -> Result<(), ClusterError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ClusterError::failed("start a thread", error))?;
    for peer in &membership.peers {
        if peer.node == membership.node {
            continue;
        }
        let connecting = SystemNet.connect(&peer.address);
        let answered = runtime.block_on(async { tokio::time::timeout(PATIENCE, connecting).await });
        if matches!(answered, Ok(Ok(_))) {
            return Err(ClusterError::NotLost(peer.node, peer.address.clone()));
        }
    }
    Ok(())
}
