//! What a node keeps on disk of its cluster: who it is, its certificate, where the others are. Made
//! by `pollux cluster init` and `pollux cluster join`, read at each start. Not for the topology:
//! the configuration group has it, and this is only where to begin.

mod force;
mod init;
mod join;
mod restore;
mod starts;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pollux_actors::system;
use pollux_domain::ids::{ClusterId, Incarnation, Life, NodeId, SubclusterId};
use pollux_domain::version::{NotSpoken, judge};
use pollux_links::PeerAddress;
use pollux_links::authority::{AuthorityError, fingerprint};
use pollux_links::credentials::Credentials;
use pollux_links::secret_file;
use pollux_raft::configuration::{ClusterSecrets, NodeEntry, Role};
use pollux_raft::version;
use serde::{Deserialize, Serialize};

use crate::config::Config;

pub use force::force_takeover;
pub use init::init;
pub use join::{Beginning, join};
pub use restore::restore;

/// Where it lies in the data folder.
const FOLDER: &str = "cluster";
const MEMBERSHIP: &str = "membership.json";
/// The authority's key, on the first node, until the configuration has it.
const AUTHORITY_KEY: &str = "authority.key";

/// The form of the membership that this program writes, and the greatest that it reads.
const VERSION: u32 = 1;

/// Files that say no version are of the first.
fn first_version() -> u32 {
    1
}

/// A node's place in its cluster.
#[derive(Clone, Serialize, Deserialize)]
pub struct Membership {
    /// Of the form of this file.
    #[serde(default = "first_version")]
    pub version: u32,
    pub cluster: ClusterId,
    pub node: NodeId,
    pub incarnation: Incarnation,
    pub role: Role,
    pub subcluster: SubclusterId,
    /// The first node of the cluster, which founds the configuration's group.
    pub founder: bool,
    /// The first node of its subcluster, which founds its group.
    pub founds_subcluster: bool,
    /// An operator has said that the others are lost: see `force`.
    #[serde(default)]
    pub goes_on_alone: bool,
    /// Where to look for the others at first.
    pub peers: Vec<PeerAddress>,
    pub ticket_secret: [u8; 32],
    /// The format that the cluster uses, as this node heard last, and the version that it ran then.
    #[serde(default = "first_format")]
    pub format: u16,
    #[serde(default)]
    pub format_heard_by: Option<String>,
}

fn first_format() -> u16 {
    1
}

impl Membership {
    /// The node as its cluster knows it at first.
    pub fn entry(&self, config: &Config) -> NodeEntry {
        NodeEntry {
            name: config.cluster.name.clone(),
            role: self.role,
            subcluster: self.subcluster,
            incarnation: self.incarnation,
            address: config.cluster.address.clone(),
            client_address: Some(config.xmpp.address.clone()),
            build: version::build(),
            shown: None,
            site: config.cluster.site.clone(),
            drained: false,
            removed: false,
        }
    }

    /// What the cluster keeps of what its founder has made.
    pub fn secrets(&self, credentials: &Credentials, authority_key: &[u8]) -> ClusterSecrets {
        ClusterSecrets {
            fingerprint: fingerprint(&credentials.authority),
            made_at: system::ambient().clock.wall(),
            authority_certificate: credentials.authority.to_vec().into(),
            authority_key: authority_key.to_vec().into(),
            ticket_secret: self.ticket_secret,
        }
    }
}

/// Why the files of the cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("{} is of a cluster already; one data folder is one node", .0.display())]
    Already(PathBuf),
    #[error("{} holds data of a node that was alone; an empty data folder is needed", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is of no use: {reason}", .path.display())]
    Backup { path: PathBuf, reason: String },
    #[error("the backup is of the domain {found}; write that as xmpp.domain, or take another one")]
    OtherDomain { found: String },
    #[error(
        "the backup is of subcluster {subcluster}, and node.id is a node of another; its nodes \
         were {nodes}: write one of them as node.id"
    )]
    OtherSubcluster {
        subcluster: SubclusterId,
        nodes: String,
    },
    #[error("this data folder is of no cluster")]
    Alone,
    #[error(
        "node {0} answers at {1}: it is not lost. Stop it, or move its users with \
         `pollux ctl subcluster failover`"
    )]
    NotLost(NodeId, String),
    #[error(
        "{} was written by a newer release (version {found}, this program reads up to {VERSION}); \
         start that release again, or restore a backup of the data folder from before the upgrade",
        .path.display()
    )]
    Newer { path: PathBuf, found: u32 },
    #[error(
        "{} does not read: {reason}. Restore this file from a backup of the data folder, or join \
         the node again: `pollux ctl cluster invite --replaces N` at another node of the cluster, \
         then `pollux cluster join` with an empty data folder", .path.display()
    )]
    Membership { path: PathBuf, reason: String },
    #[error("{0}")]
    Format(NotSpoken),
    #[error(
        "failed to read the certificate of the node: {0}. Restore the folder `cluster` from a \
         backup of the data folder, or join the node again: \
         `pollux ctl cluster invite --replaces N` at another node of the cluster, then \
         `pollux cluster join` with an empty data folder"
    )]
    Certificate(AuthorityError),
    #[error("failed to {step}: {reason}")]
    Failed { step: &'static str, reason: String },
}

