//! Lets nodes into the cluster: invitations are made for an operator and used up once, in the
//! configuration group, so that it does not matter which node is asked. Not for files: the program
//! keeps those.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_domain::version;
use pollux_links::PeerAddress;
use pollux_links::authority::Authority;
use pollux_links::join::{Admission, BackupBrought, Grant, JoinRefusal, JoinRequest, Verdict};
use pollux_links::token::{self, Token};
use pollux_raft::configuration::{
    Change, ChangeReply, ClusterSecrets, Invitation, Role, Topology, TopologyChange, TopologyReply,
};
use pollux_raft::group::GroupError;
use pollux_raft::version::BUILD;
use pollux_store::codec;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use crate::node::Node;

/// Version of [`Welcome`].
const VERSION: u16 = 1;

/// What a newcomer is told besides its certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    pub role: Role,
    pub subcluster: SubclusterId,
    /// It is the first of its subcluster, whose group it founds.
    pub founds_subcluster: bool,
    pub peers: Vec<PeerAddress>,
    /// Of the TLS tickets that clients get from any node of the cluster.
    pub ticket_secret: [u8; 32],
    /// In which the cluster writes.
    pub format: u16,
}

impl Welcome {
    pub fn read(bytes: &[u8]) -> Result<Welcome, codec::CodecError> {
        codec::decode(VERSION, bytes)
    }
}

/// Why nobody is invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    #[error("this node is alone: `pollux cluster init` makes it the first of a cluster")]
    Alone,
    #[error("{}", words(.0))]
    Refused(TopologyReply),
    #[error(transparent)]
    Group(#[from] GroupError),
}

fn words(reply: &TopologyReply) -> &'static str {
    match reply {
        TopologyReply::NoSuchNode => "there is no such node in this subcluster",
        TopologyReply::NoSuchSubcluster => "there is no such subcluster",
        TopologyReply::Complete => "the subcluster has its nodes and its witness already",
        TopologyReply::Rotating => {
            "the certificates of the cluster are being rotated: wait until `pollux ctl cluster \
             certificates` says that they are not"
        }
        TopologyReply::NotSpoken => "the version of the node does not speak the cluster's format",
        TopologyReply::TooMany => {
            "as many invitations wait as may: use one of them, or make all of them void by `pollux \
             ctl cluster rotate-certificates`"
        }
        _ => "the configuration refused it",
    }
}

/// Makes a token with which one node may join.
pub async fn invite(
    node: &Node,
    role: Role,
    subcluster: SubclusterId,
    replaces: Option<NodeId>,
) -> Result<Token, InviteError> {
    let me = node.settings.node;
    let known = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let address = topology.node(me)?.address.clone();
        let secrets = topology.secrets.clone()?;
        Some((topology.cluster, secrets, address))
    });
    let (cluster, secrets, address) = known.ok_or(InviteError::Alone)?;
    let authority = CertificateDer::from(secrets.authority_certificate.to_vec());
    let token = Token::make(cluster, &authority, &address, node.ambient.rand.as_ref());
    let change = TopologyChange::Invite {
        digest: token::digest(&token.secret),
        invitation: Invitation {
            role,
            subcluster,
            replaces,
        },
    };
    match node.configuration.execute(Change::Topology(change)).await? {
        ChangeReply::Topology(TopologyReply::Done) => Ok(token),
        ChangeReply::Topology(reply) => Err(InviteError::Refused(reply)),
        _ => Err(InviteError::Refused(TopologyReply::NotInvited)),
    }
}

/// Decides for the links who may join.
pub struct Doorkeeper {
    node: Weak<Node>,
}

impl Doorkeeper {
    pub fn new(node: &Arc<Node>) -> Doorkeeper {
        Doorkeeper {
            node: Arc::downgrade(node),
        }
    }
}

impl Admission for Doorkeeper {
    fn admit(&self, secret: [u8; 16], request: JoinRequest) -> Verdict {
        let node = self.node.upgrade();
        Box::pin(async move {
            let node = node.ok_or(JoinRefusal::NotReady)?;
            admit(&node, secret, request).await
        })
    }
}

