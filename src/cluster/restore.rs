//! `pollux cluster restore`: makes an empty data folder the first node of a new cluster, with what
//! a backup holds. Not for what a backup is: see `pollux_raft::backup`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pollux_domain::ids::{NodeId, StanzaId, Voter};
use pollux_raft::backup::{self, About, Backup, BackupError};
use pollux_raft::group::{check_record, seed};
use pollux_raft::log::JournalLog;
use pollux_raft::machine::{ConfigurationGroup, Kind, Subcluster};
use pollux_raft::rows;
use pollux_raft::state::State;
use pollux_store::tables::{SledTables, TableWrite, Tables};

use super::init::{Founded, found};
use super::{ClusterError, FOLDER, MEMBERSHIP, Membership};
use crate::config::Config;

/// Rows that are written together.
const ROWS_AT_ONCE: usize = 256;
/// Of the data folder.
const TABLES: &str = "tables";

/// What has been made.
pub struct Restored {
    pub membership: Membership,
    /// One line for the operator.
    pub summary: String,
}

/// The backup is read to its end before anything is made, and what is made goes when it fails.
pub fn restore(config: &Config, path: &Path) -> Result<Restored, ClusterError> {
    let folder = &config.node.data_folder;
    if folder.join(FOLDER).join(MEMBERSHIP).exists() {
        return Err(ClusterError::Already(folder.clone()));
    }
    check_empty(folder)?;
    let backup = checked(config, path)?;
    let subcluster = backup.about.subcluster;
    let id = NodeId(config.node.id.get());
    let known = backup.configuration.topology().node(id);
    if known.is_some_and(|known| known.subcluster != subcluster) {
        let homes = backup.configuration.topology().homes(subcluster);
        let nodes: Vec<String> = homes.iter().map(NodeId::to_string).collect();
        return Err(ClusterError::OtherSubcluster {
            subcluster,
            nodes: nodes.join(" or "),
        });
    }
    let founded = found(config, subcluster)?;
    let made = make(config, path, backup, &founded).and_then(|summary| {
        founded.write(folder)?;
        Ok(summary)
    });
    let summary = made.inspect_err(|_| clear(folder))?;
    Ok(Restored {
        membership: founded.membership,
        summary,
    })
}

fn make(
    config: &Config,
    path: &Path,
    backup: Backup,
    founded: &Founded,
) -> Result<String, ClusterError> {
    let folder = &config.node.data_folder;
    make_folder(folder)?;
    let Backup {
        about,
        mut configuration,
        subcluster,
        ..
    } = backup;
    let (subcluster, summary) = begin_anew(folder, path, &about, subcluster)?;
    let membership = &founded.membership;
    configuration.begin_anew(
        membership.cluster,
        membership.node,
        membership.entry(config),
        membership.secrets(&founded.credentials, &founded.authority_key),
        about.set.0,
    );
    let me = Voter {
        node: membership.node,
        incarnation: membership.incarnation,
    };
    place::<Subcluster>(folder, me, subcluster)?;
    place::<ConfigurationGroup>(folder, me, configuration)?;
    let others = match about.parts {
        1 => String::new(),
        parts => format!(
            "\nit is one of {parts} subclusters; a node of each of the others joins by \
             `pollux ctl cluster invite --subcluster N --replaces NODE` and \
             `pollux cluster join TOKEN --restore FILE`, with the file of its subcluster"
        ),
    };
    Ok(format!("{summary}{others}"))
}

