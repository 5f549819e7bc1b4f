//! `pollux cluster init`: makes a data folder the first node of a new cluster. Works on a node that
//! was alone, too: its users and their data stay.

use std::path::Path;

use pollux_actors::system;
use pollux_domain::ids::{ClusterId, Incarnation, NodeId, SubclusterId};
use pollux_links::PeerAddress;
use pollux_links::authority::{Authority, NodeKey};
use pollux_links::credentials::Credentials;
use pollux_raft::configuration::Role;
use pollux_raft::version;

use super::{ClusterError, FOLDER, MEMBERSHIP, Membership, VERSION, write};
use crate::config::Config;

/// Makes the cluster's authority and the node's certificate.
pub fn init(config: &Config) -> Result<Membership, ClusterError> {
    let folder = &config.node.data_folder;
    if folder.join(FOLDER).join(MEMBERSHIP).exists() {
        return Err(ClusterError::Already(folder.clone()));
    }
    let founded = found(config, SubclusterId(1))?;
    founded.write(folder)?;
    Ok(founded.membership)
}

/// A new cluster of one node, which is nowhere yet.
pub(super) struct Founded {
    pub(super) membership: Membership,
    pub(super) credentials: Credentials,
    pub(super) authority_key: Vec<u8>,
}

impl Founded {
    pub(super) fn write(&self, folder: &Path) -> Result<(), ClusterError> {
        let authority_key = Some(self.authority_key.as_slice());
        write(folder, &self.membership, &self.credentials, authority_key)
    }
}

pub(super) fn found(config: &Config, subcluster: SubclusterId) -> Result<Founded, ClusterError> {
    let rand = system::ambient().rand;
    let cluster = ClusterId(rand.token());
    let mut ticket_secret = [0; 32];
    rand.fill(&mut ticket_secret);
    let node = NodeId(config.node.id.get());
    let failed = |error| ClusterError::failed("make the cluster's authority", error);
    let authority = Authority::make(cluster).map_err(failed)?;
    let key = NodeKey::make().map_err(failed)?;
    let credentials = Credentials {
        certificate: authority.sign_key(node, &key).map_err(failed)?,
        key: key.private(),
        authority: authority.certificate().clone(),
        also: None,
    };
    let incarnation = Incarnation(1);
    let membership = Membership {
        version: VERSION,
        cluster,
        node,
        incarnation,
        role: Role::Node,
        subcluster,
        founder: true,
        founds_subcluster: true,
        goes_on_alone: false,
        peers: vec![PeerAddress {
            node,
            incarnation: Some(incarnation),
            address: config.cluster.address.clone(),
        }],
        ticket_secret,
        format: version::FORMATS.oldest,
        format_heard_by: None,
    };
    let authority_key = authority.private();
    Ok(Founded {
        membership,
        credentials,
        authority_key: authority_key.secret_pkcs8_der().to_vec(),
    })
}