/// The invitation is looked up by a digest of its secret and used up by one entry of the log:
/// neither a comparison nor a race gives anything away.
async fn admit(node: &Node, secret: [u8; 16], request: JoinRequest) -> Result<Grant, JoinRefusal> {
    let digest = token::digest(&secret);
    let known = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let invitation = topology.invitation(&digest).copied();
        let secrets = topology.secrets.clone();
        (invitation, secrets, topology.cluster, topology.format())
    });
    let (invitation, secrets, cluster, format) = known;
    let invitation = invitation.ok_or(JoinRefusal::UnknownToken)?;
    match request.backup {
        Some(brought) => check_backup(node, &invitation, brought)?,
        None if request.without_backup => {}
        None => check_none_is_missing(node, &invitation)?,
    }
    let secrets = secrets.ok_or(JoinRefusal::NotReady)?;
    let authority = authority(cluster, &secrets).ok_or(JoinRefusal::NotReady)?;
    version::judge(&request.build, format, Some(BUILD)).map_err(JoinRefusal::Format)?;
    let client_address = Some(request.client_address).filter(|address| !address.is_empty());
    let change = TopologyChange::Admit {
        digest,
        name: request.name,
        address: request.node_address,
        client_address,
        build: request.build,
        site: request.site,
    };
    let admitted = node.configuration.execute(Change::Topology(change)).await;
    let voter = match admitted.map_err(|_| JoinRefusal::NotReady)? {
        ChangeReply::Topology(TopologyReply::Admitted(voter)) => voter,
        ChangeReply::Topology(TopologyReply::NotInvited) => return Err(JoinRefusal::UsedToken),
        ChangeReply::Topology(TopologyReply::Complete) => {
            return Err(JoinRefusal::Complete(invitation.subcluster));
        }
        ChangeReply::Topology(TopologyReply::TooMany) => return Err(JoinRefusal::ClusterFull),
        _ => return Err(JoinRefusal::NotReady),
    };
    let certificate = authority
        .sign_request(voter.node, &request.certificate_request)
        .map_err(|_| JoinRefusal::BadRequest)?;
    tracing::info!(newcomer = %voter, role = ?invitation.role, "node was let into the cluster");
    let welcome = Welcome {
        role: invitation.role,
        subcluster: invitation.subcluster,
        // Also of one whose nodes are all lost.
        founds_subcluster: node.configuration.read(|configuration| {
            let members = configuration.topology().members(invitation.subcluster);
            members.count() == 1
        }),
        peers: node
            .configuration
            .read(|configuration| addresses(configuration.topology())),
        ticket_secret: secrets.ticket_secret,
        format,
    };
    let topology = codec::encode(VERSION, &welcome).map_err(|_| JoinRefusal::NotReady)?;
    Ok(Grant {
        node: voter.node,
        incarnation: voter.incarnation,
        certificate: certificate.to_vec(),
        topology: Bytes::from(topology),
    })
}

/// Whether a newcomer may begin its group with what it brings: before its token is used up.
fn check_backup(
    node: &Node,
    invitation: &Invitation,
    brought: BackupBrought,
) -> Result<(), JoinRefusal> {
    let wanted = invitation.subcluster;
    node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let others = topology.members(wanted);
        if topology.restored != Some(brought.set) {
            return Err(JoinRefusal::OtherBackup);
        }
        if brought.subcluster != wanted {
            let found = brought.subcluster;
            return Err(JoinRefusal::BackupOfAnother { found, wanted });
        }
        match { others }.any(|(other, _)| invitation.replaces != Some(other)) {
            true => Err(JoinRefusal::NotTheFirst(wanted)),
            false => Ok(()),
        }
    })
}

/// Who founds a subcluster of a restored cluster brings what its users had, or says that it cannot:
/// what has begun with nothing takes no file any more.
fn check_none_is_missing(node: &Node, invitation: &Invitation) -> Result<(), JoinRefusal> {
    let wanted = invitation.subcluster;
    node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let was_there = topology
            .nodes()
            .any(|(_, entry)| entry.subcluster == wanted);
        let mut others = topology.members(wanted);
        let is_first = others.all(|(other, _)| invitation.replaces == Some(other));
        match topology.restored.is_some() && was_there && is_first {
            true => Err(JoinRefusal::NeedsBackup(wanted)),
            false => Ok(()),
        }
    })
}

/// The cluster's authority, with which it signs.
pub fn authority(
    cluster: pollux_domain::ids::ClusterId,
    secrets: &ClusterSecrets,
) -> Option<Authority> {
    let certificate = CertificateDer::from(secrets.authority_certificate.to_vec());
    let key = PrivatePkcs8KeyDer::from(secrets.authority_key.to_vec());
    Authority::from_parts(cluster, certificate, &key).ok()
}

/// Where the nodes of a cluster are reached by each other; removed ones are not.
pub fn addresses(topology: &Topology) -> Vec<PeerAddress> {
    let present = topology.nodes().filter(|(_, entry)| !entry.removed);
    present
        .map(|(node, entry)| PeerAddress {
            node,
            incarnation: Some(entry.incarnation),
            address: entry.address.clone(),
        })
        .collect()
}
