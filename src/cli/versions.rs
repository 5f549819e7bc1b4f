//! What `pollux ctl cluster nodes` says of the versions that nodes run: that they differ, or that
//! an upgrade can be finished. Pure text.

use pollux_domain::operations::ClusterNodeRow;
use pollux_domain::version::{Build, next};

/// What somebody should know of them, if anything.
pub fn remark(nodes: &[ClusterNodeRow]) -> Option<String> {
    let present = nodes.iter().filter(|row| row.state != "removed");
    let builds: Vec<Build> = present
        .map(|row| Build {
            name: row.version.clone(),
            formats: row.formats,
        })
        .collect();
    let format = nodes.first()?.format;
    if builds.windows(2).any(|two| two[0] != two[1]) {
        return Some(format!(
            "The nodes run different versions, which share the cluster in its format {format}: \
             bring them to one version, one node after the other."
        ));
    }
    let next = next(format, builds.iter())?;
    Some(format!(
        "Every node speaks format {next}, and the cluster uses format {format}, so that each node \
         may go back to the version before. When none is to, `pollux ctl cluster finish-upgrade`."
    ))
}

#[cfg(test)]
mod tests {
    use pollux_domain::version::Formats;

    use super::*;

    fn row(version: &str, newest: u16, state: &str) -> ClusterNodeRow {
        ClusterNodeRow {
            node: 1,
            name: "castor".to_owned(),
            role: "node".to_owned(),
            subcluster: 1,
            incarnation: 1,
            address: "castor:7222".to_owned(),
            version: version.to_owned(),
            formats: Formats { oldest: 1, newest },
            format: 1,
            site: None,
            witness_of: Vec::new(),
            is_drained: false,
            state: state.to_owned(),
        }
    }

    #[test]
    fn an_upgrade_is_spoken_of_until_it_is_finished() {
        let (old, new) = (row("1.0.0", 1, "connected"), row("1.1.0", 2, "this node"));
        assert_eq!(remark(&[]), None);
        assert_eq!(remark(&[old.clone(), old.clone()]), None);
        let mixed = remark(&[old.clone(), new.clone()]).unwrap();
        assert!(mixed.contains("different versions"), "{mixed}");
        let gone = row("1.0.0", 1, "removed");
        let whole = remark(&[new.clone(), gone, new.clone()]).unwrap();
        assert!(whole.contains("finish-upgrade"), "{whole}");
        let finished = ClusterNodeRow { format: 2, ..new };
        assert_eq!(remark(&[finished]), None);
    }
}
