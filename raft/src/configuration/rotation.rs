//! How the cluster gets another authority and other certificates while it runs: what each node has
//! to do next, and when the old authority is worth nothing any more. Everything follows from what
//! nodes have said of themselves, so that it goes on wherever somebody was killed. Not for making
//! certificates: see `pollux_links::authority`.

use pollux_domain::ids::{NodeId, WallMs};
use serde::{Deserialize, Serialize};

use super::topology::{ClusterSecrets, NodeEntry, Topology, TopologyReply};

/// SHA-256 of a certificate.
pub type Fingerprint = [u8; 32];

/// What a node shows on the port between nodes, and whom it believes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Of its own certificate.
    pub certificate: Fingerprint,
    /// Of the authority that has signed it.
    pub authority: Fingerprint,
    /// The authorities whose nodes it believes.
    pub trusts: Vec<Fingerprint>,
}

/// A credential as its node has said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub credential: Credential,
    /// When the node got that certificate, by its own clock.
    pub since: WallMs,
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing rotates.
    Settled,
    /// Each node is to believe the next authority beside the old one.
    Trusting,
    /// Each node is to show a certificate of the next authority.
    Renewing,
}

/// What a node does next about its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Believe the next authority, too.
    Trust(ClusterSecrets),
    /// Make a key, and a certificate by the next authority.
    Renew(ClusterSecrets),
    /// Believe the authority alone that is left.
    Forget,
    /// Say what it shows.
    Say,
}

impl Topology {
    /// Invitations name the authority: with the old one they are void.
    pub(super) fn rotate(&mut self, next: &ClusterSecrets) -> TopologyReply {
        if self.next_secrets.is_some() {
            return TopologyReply::Rotating;
        }
        self.invitations.clear();
        self.next_secrets = Some(next.clone());
        TopologyReply::Done
    }

    pub(super) fn set_credential(
        &mut self,
        node: NodeId,
        credential: &Credential,
        at: WallMs,
    ) -> TopologyReply {
        let Some(entry) = self.nodes.get_mut(&node) else {
            return TopologyReply::NoSuchNode;
        };
        let known = entry
            .shown
            .take()
            .filter(|shown| shown.credential.certificate == credential.certificate);
        entry.shown = Some(Shown {
            credential: credential.clone(),
            since: known.map_or(at, |shown| shown.since),
        });
        self.advance();
        TopologyReply::Done
    }

    /// The old authority is worth nothing any more, as soon as every node shows a certificate of
    /// the next one.
    pub(super) fn advance(&mut self) {
        let Some(next) = &self.next_secrets else {
            return;
        };
        if !self.present().all(|(_, entry)| shows(entry, next)) {
            return;
        }
        let shown = self.present().filter_map(|(_, entry)| entry.shown.as_ref());
        let at = shown.map(|shown| shown.since).max().unwrap_or(next.made_at);
        let next = self.next_secrets.take();
        let before = std::mem::replace(&mut self.secrets, next);
        self.former_tickets = before.map(|before| (before.ticket_secret, at));
    }

    /// How far the rotation is, by what all nodes that are left have shown.
    pub fn phase(&self) -> Phase {
        let Some(next) = self.next_secrets() else {
            return Phase::Settled;
        };
        match self.present().all(|(_, entry)| trusts(entry, next)) {
            true => Phase::Renewing,
            false => Phase::Trusting,
        }
    }

    /// The nodes for which the rotation waits.
    pub fn awaited(&self) -> Vec<NodeId> {
        let Some(next) = self.next_secrets() else {
            return Vec::new();
        };
        let renewing = self.phase() == Phase::Renewing;
        let waits = |entry: &NodeEntry| match renewing {
            true => !shows(entry, next),
            false => !trusts(entry, next),
        };
        let awaited = self.present().filter(|(_, entry)| waits(entry));
        awaited.map(|(node, _)| node).collect()
    }

    /// The next step of `node`, which holds `held`.
    pub fn due(&self, node: NodeId, held: &Credential) -> Option<Due> {
        let entry = self.node(node).filter(|entry| !entry.removed)?;
        let secrets = self.secrets.as_ref()?;
        match self.next_secrets() {
            Some(next) if !held.trusts.contains(&next.fingerprint) => {
                return Some(Due::Trust(next.clone()));
            }
            Some(next) if self.phase() == Phase::Renewing && held.authority != next.fingerprint => {
                return Some(Due::Renew(next.clone()));
            }
            // Whoever shows what nobody believes would lock itself out for good.
            None if held.authority == secrets.fingerprint
                && held.trusts != [secrets.fingerprint] =>
            {
                return Some(Due::Forget);
            }
            _ => {}
        }
        let said = entry.shown.as_ref().map(|shown| &shown.credential);
        (said != Some(held)).then_some(Due::Say)
    }