impl ClusterError {
    fn failed(step: &'static str, reason: impl std::fmt::Display) -> ClusterError {
        ClusterError::Failed {
            step,
            reason: reason.to_string(),
        }
    }
}

/// What is found at a start.
pub struct Found {
    pub membership: Membership,
    pub credentials: Credentials,
    /// On the founder only.
    pub authority_key: Option<Vec<u8>>,
}

/// Reads a node's place, if it has one.
pub fn read(data_folder: &Path) -> Result<Option<Found>, ClusterError> {
    let folder = data_folder.join(FOLDER);
    let text = match fs::read(folder.join(MEMBERSHIP)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ClusterError::failed("read the membership", error)),
    };
    let membership = parse(&folder.join(MEMBERSHIP), &text)?;
    let like = membership.format_heard_by.as_deref();
    judge(&version::build(), membership.format, like).map_err(ClusterError::Format)?;
    let credentials = Credentials::read(&folder).map_err(ClusterError::Certificate)?;
    Ok(Some(Found {
        membership,
        credentials,
        authority_key: fs::read(folder.join(AUTHORITY_KEY)).ok(),
    }))
}

/// The node's own id, if others have the log too.
pub fn one_of_several(data_folder: &Path) -> Result<Option<NodeId>, ClusterError> {
    let membership = read(data_folder)?.map(|found| found.membership);
    Ok(membership.and_then(|membership| {
        let me = membership.node;
        let others = membership.peers.iter().any(|peer| peer.node != me);
        others.then_some(me)
    }))
}

/// The version is looked at first: what a later release wrote may have another form.
fn parse(path: &Path, text: &[u8]) -> Result<Membership, ClusterError> {
    #[derive(Deserialize)]
    struct Form {
        #[serde(default = "first_version")]
        version: u32,
    }
    let wrong = |error: serde_json::Error| ClusterError::Membership {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let form: Form = serde_json::from_slice(text).map_err(wrong)?;
    if VERSION < form.version {
        return Err(ClusterError::Newer {
            path: path.to_owned(),
            found: form.version,
        });
    }
    serde_json::from_slice(text).map_err(wrong)
}

/// The membership last: where it stands, everything else does.
fn write(
    data_folder: &Path,
    membership: &Membership,
    credentials: &Credentials,
    authority_key: Option<&[u8]>,
) -> Result<(), ClusterError> {
    let folder = data_folder.join(FOLDER);
    let failed = |error: io::Error| ClusterError::failed("write the membership", error);
    fs::create_dir_all(&folder).map_err(failed)?;
    let owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&folder, owner).map_err(failed)?;
    credentials
        .write(&folder)
        .map_err(|error| ClusterError::failed("write the certificate of the node", error))?;
    if let Some(key) = authority_key {
        secret_file::write(&folder.join(AUTHORITY_KEY), key).map_err(failed)?;
    }
    let text = serde_json::to_vec_pretty(membership)
        .map_err(|error| ClusterError::failed("write the membership", error))?;
    secret_file::write(&folder.join(MEMBERSHIP), &text).map_err(failed)
}

/// Keeps where the others are, so that the next start finds them: a replica alone does not know
/// what of its log is committed.
pub fn remember_peers(data_folder: &Path, peers: &[PeerAddress]) -> Result<(), ClusterError> {
    change(data_folder, |membership| membership.peers = peers.to_vec())
}

/// Keeps which format the cluster uses: a version that does not speak it does not begin.
pub fn remember_format(data_folder: &Path, format: u16) -> Result<(), ClusterError> {
    change(data_folder, |membership| {
        membership.format = format;
        membership.format_heard_by = Some(version::BUILD.to_owned());
    })
}

