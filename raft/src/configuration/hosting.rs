//! Which nodes have the database of a subcluster that is not theirs: its witness, and those that
//! were it and are still voted with. Not for choosing one: see `domain::witnesses`.

use std::collections::{BTreeMap, BTreeSet};

use pollux_domain::ids::{Incarnation, NodeId, SubclusterId, Voter};
use pollux_domain::witnesses::{self, Place, Ward};
use serde::{Deserialize, Serialize};

use super::topology::{NodeEntry, Role, Topology, TopologyReply};

/// Of one subcluster. See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosting {
    /// Votes, or will as soon as it has caught up.
    pub witness: Option<Voter>,
    /// An operator has chosen it.
    pub is_pinned: bool,
    /// Were it. They keep their replicas until the group votes without them for certain.
    pub leaving: BTreeSet<Voter>,
    /// Under which incarnation each node was it last: none is given again.
    given: BTreeMap<NodeId, Incarnation>,
}

impl Hosting {
    /// The group has begun anew, without any of them.
    pub(super) fn end(&mut self) {
        self.witness = None;
        self.is_pinned = false;
        self.leaving.clear();
    }

    /// Whoever was it leaves.
    fn dismiss(&mut self) {
        self.leaving.extend(self.witness.take());
        self.is_pinned = false;
    }

    /// The next name of a node in this group.
    fn give(&mut self, node: NodeId) -> Voter {
        let incarnation = self.given.entry(node).or_default();
        *incarnation = Incarnation(incarnation.0 + 1);
        Voter {
            node,
            incarnation: *incarnation,
        }
    }

    fn hosts(&self) -> impl Iterator<Item = Voter> {
        self.witness.iter().chain(&self.leaving).copied()
    }
}

impl Topology {
    pub(super) fn appoint(
        &mut self,
        subcluster: SubclusterId,
        witness: Option<NodeId>,
        instead_of: Option<Voter>,
        is_pinned: bool,
    ) -> TopologyReply {
        let places = self.places();
        let ward = self.ward(subcluster);
        let fits = |node| {
            let checked = ward.map(|ward| witnesses::check(&places, &ward, node));
            checked.is_some_and(|checked| checked.is_ok())
        };
        let is_fit = witness.is_none_or(fits);
        let Some(entry) = self.subclusters.get_mut(&subcluster) else {
            return TopologyReply::NoSuchSubcluster;
        };
        let hosting = &mut entry.hosting;
        if hosting.witness != instead_of {
            return TopologyReply::Stale;
        }
        if !is_fit {
            return TopologyReply::Unfit;
        }
        if hosting.witness.map(|voter| voter.node) != witness {
            hosting.dismiss();
            hosting.witness = witness.map(|node| {
                // One that comes back before it has left has its log still, and its name.
                let back = hosting.leaving.iter().find(|voter| voter.node == node);
                match back.copied() {
                    Some(voter) => voter,
                    None => hosting.give(node),
                }
            });
            if let Some(voter) = hosting.witness {
                hosting.leaving.remove(&voter);
            }
        }
        hosting.is_pinned = is_pinned;
        TopologyReply::Done
    }

    pub(super) fn relieve(&mut self, subcluster: SubclusterId, voter: Voter) -> TopologyReply {
        let entry = self.subclusters.get_mut(&subcluster);
        match entry.is_some_and(|entry| entry.hosting.leaving.remove(&voter)) {
            true => TopologyReply::Done,
            false => TopologyReply::Stale,
        }
    }

    pub(super) fn host_anew(&mut self, subcluster: SubclusterId, voter: Voter) -> TopologyReply {
        let entry = self.subclusters.get_mut(&subcluster);
        let Some(hosting) = entry.map(|entry| &mut entry.hosting) else {
            return TopologyReply::NoSuchSubcluster;
        };
        if hosting.witness != Some(voter) {
            return TopologyReply::Stale;
        }
        hosting.leaving.insert(voter);
        hosting.witness = Some(hosting.give(voter.node));
        TopologyReply::Done
    }

