//! Which nodes a cluster has and how they form subclusters: the part of the configuration that
//! changes when a node is founded, admitted, removed, or given another address.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pollux_domain::ids::{ClusterId, Incarnation, NodeId, SubclusterId, Voter, WallMs};
use pollux_domain::limits;
use pollux_domain::version::Build;
use serde::{Deserialize, Serialize};

use super::hosting::Hosting;
use super::rotation::{Credential, Fingerprint, Shown};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    pub cluster: ClusterId,
    pub(super) nodes: BTreeMap<NodeId, NodeEntry>,
    pub(super) subclusters: BTreeMap<SubclusterId, SubclusterEntry>,
    /// By the digest of their secret: who knows it may join, once.
    pub(super) invitations: BTreeMap<[u8; 32], Invitation>,
    /// The cluster's own authority: certificate and key (DER, PKCS #8), and the secret of the TLS
    /// tickets.
    pub secrets: Option<ClusterSecrets>,
    /// The backup of which the cluster was made: its other files belong to it, too.
    pub restored: Option<[u8; 16]>,
    /// Those that follow, while certificates are rotated: see `rotation`.
    pub(super) next_secrets: Option<ClusterSecrets>,
    /// The secret of tickets before the last rotation, and when that ended.
    pub(super) former_tickets: Option<([u8; 32], WallMs)>,
    /// In which everything is written; 0 until the first node has said it.
    format: u16,
}

/// What makes and joins certificates and tickets of this cluster.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSecrets {
    /// Of the authority's certificate.
    pub fingerprint: Fingerprint,
    pub made_at: WallMs,
    pub authority_certificate: Bytes,
    pub authority_key: Bytes,
    pub ticket_secret: [u8; 32],
}

impl std::fmt::Debug for ClusterSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterSecrets(…)")
    }
}

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Serves users of its subcluster.
    Node,
    /// Votes in its subcluster and serves nobody.
    Witness,
}

/// One node as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    pub name: String,
    pub role: Role,
    pub subcluster: SubclusterId,
    pub incarnation: Incarnation,
    /// `host:port` at which other nodes reach it; empty where it is alone.
    pub address: String,
    /// `host:port` that clients are told to resume at, where there is one.
    pub client_address: Option<String>,
    /// What it runs, as it said when it came last.
    pub build: Build,
    /// What it shows on the port between nodes, once it has said so.
    pub shown: Option<Shown>,
    /// Where it stands, where somebody has said: nodes of one site may be lost together.
    pub site: Option<String>,
    /// It is being emptied: its twin serves its users, and it takes no duty.
    pub drained: bool,
    /// It may not come back.
    pub removed: bool,
}

/// One node, or a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubclusterEntry {
    /// Whether a node takes over from its twin by itself.
    pub high_availability: bool,
    /// How often its group had to go on with one voter.
    pub reforms: u32,
    /// Which nodes of other subclusters have its database.
    pub hosting: Hosting,
}

/// A place in the cluster that waits for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    pub role: Role,
    pub subcluster: SubclusterId,
    /// The node that comes back without its memory, under its next incarnation.
    pub replaces: Option<NodeId>,
}