/// A whole backup of this domain.
pub(super) fn checked(config: &Config, path: &Path) -> Result<Backup, ClusterError> {
    let backup = backup::read(path).map_err(|error| ClusterError::Backup {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    if backup.about.domain != config.xmpp.domain.as_str() {
        let found = backup.about.domain;
        return Err(ClusterError::OtherDomain { found });
    }
    Ok(backup)
}

/// Nothing of a node is there.
pub(super) fn check_empty(folder: &Path) -> Result<(), ClusterError> {
    let logs = [Subcluster::NAME, ConfigurationGroup::NAME].map(|name| format!("{name}.log"));
    match logs.iter().any(|log| folder.join(log).exists()) || folder.join(TABLES).exists() {
        true => Err(ClusterError::NotEmpty(folder.to_owned())),
        false => Ok(()),
    }
}

fn make_folder(folder: &Path) -> Result<(), ClusterError> {
    fs::create_dir_all(folder).map_err(failed("make the data folder"))?;
    let owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(folder, owner).map_err(failed("make the data folder"))
}

/// The database of a subcluster that another node has founded the cluster for: the newcomer begins
/// its group with it. One line for the operator.
pub(super) fn place_subcluster(
    folder: &Path,
    path: &Path,
    backup: Backup,
    me: Voter,
) -> Result<String, ClusterError> {
    make_folder(folder)?;
    let (subcluster, summary) = begin_anew(folder, path, &backup.about, backup.subcluster)?;
    place::<Subcluster>(folder, me, subcluster)?;
    Ok(summary)
}

/// Writes the rows, and returns the database as it begins, with a line of what is in it.
fn begin_anew(
    folder: &Path,
    path: &Path,
    about: &About,
    mut subcluster: State,
) -> Result<(State, String), ClusterError> {
    let wanted: BTreeSet<StanzaId> = subcluster.rows().into_iter().collect();
    let changes = subcluster.begin_anew();
    let tables = SledTables::open(&folder.join(TABLES));
    let tables = tables.map_err(failed("make the tables"))?;
    place_rows(&tables, path, &wanted)?;
    let changes: std::io::Result<Vec<TableWrite>> = changes.iter().map(rows::table_write).collect();
    let changed = changes.and_then(|changes| tables.put(&changes));
    changed.map_err(failed("write the rows"))?;
    tables.sync().map_err(failed("write the rows"))?;
    let missing = rows::missing(&tables, &subcluster.rows());
    let missing = missing.map_err(failed("read the rows"))?;
    if let Some(row) = missing.first() {
        let count = missing.len();
        return Err(ClusterError::Backup {
            path: path.to_owned(),
            reason: format!("{count} rows are missing or damaged, the first of them {row}"),
        });
    }
    let statistics = subcluster.statistics();
    let summary = format!(
        "restored {} users and {} stored messages of {}, as they were at {}",
        statistics.users, statistics.offline, about.domain, about.made_at
    );
    Ok((subcluster, summary))
}

/// The rows of the backup that its database counts on.
fn place_rows(
    tables: &SledTables,
    path: &Path,
    wanted: &BTreeSet<StanzaId>,
) -> Result<(), ClusterError> {
    let mut waiting = Vec::new();
    let write = |waiting: &mut Vec<TableWrite>| {
        let written = tables.put(waiting);
        waiting.clear();
        written.map_err(|source| BackupError::Io {
            step: "write a row",
            source,
        })
    };
    let placed = backup::each_row(path, |row, value| {
        if wanted.contains(&row) {
            waiting.push(TableWrite::Put { key: row.0, value });
        }
        match waiting.len() < ROWS_AT_ONCE {
            true => Ok(()),
            false => write(&mut waiting),
        }
    });
    let placed = placed.and_then(|()| write(&mut waiting));
    placed.map_err(|error| ClusterError::failed("write the rows", error))
}

fn place<G: Kind>(folder: &Path, me: Voter, machine: G::Machine) -> Result<(), ClusterError> {
    let log = JournalLog::open(folder, G::NAME, check_record);
    let log = log.map_err(|error| ClusterError::failed("make the log", error))?;
    seed::<G>(&log, me, machine).map_err(failed("write the log"))
}

fn failed<E: std::fmt::Display>(step: &'static str) -> impl Fn(E) -> ClusterError {
    move |error| ClusterError::failed(step, error)
}

/// What was made goes: the folder is as empty as it was.
pub(super) fn clear(folder: &Path) {
    for name in [TABLES, FOLDER, "subcluster.log", "configuration.log"] {
        // What is not there need not go.
        let _gone = fs::remove_dir_all(folder.join(name));
    }
    for name in ["subcluster.snapshot", "configuration.snapshot"] {
        let _gone = fs::remove_file(folder.join(name));
    }
}