    /// With what tickets of TLS are made, and what else they are taken by: with the next secret
    /// when every node takes those.
    pub fn ticket_secrets(&self) -> Option<TicketSecrets> {
        let current = self.secrets.as_ref()?.ticket_secret;
        let next = self.next_secrets().map(|next| next.ticket_secret);
        let (make, take) = match (self.phase(), next) {
            (Phase::Renewing, Some(next)) => (next, Some(current)),
            _ => (current, next),
        };
        Some(TicketSecrets {
            make,
            take,
            former: self.former_tickets,
        })
    }
}

/// See [`Topology::ticket_secrets`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TicketSecrets {
    pub make: [u8; 32],
    /// As good.
    pub take: Option<[u8; 32]>,
    /// Good for tickets from before this moment.
    pub former: Option<([u8; 32], WallMs)>,
}

fn trusts(entry: &NodeEntry, next: &ClusterSecrets) -> bool {
    let shown = entry.shown.as_ref();
    shown.is_some_and(|shown| shown.credential.trusts.contains(&next.fingerprint))
}

/// Whether it shows a certificate of the next authority.
fn shows(entry: &NodeEntry, next: &ClusterSecrets) -> bool {
    let shown = entry.shown.as_ref();
    shown.is_some_and(|shown| shown.credential.authority == next.fingerprint)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pollux_domain::ids::{ClusterId, Incarnation, SubclusterId};
    use pollux_domain::version::{Build, Formats};

    use super::super::topology::{Invitation, Role, TopologyChange};
    use super::*;

    fn secrets(number: u8) -> ClusterSecrets {
        ClusterSecrets {
            fingerprint: [number; 32],
            made_at: WallMs(u64::from(number)),
            authority_certificate: Bytes::new(),
            authority_key: Bytes::new(),
            ticket_secret: [number; 32],
        }
    }

    /// Nodes as they hold their files: what they do follows from the topology alone.
    struct Cluster {
        topology: Topology,
        held: Vec<Credential>,
    }

    impl Cluster {
        /// All show what the first authority has signed, and have said so.
        fn of(nodes: u16) -> Cluster {
            let mut topology = Topology::default();
            let formats = Formats {
                oldest: 1,
                newest: 1,
            };
            let build = Build::new("1.0.0", formats).unwrap();
            let found = TopologyChange::Found {
                cluster: ClusterId::default(),
                node: NodeId(1),
                entry: NodeEntry {
                    name: "castor".to_owned(),
                    role: Role::Node,
                    subcluster: SubclusterId(1),
                    incarnation: Incarnation(1),
                    address: String::new(),
                    client_address: None,
                    build: build.clone(),
                    shown: None,
                    site: None,
                    drained: false,
                    removed: false,
                },
                secrets: Some(secrets(1)),
            };
            topology.apply(&found);
            for number in 2..=nodes {
                let digest = [number as u8; 32];
                assert_eq!(invite(&mut topology, digest), TopologyReply::Done);
                topology.apply(&TopologyChange::Admit {
                    digest,
                    name: number.to_string(),
                    address: String::new(),
                    client_address: None,
                    build: build.clone(),
                    site: None,
                });
            }
            let held = (1..=nodes).map(|number| Credential {
                certificate: [100 + number as u8; 32],
                authority: [1; 32],
                trusts: vec![[1; 32]],
            });
            let mut cluster = Cluster {
                topology,
                held: held.collect(),
            };
            for number in 1..=nodes {
                cluster.settle(number);
            }
            cluster
        }

        /// One step of a node; none: there is nothing to do.
        fn step(&mut self, number: u16) -> Option<Due> {
            let held = &mut self.held[usize::from(number) - 1];
            let due = self.topology.due(NodeId(number), held)?;
            match &due {
                Due::Trust(next) => held.trusts.push(next.fingerprint),
                Due::Renew(next) => {
                    held.authority = next.fingerprint;
                    held.certificate[0] += 1;
                }
                Due::Forget => held.trusts.retain(|one| *one == held.authority),
                Due::Say => {
                    let change = TopologyChange::SetCredential {
                        node: NodeId(number),
                        credential: held.clone(),
                        at: WallMs(u64::from(number) + 100),
                    };
                    self.topology.apply(&change);
                }
            }
            self.believe();
            Some(due)
        }

        /// Every two nodes believe each other, at every moment.
        fn believe(&self) {
            let present = self.topology.present().map(|(node, _)| usize::from(node.0));
            let present: Vec<&Credential> = present.map(|node| &self.held[node - 1]).collect();
            for one in &present {
                for other in &present {
                    assert!(one.trusts.contains(&other.authority), "{one:?} {other:?}");
                }
            }
        }

        fn settle(&mut self, number: u16) {
            let mut steps = 0;
            while self.step(number).is_some() {
                steps += 1;
                assert!(steps < 10, "it comes to an end");
            }
        }
    }

    fn invite(topology: &mut Topology, digest: [u8; 32]) -> TopologyReply {
        let invitation = Invitation {
            role: Role::Witness,
            subcluster: SubclusterId(digest[0].into()),
            replaces: None,
        };
        topology.apply(&TopologyChange::Invite { digest, invitation })
    }

    /// In whichever order they come.
    #[test]
    fn nodes_believe_each_other_all_the_way_and_the_old_authority_goes_last() {
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let mut cluster = Cluster::of(3);
            cluster.topology.apply(&TopologyChange::Rotate(secrets(2)));
            assert_eq!(cluster.topology.phase(), Phase::Trusting);
            // One step each in turn: every node may be anywhere between two of its steps.
            let mut idle = 0;
            for number in order.into_iter().cycle() {
                idle = if cluster.step(number).is_some() {
                    0
                } else {
                    idle + 1
                };
                if idle == 3 {
                    break;
                }
            }
            assert_eq!(cluster.topology.phase(), Phase::Settled);
            assert_eq!(
                cluster.topology.secrets.as_ref().unwrap().fingerprint,
                [2; 32]
            );
            for held in &cluster.held {
                assert_eq!((held.authority, &*held.trusts), ([2; 32], &[[2; 32]][..]));
            }
        }
    }

    #[test]
    fn it_waits_for_who_is_away_and_goes_on_when_that_is_removed() {
        let mut cluster = Cluster::of(3);
        let rotate = TopologyChange::Rotate(secrets(2));
        cluster.topology.apply(&rotate);
        assert_eq!(cluster.topology.apply(&rotate), TopologyReply::Rotating);
        cluster.settle(1);
        cluster.settle(2);
        assert_eq!(cluster.topology.phase(), Phase::Trusting);
        assert_eq!(cluster.topology.awaited(), [NodeId(3)]);
        cluster.settle(3);
        cluster.settle(1);
        assert_eq!(cluster.topology.phase(), Phase::Renewing);
        assert_eq!(cluster.topology.awaited(), [NodeId(2)]);
        cluster
            .topology
            .apply(&TopologyChange::Remove { node: NodeId(2) });
        assert_eq!(cluster.topology.phase(), Phase::Settled);
        assert_eq!(
            cluster.topology.due(NodeId(2), &cluster.held[1].clone()),
            None
        );
    }

    #[test]
    fn an_invitation_is_void_with_the_authority_that_it_names() {
        let mut cluster = Cluster::of(1);
        assert_eq!(invite(&mut cluster.topology, [7; 32]), TopologyReply::Done);
        cluster.topology.apply(&TopologyChange::Rotate(secrets(2)));
        assert_eq!(cluster.topology.invitation(&[7; 32]), None);
        assert_eq!(
            invite(&mut cluster.topology, [8; 32]),
            TopologyReply::Rotating
        );
        cluster.settle(1);
        assert_eq!(invite(&mut cluster.topology, [8; 32]), TopologyReply::Done);
    }

    #[test]
    fn tickets_of_each_secret_are_taken_before_they_are_made_and_for_their_life() {
        let mut cluster = Cluster::of(2);
        let secrets_now = |cluster: &Cluster| {
            let secrets = cluster.topology.ticket_secrets().unwrap();
            let former = secrets.former.map(|(secret, _)| secret[0]);
            (
                secrets.make[0],
                secrets.take.map(|secret| secret[0]),
                former,
            )
        };
        assert_eq!(secrets_now(&cluster), (1, None, None));
        cluster.topology.apply(&TopologyChange::Rotate(secrets(2)));
        assert_eq!(secrets_now(&cluster), (1, Some(2), None));
        cluster.settle(1);
        assert_eq!(secrets_now(&cluster), (1, Some(2), None));
        cluster.settle(2);
        assert_eq!(secrets_now(&cluster), (2, Some(1), None));
        cluster.settle(1);
        assert_eq!(secrets_now(&cluster), (2, None, Some(1)));
        let (_, until) = cluster.topology.ticket_secrets().unwrap().former.unwrap();
        assert_eq!(
            until,
            WallMs(102),
            "when the last of them got its certificate"
        );
    }

    #[test]
    fn the_age_of_a_certificate_is_not_that_of_what_is_said_of_it() {
        let mut cluster = Cluster::of(2);
        let since = |cluster: &Cluster| {
            let entry = cluster.topology.node(NodeId(1)).unwrap();
            entry.shown.as_ref().unwrap().since
        };
        let first = since(&cluster);
        let say = TopologyChange::SetCredential {
            node: NodeId(1),
            credential: Credential {
                trusts: vec![[1; 32], [9; 32]],
                ..cluster.held[0].clone()
            },
            at: WallMs(9_000),
        };
        cluster.topology.apply(&say);
        assert_eq!(since(&cluster), first);
    }
}
