//! `pollux cluster join`: asks a node of the cluster, with a one-time token, to be let in.

use std::path::Path;
use std::time::Duration;

use pollux_actors::admission::Welcome;
use pollux_actors::system;
use pollux_domain::ids::Voter;
use pollux_domain::seams::Ambient;
use pollux_links::authority::NodeKey;
use pollux_links::credentials::Credentials;
use pollux_links::join::{self, BackupBrought, JoinRequest};
use pollux_links::net::SystemNet;
use pollux_links::token::Token;
use pollux_raft::version;

use super::restore::{check_empty, checked, clear, place_subcluster};
use super::{ClusterError, FOLDER, MEMBERSHIP, Membership, VERSION, write};
use crate::config::Config;

/// How long a node of the cluster may be busy before it is given up.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// A node that has joined.
pub struct Joined {
    pub membership: Membership,
    /// What it has of a backup, in one line.
    pub restored: Option<String>,
}

/// What the database of its subcluster begins with, where it is the first node of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning<'a> {
    /// What the cluster knows of it; of one that was restored a file is to be brought.
    Known,
    Restored(&'a Path),
    /// Nothing, also where there would be a file to bring.
    Empty,
}

/// Joins with an empty data folder. `address`: where to call, instead of what the token says.
pub fn join(
    config: &Config,
    token: &str,
    address: Option<&str>,
    beginning: Beginning<'_>,
) -> Result<Joined, ClusterError> {
    let folder = &config.node.data_folder;
    if folder.join(FOLDER).join(MEMBERSHIP).exists() {
        return Err(ClusterError::Already(folder.clone()));
    }
    check_empty(folder)?;
    // Before the token is used up.
    let backup = match beginning {
        Beginning::Restored(path) => Some((path, checked(config, path)?)),
        Beginning::Known | Beginning::Empty => None,
    };
    let token =
        Token::parse(token).map_err(|error| ClusterError::failed("read the token", error))?;
    let key = NodeKey::make().map_err(|error| ClusterError::failed("make a key", error))?;
    let request = JoinRequest {
        name: config.cluster.name.clone(),
        node_address: config.cluster.address.clone(),
        client_address: config.xmpp.address.clone(),
        build: version::build(),
        site: config.cluster.site.clone(),
        certificate_request: key
            .request()
            .map_err(|error| ClusterError::failed("make a key", error))?,
        backup: backup.as_ref().map(|(_, backup)| BackupBrought {
            set: backup.about.set.0,
            subcluster: backup.about.subcluster,
        }),
        without_backup: beginning == Beginning::Empty,
    };
    let address = address.unwrap_or(&token.address).to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ClusterError::failed("start a thread", error))?;
    let grant = runtime.block_on(ask(&system::ambient(), &address, &token, request))?;
    let welcome = Welcome::read(&grant.topology)
        .map_err(|error| ClusterError::failed("read what the cluster says", error))?;
    let membership = Membership {
        version: VERSION,
        cluster: grant.cluster,
        node: grant.node,
        incarnation: grant.incarnation,
        role: welcome.role,
        subcluster: welcome.subcluster,
        founder: false,
        founds_subcluster: welcome.founds_subcluster,
        goes_on_alone: false,
        peers: welcome.peers,
        ticket_secret: welcome.ticket_secret,
        format: welcome.format,
        format_heard_by: Some(version::BUILD.to_owned()),
    };
    let credentials = Credentials {
        certificate: grant.certificate,
        key: key.private(),
        authority: grant.authority,
        also: None,
    };
    let restored = match backup {
        Some((path, backup)) => {
            let me = Voter {
                node: membership.node,
                incarnation: membership.incarnation,
            };
            let restored = place_subcluster(folder, path, backup, me);
            Some(restored.inspect_err(|_| clear(folder))?)
        }
        None => None,
    };
    write(folder, &membership, &credentials, None)?;
    Ok(Joined {
        membership,
        restored,
    })
}

/// A node that is only busy is asked again: the token is not used up by that.
async fn ask(
    ambient: &Ambient,
    address: &str,
    token: &Token,
    request: JoinRequest,
) -> Result<join::JoinGrant, ClusterError> {
    let failed = |error: join::JoinError| ClusterError::failed("join", error);
    for _try in 1..TRIES {
        match join::join(&SystemNet, ambient, address, token, request.clone()).await {
            Err(join::JoinError::Refused(
                join::JoinRefusal::Busy | join::JoinRefusal::NotReady,
            )) => tokio::time::sleep(PAUSE).await,
            answered => return answered.map_err(failed),
        }
    }
    let last = join::join(&SystemNet, ambient, address, token, request).await;
    last.map_err(failed)
}
