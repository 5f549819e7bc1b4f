//! The end of an upgrade: from here on the cluster uses the newest format that all of its nodes
//! speak. Not for installing anything, nor for who may share a cluster: see `domain::version`.

use pollux_domain::operations::{ErrorKind, OperationError, Outcome};
use pollux_domain::version::next;
use pollux_raft::configuration::{Topology, TopologyChange};
use pollux_raft::version;

use super::Executor;

impl Executor {
    pub(super) async fn finish_upgrade(&self) -> Result<Outcome, OperationError> {
        let next = self
            .node
            .configuration
            .read(|configuration| target(configuration.topology()));
        self.change(TopologyChange::UseFormat(next?)).await
    }
}

/// Which format is to be used; or why none is newer than that which is.
fn target(topology: &Topology) -> Result<u16, OperationError> {
    let in_use = topology.format();
    let own = version::build();
    // Whoever is alone is in no list.
    let builds = topology.builds().chain([&own]);
    if let Some(next) = next(in_use, builds) {
        return Ok(next);
    }
    let (present, newest) = (
        topology.nodes().filter(|(_, entry)| !entry.removed),
        version::FORMATS.newest,
    );
    let behind = present.filter(|(_, entry)| !entry.build.formats.contains(newest));
    let behind: Vec<String> = behind
        .map(|(node, entry)| format!("node {node} ({}) runs {}", entry.name, entry.build))
        .collect();
    let message = match behind.is_empty() {
        true => format!(
            "there is nothing to finish: the cluster uses format {in_use}, and the installed \
             version {own} has no newer one"
        ),
        false => format!(
            "not every node speaks format {newest}, which this node ({own}) does: {}. Upgrade \
             them, or remove those that do not come back; nothing was changed",
            behind.join(", ")
        ),
    };
    Err(OperationError::new(ErrorKind::Invalid, message))
}