    /// A node came with an empty folder: what it hosted it has to learn again.
    pub(super) fn has_no_memory(&mut self, node: NodeId) {
        for entry in self.subclusters.values_mut() {
            let hosting = &mut entry.hosting;
            if let Some(voter) = hosting.witness.filter(|voter| voter.node == node) {
                hosting.leaving.insert(voter);
                hosting.witness = Some(hosting.give(node));
            }
        }
    }

    /// A node does not come back.
    pub(super) fn hosts_no_more(&mut self, node: NodeId) {
        for entry in self.subclusters.values_mut() {
            if entry.hosting.witness.map(|voter| voter.node) == Some(node) {
                entry.hosting.dismiss();
            }
        }
    }

    /// A subcluster has a witness process, which takes the place of a node.
    pub(super) fn has_process(&mut self, subcluster: SubclusterId) {
        if let Some(entry) = self.subclusters.get_mut(&subcluster) {
            entry.hosting.dismiss();
        }
    }

    /// Whether a node is being emptied.
    pub fn is_drained(&self, node: NodeId) -> bool {
        self.node(node).is_some_and(|entry| entry.drained)
    }

    /// The nodes of a subcluster that can take users.
    pub fn taking_nodes(&self, subcluster: SubclusterId) -> Vec<NodeId> {
        let mut nodes = self.serving_nodes(subcluster);
        nodes.retain(|node| !self.is_drained(*node));
        nodes
    }

    /// The witness of a subcluster, where a node of another one is it.
    pub fn hosted_witness(&self, subcluster: SubclusterId) -> Option<Voter> {
        self.subcluster(subcluster)?.hosting.witness
    }

    /// Who is to vote in a subcluster's group.
    pub fn voters(&self, subcluster: SubclusterId) -> BTreeSet<Voter> {
        let members = self.members(subcluster);
        let members = members.map(|(node, entry)| Voter {
            node,
            incarnation: entry.incarnation,
        });
        members.chain(self.hosted_witness(subcluster)).collect()
    }

    /// Who is to vote, by node, and whether it serves.
    pub fn replicas(&self, subcluster: SubclusterId) -> Vec<(NodeId, &NodeEntry, bool)> {
        let members = self.members(subcluster);
        let mut replicas: Vec<_> = members
            .map(|(node, entry)| (node, entry, entry.role == Role::Node))
            .collect();
        let witness = self.hosted_witness(subcluster);
        replicas.extend(witness.and_then(|voter| {
            let entry = self.node(voter.node)?;
            Some((voter.node, entry, false))
        }));
        replicas
    }

    /// What a node hosts, or is to.
    pub fn hosted_by(&self, node: NodeId) -> BTreeMap<SubclusterId, Voter> {
        let mut hosted = BTreeMap::new();
        for (subcluster, entry) in &self.subclusters {
            let mine = entry.hosting.hosts().filter(|voter| voter.node == node);
            // Of two lives of one node the older has no memory.
            if let Some(voter) = mine.max() {
                hosted.insert(*subcluster, voter);
            }
        }
        hosted
    }

    /// Whether this name in a group is given up for ever. What an old configuration does not know
    /// yet is not.
    pub fn is_relieved(&self, subcluster: SubclusterId, voter: Voter) -> bool {
        self.subcluster(subcluster).is_some_and(|entry| {
            let hosting = &entry.hosting;
            let given = hosting.given.get(&voter.node);
            given.is_some_and(|last| voter.incarnation <= *last)
                && hosting.hosts().all(|host| host != voter)
        })
    }

    /// Whether a node under this name was removed for ever. One that has come in its place has
    /// another name.
    pub fn is_removed(&self, name: Voter) -> bool {
        self.node(name.node)
            .is_some_and(|entry| entry.removed && name.incarnation <= entry.incarnation)
    }

    /// Those that are voted with no more than is needed, in all subclusters.
    pub fn leaving(&self, subcluster: SubclusterId) -> Vec<Voter> {
        let entry = self.subcluster(subcluster);
        let leaving = entry.into_iter().flat_map(|entry| &entry.hosting.leaving);
        leaving.copied().collect()
    }