/// One change of the topology.
#[expect(
    clippy::large_enum_variant,
    reason = "changes are few, travel alone, and are not kept"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopologyChange {
    /// The first node; taken only once.
    Found {
        cluster: ClusterId,
        node: NodeId,
        entry: NodeEntry,
        secrets: Option<ClusterSecrets>,
    },
    Invite {
        digest: [u8; 32],
        invitation: Invitation,
    },
    /// Uses an invitation up. `digest`: of the secret that the newcomer knows.
    Admit {
        digest: [u8; 32],
        name: String,
        address: String,
        client_address: Option<String>,
        build: Build,
        site: Option<String>,
    },
    Remove {
        node: NodeId,
    },
    /// The subcluster of `node` goes on with it alone, under that incarnation: the others are lost,
    /// and come back without their memory or not at all.
    Reform {
        node: NodeId,
        incarnation: Incarnation,
    },
    SetHighAvailability {
        subcluster: SubclusterId,
        on: bool,
    },
    SetAddress {
        node: NodeId,
        address: String,
        client_address: Option<String>,
    },
    /// What the node runs now.
    SetBuild {
        node: NodeId,
        build: Build,
    },
    /// From here on everything is written in this format, and no build that does not speak it
    /// comes back.
    UseFormat(u16),
    /// Begins to rotate the certificates. Invitations name the old authority: they are void.
    Rotate(ClusterSecrets),
    /// What a node shows and whom it believes from now on, by its own clock.
    SetCredential {
        node: NodeId,
        credential: Credential,
        at: WallMs,
    },
    SetSite {
        node: NodeId,
        site: Option<String>,
    },
    /// The node is emptied, or no longer.
    SetDrained {
        node: NodeId,
        drained: bool,
    },
    /// A subcluster gets another witness among the nodes of the others, or none.
    Appoint {
        subcluster: SubclusterId,
        witness: Option<NodeId>,
        /// Who it is now, as whoever says this knows.
        instead_of: Option<Voter>,
        /// An operator has chosen it.
        is_pinned: bool,
    },
    /// The group votes without it for certain: it may drop its replica.
    Relieve {
        subcluster: SubclusterId,
        voter: Voter,
    },
    /// It has lost its replica, and is to host another under its next incarnation.
    HostAnew {
        subcluster: SubclusterId,
        voter: Voter,
    },
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopologyReply {
    Done,
    Admitted(Voter),
    NotInvited,
    NoSuchNode,
    NoSuchSubcluster,
    /// The subcluster has its two nodes and its witness.
    Complete,
    Founded,
    TooMany,
    /// Not all nodes speak the format, or it is in use.
    NotSpoken,
    /// The certificates are being rotated.
    Rotating,
    /// Something else has changed meanwhile.
    Stale,
    /// That node cannot be the witness of that subcluster.
    Unfit,
}

impl Topology {
    pub(super) fn apply(&mut self, change: &TopologyChange) -> TopologyReply {
        match change {
            TopologyChange::Found { .. } if !self.nodes.is_empty() => {
                return TopologyReply::Founded;
            }
            TopologyChange::Found {
                cluster,
                node,
                entry,
                secrets,
            } => {
                self.cluster = *cluster;
                self.secrets = secrets.clone();
                self.subclusters.entry(entry.subcluster).or_default();
                self.nodes.insert(*node, entry.clone());
                if self.format == 0 {
                    self.format = entry.build.formats.newest;
                }
            }
            TopologyChange::Invite { digest, invitation } => {
                return self.invite(*digest, *invitation);
            }
            TopologyChange::Admit {
                digest,
                name,
                address,
                client_address,
                build,
                site,
            } => {
                let entry = NodeEntry {
                    name: name.clone(),
                    role: Role::Node,
                    subcluster: SubclusterId::default(),
                    incarnation: Incarnation::default(),
                    address: address.clone(),
                    client_address: client_address.clone(),
                    build: build.clone(),
                    site: site.clone(),
                    drained: false,
                    shown: None,
                    removed: false,
                };
                return self.admit(digest, entry);
            }
            TopologyChange::Remove { node } => match self.nodes.get_mut(node) {
                Some(entry) => {
                    entry.removed = true;
                    self.hosts_no_more(*node);
                    self.advance();
                }
                None => return TopologyReply::NoSuchNode,
            },
            TopologyChange::Reform { node, incarnation } => {
                return self.reform(*node, *incarnation);
            }
            TopologyChange::SetHighAvailability { subcluster, on } => {
                match self.subclusters.get_mut(subcluster) {
                    Some(entry) => entry.high_availability = *on,
                    None => return TopologyReply::NoSuchSubcluster,
                }
            }
            TopologyChange::SetAddress {
                node,
                address,
                client_address,
            } => match self.nodes.get_mut(node) {
                Some(entry) => {
                    entry.address.clone_from(address);
                    entry.client_address.clone_from(client_address);
                }
                None => return TopologyReply::NoSuchNode,
            },
            TopologyChange::SetBuild { node, build } => match self.nodes.get_mut(node) {
                Some(entry) => entry.build.clone_from(build),
                None => return TopologyReply::NoSuchNode,
            },
            TopologyChange::UseFormat(format) => {
                let is_spoken = self.builds().all(|build| build.formats.contains(*format));
                if *format <= self.format || !is_spoken {
                    return TopologyReply::NotSpoken;
                }
                self.format = *format;
            }
            TopologyChange::Rotate(next) => return self.rotate(next),
            TopologyChange::SetCredential {
                node,
                credential,
                at,
            } => return self.set_credential(*node, credential, *at),
            TopologyChange::SetSite { node, site } => match self.nodes.get_mut(node) {
                Some(entry) => entry.site.clone_from(site),
                None => return TopologyReply::NoSuchNode,
            },
            TopologyChange::SetDrained { node, drained } => match self.nodes.get_mut(node) {
                Some(entry) => entry.drained = *drained,
                None => return TopologyReply::NoSuchNode,
            },
            TopologyChange::Appoint {
                subcluster,
                witness,
                instead_of,
                is_pinned,
            } => return self.appoint(*subcluster, *witness, *instead_of, *is_pinned),
            TopologyChange::Relieve { subcluster, voter } => {
                return self.relieve(*subcluster, *voter);
            }
            TopologyChange::HostAnew { subcluster, voter } => {
                return self.host_anew(*subcluster, *voter);
            }
        }
        TopologyReply::Done
    }

    /// As a new cluster begins with it, of which `node` is all that there is. Who belonged to the
    /// old one is gone, and comes back by an invitation or not at all.
    pub(super) fn begin_anew(
        &mut self,
        cluster: ClusterId,
        node: NodeId,
        entry: NodeEntry,
        secrets: ClusterSecrets,
        restored: [u8; 16],
    ) {
        self.cluster = cluster;
        self.secrets = Some(secrets);
        self.restored = Some(restored);
        self.invitations.clear();
        // Each group goes on under a new name: what it says from now on is not what the old one
        // said after the backup.
        for subcluster in self.subclusters.values_mut() {
            subcluster.high_availability = false;
            subcluster.reforms += 1;
            subcluster.hosting.end();
        }
        self.next_secrets = None;
        self.former_tickets = None;
        self.format = entry.build.formats.newest;
        for other in self.nodes.values_mut() {
            other.removed = true;
        }
        self.nodes.insert(node, entry);
    }

    fn reform(&mut self, node: NodeId, incarnation: Incarnation) -> TopologyReply {
        let Some(survivor) = self.nodes.get_mut(&node) else {
            return TopologyReply::NoSuchNode;
        };
        if incarnation <= survivor.incarnation {
            return TopologyReply::Done;
        }
        survivor.incarnation = incarnation;
        let subcluster = survivor.subcluster;
        let mut lost = BTreeSet::new();
        for (other, entry) in &mut self.nodes {
            if *other != node && entry.subcluster == subcluster {
                entry.removed = true;
                lost.insert(*other);
            }
        }
        let entry = self.subclusters.entry(subcluster).or_default();
        entry.high_availability = false;
        entry.reforms += 1;
        entry.hosting.end();
        lost.into_iter().for_each(|node| self.hosts_no_more(node));
        self.advance();
        TopologyReply::Done
    }

    fn invite(&mut self, digest: [u8; 32], invitation: Invitation) -> TopologyReply {
        if self.next_secrets.is_some() {
            return TopologyReply::Rotating;
        }
        if let Some(node) = invitation.replaces {
            let known = self.nodes.get(&node);
            if known.is_none_or(|known| known.subcluster != invitation.subcluster) {
                return TopologyReply::NoSuchNode;
            }
        }
        if limits::INVITATIONS_MAX <= self.invitations.len() {
            return TopologyReply::TooMany;
        }
        self.invitations.insert(digest, invitation);
        TopologyReply::Done
    }

    /// `entry`: what the newcomer says of itself; the rest is said by the invitation.
    fn admit(&mut self, digest: &[u8; 32], entry: NodeEntry) -> TopologyReply {
        let Some(invitation) = self.invitations.get(digest).copied() else {
            return TopologyReply::NotInvited;
        };
        if !entry.build.formats.contains(self.format) {
            return TopologyReply::NotSpoken;
        }
        let (node, incarnation) = match invitation.replaces {
            Some(node) => {
                let old = self.nodes.get(&node).map_or(0, |old| old.incarnation.0);
                let present = self.members(invitation.subcluster);
                if present.filter(|(other, _)| *other != node).count() == 0 {
                    // Its group begins anew: under another name, since it says other things.
                    let entry = self.subclusters.entry(invitation.subcluster).or_default();
                    entry.high_availability = false;
                    entry.reforms += 1;
                }
                (node, Incarnation(old + 1))
            }
            None => {
                let present = self.members(invitation.subcluster);
                let alike = present.filter(|(_, entry)| entry.role == invitation.role);
                let most = match invitation.role {
                    Role::Node => 2,
                    Role::Witness => 1,
                };
                if most <= alike.count() {
                    return TopologyReply::Complete;
                }
                if limits::NODES_MAX <= self.nodes.len() {
                    return TopologyReply::TooMany;
                }
                let last = self.nodes.keys().next_back().copied().unwrap_or_default();
                (last.next(), Incarnation(1))
            }
        };
        self.invitations.remove(digest);
        self.subclusters.entry(invitation.subcluster).or_default();
        let entry = NodeEntry {
            role: invitation.role,
            subcluster: invitation.subcluster,
            incarnation,
            ..entry
        };
        self.nodes.insert(node, entry);
        self.has_no_memory(node);
        if invitation.role == Role::Witness {
            self.has_process(invitation.subcluster);
        }
        TopologyReply::Admitted(Voter { node, incarnation })
    }

    pub fn node(&self, node: NodeId) -> Option<&NodeEntry> {
        self.nodes.get(&node)
    }

    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &NodeEntry)> {
        self.nodes.iter().map(|(node, entry)| (*node, entry))
    }

    /// In which everything is written; 0 while nobody has said it.
    pub fn format(&self) -> u16 {
        self.format
    }

    /// What the present nodes run.
    pub fn builds(&self) -> impl Iterator<Item = &Build> {
        self.present().map(|(_, entry)| &entry.build)
    }

    pub fn subcluster(&self, id: SubclusterId) -> Option<&SubclusterEntry> {
        self.subclusters.get(&id)
    }

    /// Those that were not removed.
    pub fn present(&self) -> impl Iterator<Item = (NodeId, &NodeEntry)> {
        self.nodes().filter(|(_, entry)| !entry.removed)
    }

    /// What follows on `secrets`, while certificates are rotated.
    pub fn next_secrets(&self) -> Option<&ClusterSecrets> {
        self.next_secrets.as_ref()
    }

    pub fn subclusters(&self) -> impl Iterator<Item = SubclusterId> {
        self.subclusters.keys().copied()
    }

    /// Those who vote in a subcluster's group, present ones only.
    pub fn members(&self, id: SubclusterId) -> impl Iterator<Item = (NodeId, &NodeEntry)> {
        self.nodes()
            .filter(move |(_, entry)| entry.subcluster == id && !entry.removed)
    }

    /// The nodes of a subcluster that serve users.
    pub fn serving_nodes(&self, id: SubclusterId) -> Vec<NodeId> {
        let members = self.members(id);
        members
            .filter(|(_, entry)| entry.role == Role::Node)
            .map(|(node, _)| node)
            .collect()
    }

    /// The nodes that are the home of some users; removed ones are until their users have another.
    pub fn homes(&self, id: SubclusterId) -> Vec<NodeId> {
        self.nodes()
            .filter(|(_, entry)| entry.subcluster == id && entry.role == Role::Node)
            .map(|(node, _)| node)
            .collect()
    }

    /// Whether this secret's digest is an invitation that was not used.
    pub fn invitation(&self, digest: &[u8; 32]) -> Option<&Invitation> {
        self.invitations.get(digest)
    }
}

#[cfg(test)]
#[path = "topology_test.rs"]
mod tests;