/// Keeps that the cluster uses a format which this version does not speak: the next start of it is
/// refused before anything is opened.
pub fn remember_unspoken(data_folder: &Path, format: u16) -> Result<(), ClusterError> {
    change(data_folder, |membership| {
        membership.format = format;
        membership.format_heard_by = None;
    })
}

/// Keeps the secret of TLS tickets, for the next start.
pub fn remember_tickets(data_folder: &Path, secret: [u8; 32]) -> Result<(), ClusterError> {
    change(data_folder, |membership| membership.ticket_secret = secret)
}

/// Replaces what the node shows to others.
pub fn keep_credentials(
    data_folder: &Path,
    credentials: &Credentials,
) -> Result<(), AuthorityError> {
    credentials.write(&data_folder.join(FOLDER))
}

/// What the node shows to others, as it stands on disk.
pub fn credentials(data_folder: &Path) -> Result<Credentials, AuthorityError> {
    Credentials::read(&data_folder.join(FOLDER))
}

/// Changes what stands on disk of a node's place.
fn change(data_folder: &Path, change: impl FnOnce(&mut Membership)) -> Result<(), ClusterError> {
    let path = data_folder.join(FOLDER).join(MEMBERSHIP);
    let failed = |error: io::Error| ClusterError::failed("keep the membership", error);
    let before = fs::read(&path).map_err(failed)?;
    let mut membership = parse(&path, &before)?;
    change(&mut membership);
    let after = serde_json::to_vec_pretty(&membership).map_err(|error| failed(error.into()))?;
    match before == after {
        true => Ok(()),
        false => secret_file::write(&path, &after).map_err(failed),
    }
}

/// Whether the node was started before.
pub fn has_run(data_folder: &Path) -> bool {
    starts::is_counted(data_folder)
}

/// The life that begins with this start: greater than all before it.
pub fn next_life(data_folder: &Path, incarnation: Incarnation) -> io::Result<Life> {
    let start = starts::next(data_folder)?;
    Ok(Life(u64::from(incarnation.0) << 32 | u64::from(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(version: &str) -> String {
        let peers = r#"[{"node":1,"incarnation":1,"address":"a:1"}]"#;
        let zeros = |count| vec!["0"; count].join(",");
        format!(
            r#"{{{version}"cluster":[{}],"node":1,"incarnation":1,"role":"Node","subcluster":1,
            "founder":true,"founds_subcluster":true,"peers":{peers},"ticket_secret":[{}]}}"#,
            zeros(16),
            zeros(32),
        )
    }

    fn read_form(text: &str) -> Result<Membership, ClusterError> {
        parse(Path::new("membership.json"), text.as_bytes())
    }

    #[test]
    fn a_membership_without_a_version_is_of_the_first() {
        for version in ["", r#""version":1,"#] {
            let membership = read_form(&form(version)).map_err(|error| error.to_string());
            assert_eq!(membership.unwrap().version, 1);
        }
    }

    #[test]
    fn a_format_that_was_heard_and_is_not_spoken_stops_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        fs::write(folder.path().join(FOLDER).join(MEMBERSHIP), form("")).unwrap();
        let next = version::FORMATS.newest + 1;
        remember_format(folder.path(), version::FORMATS.newest).unwrap();
        remember_unspoken(folder.path(), next).unwrap();
        let error = read(folder.path()).err().unwrap();
        assert!(matches!(error, ClusterError::Format(_)), "{error}");
        let words = format!("install a version that speaks format {next};");
        assert!(
            error.to_string().contains(&words),
            "none is named, this one is none: {error}"
        );
    }

    #[test]
    fn a_membership_that_cannot_be_used_says_what_to_do() {
        // Of another form altogether: its version is what counts.
        let newer = read_form(r#"{"version":2,"node":"castor"}"#).err().unwrap();
        assert!(
            matches!(newer, ClusterError::Newer { found: 2, .. }),
            "{newer}"
        );
        assert!(
            newer.to_string().contains("start that release again"),
            "{newer}"
        );
        let whole = form("");
        for length in 0..whole.len() {
            let cut = read_form(&whole[..length]).err().unwrap();
            assert!(
                matches!(cut, ClusterError::Membership { .. }),
                "{length}: {cut}"
            );
            assert!(cut.to_string().contains("invite --replaces"), "{cut}");
        }
    }
}
