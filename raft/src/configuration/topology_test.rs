//! What each change of the topology does, and which are refused.

use pollux_domain::version::Formats;

use super::*;

fn entry(role: Role) -> NodeEntry {
    NodeEntry {
        name: "castor".to_owned(),
        role,
        subcluster: SubclusterId(1),
        incarnation: Incarnation(1),
        address: "127.0.0.1:7222".to_owned(),
        client_address: None,
        build: build(1, 1),
        shown: None,
        site: None,
        drained: false,
        removed: false,
    }
}

fn build(oldest: u16, newest: u16) -> Build {
    Build::new("1.0.0", Formats { oldest, newest }).unwrap()
}

fn founded() -> Topology {
    let mut topology = Topology::default();
    let found = TopologyChange::Found {
        cluster: ClusterId::default(),
        node: NodeId(1),
        entry: entry(Role::Node),
        secrets: None,
    };
    assert_eq!(topology.apply(&found), TopologyReply::Done);
    assert_eq!(topology.apply(&found), TopologyReply::Founded);
    topology
}

fn invite(
    topology: &mut Topology,
    secret: u8,
    role: Role,
    replaces: Option<NodeId>,
) -> TopologyReply {
    topology.apply(&TopologyChange::Invite {
        digest: [secret; 32],
        invitation: Invitation {
            role,
            subcluster: SubclusterId(1),
            replaces,
        },
    })
}

fn admit(topology: &mut Topology, secret: u8) -> TopologyReply {
    topology.apply(&TopologyChange::Admit {
        digest: [secret; 32],
        name: "pollux".to_owned(),
        address: "127.0.0.1:7223".to_owned(),
        client_address: None,
        build: build(1, 2),
        site: None,
    })
}

fn voter(node: u16, incarnation: u32) -> Voter {
    Voter {
        node: NodeId(node),
        incarnation: Incarnation(incarnation),
    }
}

#[test]
fn an_invitation_is_used_once() {
    let mut topology = founded();
    assert_eq!(admit(&mut topology, 7), TopologyReply::NotInvited);
    assert_eq!(
        invite(&mut topology, 7, Role::Node, None),
        TopologyReply::Done
    );
    assert_eq!(
        admit(&mut topology, 7),
        TopologyReply::Admitted(voter(2, 1))
    );
    assert_eq!(admit(&mut topology, 7), TopologyReply::NotInvited);
    assert_eq!(topology.homes(SubclusterId(1)), [NodeId(1), NodeId(2)]);
}

#[test]
fn a_subcluster_has_two_nodes_and_one_witness() {
    let mut topology = founded();
    for (secret, role, want) in [
        (1, Role::Node, TopologyReply::Admitted(voter(2, 1))),
        (2, Role::Node, TopologyReply::Complete),
        (3, Role::Witness, TopologyReply::Admitted(voter(3, 1))),
        (4, Role::Witness, TopologyReply::Complete),
    ] {
        invite(&mut topology, secret, role, None);
        assert_eq!(admit(&mut topology, secret), want, "{secret}");
    }
    assert_eq!(topology.homes(SubclusterId(1)), [NodeId(1), NodeId(2)]);
}

fn number(at: usize) -> [u8; 32] {
    [at as u8; 32]
}

fn invite_to(topology: &mut Topology, secret: usize, subcluster: usize) -> TopologyReply {
    topology.apply(&TopologyChange::Invite {
        digest: number(secret),
        invitation: Invitation {
            role: Role::Node,
            subcluster: SubclusterId(subcluster as u16),
            replaces: None,
        },
    })
}

#[test]
fn so_many_invitations_wait_until_one_is_used() {
    let mut topology = founded();
    for secret in 0..limits::INVITATIONS_MAX {
        assert_eq!(invite_to(&mut topology, secret, 1), TopologyReply::Done);
    }
    assert_eq!(invite_to(&mut topology, 200, 1), TopologyReply::TooMany);
    admit(&mut topology, 0);
    assert_eq!(invite_to(&mut topology, 200, 1), TopologyReply::Done);
}