    /// The nodes that may be witnesses.
    pub fn places(&self) -> Vec<Place<'_>> {
        let nodes = self.nodes();
        let serving = nodes.filter(|(_, entry)| entry.role == Role::Node && !entry.removed);
        let places = serving.map(|(node, entry)| Place {
            node,
            subcluster: entry.subcluster,
            site: entry.site.as_deref(),
            is_drained: entry.drained,
        });
        places.collect()
    }

    /// A subcluster, as far as its witness goes.
    pub fn ward(&self, subcluster: SubclusterId) -> Option<Ward> {
        let hosting = &self.subcluster(subcluster)?.hosting;
        Some(Ward {
            subcluster,
            has_process: self
                .members(subcluster)
                .any(|(_, entry)| entry.role == Role::Witness),
            witness: hosting.witness.map(|voter| voter.node),
            is_pinned: hosting.is_pinned,
        })
    }

    /// All subclusters that want a witness, in the order of their numbers.
    pub fn wards(&self) -> Vec<Ward> {
        self.subclusters().filter_map(|id| self.ward(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::ClusterId;
    use pollux_domain::version::{Build, Formats};

    use super::super::topology::{Invitation, TopologyChange};
    use super::*;

    const PAIR: SubclusterId = SubclusterId(1);

    fn node(subcluster: u16) -> NodeEntry {
        NodeEntry {
            name: "castor".to_owned(),
            role: Role::Node,
            subcluster: SubclusterId(subcluster),
            incarnation: Incarnation(1),
            address: "127.0.0.1:7222".to_owned(),
            client_address: None,
            build: build(),
            shown: None,
            site: None,
            drained: false,
            removed: false,
        }
    }

    fn build() -> Build {
        let formats = Formats {
            oldest: 1,
            newest: 1,
        };
        Build::new("1.0.0", formats).unwrap()
    }

    fn join(topology: &mut Topology, role: Role, subcluster: u16, replaces: Option<u16>) {
        let digest = [7; 32];
        let invitation = Invitation {
            role,
            subcluster: SubclusterId(subcluster),
            replaces: replaces.map(NodeId),
        };
        topology.apply(&TopologyChange::Invite { digest, invitation });
        let admitted = topology.apply(&TopologyChange::Admit {
            digest,
            name: "another".to_owned(),
            address: "127.0.0.1:7223".to_owned(),
            client_address: None,
            build: build(),
            site: None,
        });
        assert!(
            matches!(admitted, TopologyReply::Admitted(_)),
            "{admitted:?}"
        );
    }

    /// 1 and 2 are a pair, 3 and 4 another one.
    fn two_pairs() -> Topology {
        let mut topology = Topology::default();
        topology.apply(&TopologyChange::Found {
            cluster: ClusterId::default(),
            node: NodeId(1),
            entry: node(1),
            secrets: None,
        });
        for subcluster in [1, 2, 2] {
            join(&mut topology, Role::Node, subcluster, None);
        }
        topology
    }

    fn voter(node: u16, incarnation: u32) -> Voter {
        Voter {
            node: NodeId(node),
            incarnation: Incarnation(incarnation),
        }
    }

    fn appoint(topology: &mut Topology, node: Option<u16>) -> TopologyReply {
        let instead_of = topology.hosted_witness(PAIR);
        topology.apply(&TopologyChange::Appoint {
            subcluster: PAIR,
            witness: node.map(NodeId),
            instead_of,
            is_pinned: false,
        })
    }

    fn relieve(topology: &mut Topology, voter: Voter) -> TopologyReply {
        let subcluster = PAIR;
        topology.apply(&TopologyChange::Relieve { subcluster, voter })
    }

    #[test]
    fn a_witness_votes_with_the_pair_and_is_hosted_until_it_is_relieved() {
        let mut topology = two_pairs();
        assert_eq!(appoint(&mut topology, Some(3)), TopologyReply::Done);
        let votes = [voter(1, 1), voter(2, 1), voter(3, 1)];
        assert_eq!(topology.voters(PAIR), votes.into());
        assert_eq!(appoint(&mut topology, Some(4)), TopologyReply::Done);
        let votes = [voter(1, 1), voter(2, 1), voter(4, 1)];
        assert_eq!(topology.voters(PAIR), votes.into());
        assert_eq!(topology.hosted_by(NodeId(3)), [(PAIR, voter(3, 1))].into());
        assert!(!topology.is_relieved(PAIR, voter(3, 1)));
        assert_eq!(relieve(&mut topology, voter(3, 1)), TopologyReply::Done);
        assert!(topology.is_relieved(PAIR, voter(3, 1)));
        assert_eq!(topology.hosted_by(NodeId(3)), [].into());
        // One that an old configuration knows nothing of is not.
        assert!(!two_pairs().is_relieved(PAIR, voter(3, 1)));
    }

    #[test]
    fn one_that_hosts_again_is_a_new_voter_and_one_that_never_left_is_not() {
        let mut topology = two_pairs();
        appoint(&mut topology, Some(3));
        appoint(&mut topology, Some(4));
        appoint(&mut topology, Some(3));
        assert_eq!(topology.hosted_witness(PAIR), Some(voter(3, 1)));
        // Said by a leader that knows of the first change alone.
        assert_eq!(relieve(&mut topology, voter(3, 1)), TopologyReply::Stale);
        relieve(&mut topology, voter(4, 1));
        appoint(&mut topology, Some(4));
        assert_eq!(topology.hosted_witness(PAIR), Some(voter(4, 2)));
        assert!(topology.is_relieved(PAIR, voter(4, 1)));
        assert!(!topology.is_relieved(PAIR, voter(4, 2)));
    }

    #[test]
    fn one_without_memory_is_a_new_voter() {
        let mut topology = two_pairs();
        appoint(&mut topology, Some(3));
        let (subcluster, voter_before) = (PAIR, voter(3, 1));
        let anew = TopologyChange::HostAnew {
            subcluster,
            voter: voter_before,
        };
        assert_eq!(topology.apply(&anew), TopologyReply::Done);
        assert_eq!(topology.apply(&anew), TopologyReply::Stale, "once");
        assert_eq!(topology.hosted_witness(PAIR), Some(voter(3, 2)));
        join(&mut topology, Role::Node, 2, Some(3));
        assert_eq!(topology.hosted_witness(PAIR), Some(voter(3, 3)));
        assert_eq!(topology.hosted_by(NodeId(3)), [(PAIR, voter(3, 3))].into());
    }

    #[test]
    fn a_witness_goes_with_its_node_with_a_process_and_with_a_new_beginning() {
        let mut topology = two_pairs();
        appoint(&mut topology, Some(3));
        let node = NodeId(3);
        assert!(!topology.is_removed(voter(3, 1)));
        topology.apply(&TopologyChange::Remove { node });
        assert!(topology.is_removed(voter(3, 1)));
        assert!(
            !topology.is_removed(voter(3, 2)),
            "it has come in its place"
        );
        assert!(!topology.is_removed(voter(9, 1)), "an old topology");
        assert_eq!(topology.hosted_witness(PAIR), None);
        assert_eq!(topology.leaving(PAIR), [voter(3, 1)]);
        appoint(&mut topology, Some(4));
        join(&mut topology, Role::Witness, 1, None);
        assert_eq!(topology.hosted_witness(PAIR), None);
        assert_eq!(topology.leaving(PAIR), [voter(3, 1), voter(4, 1)]);
        topology.apply(&TopologyChange::Reform {
            node: NodeId(1),
            incarnation: Incarnation(2),
        });
        assert_eq!(topology.leaving(PAIR), []);
        assert!(topology.is_relieved(PAIR, voter(4, 1)));
    }

    #[test]
    fn what_cannot_be_is_refused_by_the_log_too() {
        let mut topology = two_pairs();
        for unfit in [2, 9] {
            assert_eq!(
                appoint(&mut topology, Some(unfit)),
                TopologyReply::Unfit,
                "{unfit}"
            );
        }
        appoint(&mut topology, Some(3));
        let late = TopologyChange::Appoint {
            subcluster: PAIR,
            witness: Some(NodeId(4)),
            instead_of: None,
            is_pinned: false,
        };
        assert_eq!(topology.apply(&late), TopologyReply::Stale);
        let nowhere = TopologyChange::Appoint {
            subcluster: SubclusterId(9),
            witness: None,
            instead_of: None,
            is_pinned: false,
        };
        assert_eq!(topology.apply(&nowhere), TopologyReply::NoSuchSubcluster);
    }
}