#[test]
fn a_cluster_has_so_many_nodes_and_then_new_ones_in_their_place() {
    let mut topology = founded();
    for node in 2..=limits::NODES_MAX {
        invite_to(&mut topology, node, node.div_ceil(2));
        let admitted = TopologyReply::Admitted(voter(node as u16, 1));
        assert_eq!(admit(&mut topology, node as u8), admitted);
    }
    let more = limits::NODES_MAX + 1;
    invite_to(&mut topology, more, more.div_ceil(2));
    assert_eq!(admit(&mut topology, more as u8), TopologyReply::TooMany);
    // It keeps its name in the log, so that nobody is taken for it.
    topology.apply(&TopologyChange::Remove { node: NodeId(2) });
    assert_eq!(admit(&mut topology, more as u8), TopologyReply::TooMany);
    invite(&mut topology, 200, Role::Node, Some(NodeId(2)));
    assert_eq!(
        admit(&mut topology, 200),
        TopologyReply::Admitted(voter(2, 2))
    );
}

#[test]
fn who_lost_its_memory_comes_back_under_the_next_incarnation() {
    let mut topology = founded();
    let stranger = invite(&mut topology, 1, Role::Node, Some(NodeId(9)));
    assert_eq!(stranger, TopologyReply::NoSuchNode);
    invite(&mut topology, 2, Role::Node, Some(NodeId(1)));
    assert_eq!(
        admit(&mut topology, 2),
        TopologyReply::Admitted(voter(1, 2))
    );
}

#[test]
fn who_goes_on_alone_has_a_new_name_and_the_others_none() {
    let mut topology = founded();
    invite(&mut topology, 1, Role::Node, None);
    admit(&mut topology, 1);
    let reform = TopologyChange::Reform {
        node: NodeId(2),
        incarnation: Incarnation(2),
    };
    assert_eq!(topology.apply(&reform), TopologyReply::Done);
    assert_eq!(topology.serving_nodes(SubclusterId(1)), [NodeId(2)]);
    assert_eq!(topology.homes(SubclusterId(1)), [NodeId(1), NodeId(2)]);
    topology.apply(&reform);
    let entry = topology.subcluster(SubclusterId(1)).unwrap();
    assert_eq!(entry.reforms, 1, "said twice, done once");
    invite(&mut topology, 2, Role::Node, Some(NodeId(1)));
    assert_eq!(
        admit(&mut topology, 2),
        TopologyReply::Admitted(voter(1, 2))
    );
    assert_eq!(
        topology.serving_nodes(SubclusterId(1)),
        [NodeId(1), NodeId(2)]
    );
}

#[test]
fn a_format_is_used_when_every_node_that_is_left_speaks_it() {
    let mut topology = founded();
    assert_eq!(topology.format(), 1, "the newest of the founder");
    invite(&mut topology, 1, Role::Node, None);
    admit(&mut topology, 1);
    let use_format =
        |topology: &mut Topology, format| topology.apply(&TopologyChange::UseFormat(format));
    assert_eq!(use_format(&mut topology, 2), TopologyReply::NotSpoken);
    let upgraded = TopologyChange::SetBuild {
        node: NodeId(1),
        build: build(1, 3),
    };
    assert_eq!(topology.apply(&upgraded), TopologyReply::Done);
    assert_eq!(use_format(&mut topology, 1), TopologyReply::NotSpoken);
    assert_eq!(use_format(&mut topology, 3), TopologyReply::NotSpoken);
    assert_eq!(use_format(&mut topology, 2), TopologyReply::Done);
    assert_eq!(topology.format(), 2);
    assert_eq!(use_format(&mut topology, 2), TopologyReply::NotSpoken);
    topology.apply(&TopologyChange::Remove { node: NodeId(2) });
    assert_eq!(use_format(&mut topology, 3), TopologyReply::Done);
    invite(&mut topology, 2, Role::Node, None);
    assert_eq!(admit(&mut topology, 2), TopologyReply::NotSpoken);
}
