//! What is said of clusters in several states, and what may be done about them.

use std::collections::BTreeMap;

use pollux_domain::operations::{NodeStateRow, NodeStatus, SubclusterStatus};
use pollux_domain::version::Formats;

use super::*;

const FORMATS: Formats = Formats {
    oldest: 1,
    newest: 1,
};

fn row(node: u16, name: &str, role: &str, subcluster: u16, state: &str) -> ClusterNodeRow {
    ClusterNodeRow {
        node,
        name: name.to_owned(),
        role: role.to_owned(),
        subcluster,
        incarnation: 1,
        address: format!("192.0.2.{node}:7222"),
        version: "0.1.0".to_owned(),
        formats: FORMATS,
        format: 1,
        site: None,
        witness_of: Vec::new(),
        is_drained: false,
        state: state.to_owned(),
    }
}

fn home_row(home: u16, serving: u16) -> HomeRow {
    HomeRow {
        home,
        serving: Some(serving),
        epoch: 1,
        users: 2,
        sessions: 1,
        is_held_here: serving == 2,
    }
}

fn member(node: u16, matched_index: Option<u64>) -> MemberRow {
    MemberRow {
        node,
        incarnation: 1,
        votes: true,
        matched_index,
    }
}

fn status(node: u16) -> NodeStatus {
    NodeStatus {
        node_id: node,
        version: "0.1.0".to_owned(),
        formats: FORMATS,
        format: 1,
        domain: "example.org".to_owned(),
        state: "serving".to_owned(),
        uptime_seconds: 60,
        flush_ms: Some(2.5),
        user_count: 4,
        session_count: 2,
        listeners: Vec::new(),
        groups: Vec::new(),
        relogin: Default::default(),
    }
}

/// What Pollux says, which leads.
fn heard() -> Heard {
    Heard {
        status: status(2),
        subcluster: SubclusterStatus {
            subcluster: 1,
            high_availability: true,
            is_protected: true,
            exposure: None,
            leader: Some(2),
            term: 3,
            homes: vec![home_row(1, 1), home_row(2, 2)],
            members: vec![
                member(1, Some(40)),
                member(2, Some(41)),
                member(3, Some(41)),
            ],
            nodes: Vec::new(),
        },
    }
}

/// Castor, Pollux, which is asked and leads, and their witness.
fn pair() -> Overview {
    Overview {
        me: 2,
        nodes: vec![
            row(1, "castor", "node", 1, "connected"),
            row(2, "pollux", "node", 1, "this node"),
            row(3, "witness", "witness", 1, "connected"),
        ],
        heard: BTreeMap::from([(2, heard())]),
    }
}

fn own(overview: &mut Overview) -> &mut SubclusterStatus {
    let heard = overview.heard.get_mut(&2);
    &mut heard.unwrap().subcluster
}

/// Castor is gone, and Pollux serves its users.
fn without_castor() -> Overview {
    let mut overview = pair();
    overview.nodes[0].state = "not connected".to_owned();
    own(&mut overview).homes[0] = home_row(1, 2);
    own(&mut overview).is_protected = false;
    overview
}

fn fact<'a>(node: &'a NodeView, name: &str) -> &'a str {
    let fact = node.facts.iter().find(|(known, _)| *known == name);
    fact.map_or("", |(_, value)| value.as_str())
}

fn paths(overview: &Overview, role: Role) -> Vec<String> {
    let acts = acts(overview, role).into_iter();
    acts.map(|act| act.path).collect()
}

#[test]
fn a_whole_pair() {
    let view = view(&pair(), Role::Viewer);
    let [subcluster] = &view[..] else {
        panic!("{view:?}")
    };
    assert_eq!(subcluster.leader, "pollux");
    let names: Vec<&str> = { subcluster.nodes.iter() }
        .map(|node| node.name.as_str())
        .collect();
    assert_eq!(names, ["castor", "pollux", "witness"]);
    let [castor, pollux, witness] = &subcluster.nodes[..] else {
        panic!("{subcluster:?}")
    };
    assert_eq!((castor.tone, castor.state.as_str()), (Tone::Good, "Serves"));
    assert_eq!(fact(castor, "Users"), "2 users");
    assert_eq!(fact(castor, "Sessions"), "1 session");
    assert_eq!(fact(castor, "Log"), "1 entry behind");
    assert_eq!(fact(castor, "Lease"), "only that node knows");
    assert_eq!(fact(pollux, "Lease"), "held");
    assert_eq!(fact(pollux, "Replica"), "leads");
    assert_eq!(fact(pollux, "Log"), "up to date");
    assert_eq!(fact(witness, "Users"), "");
    assert_eq!(witness.kind, "witness");
    assert_eq!(fact(pollux, "Disk flush"), "99 of 100 within 2.5 ms");
    assert_eq!(fact(castor, "Disk flush"), "", "it has not said");
    let mut follows = pair();
    own(&mut follows).leader = Some(1);
    own(&mut follows).members = [1, 2, 3].map(|node| member(node, None)).to_vec();
    let nodes = &super::view(&follows, Role::Viewer)[0].nodes;
    let logs = nodes.iter().map(|node| fact(node, "Log"));
    let unknown = "only the leader knows";
    assert_eq!(logs.collect::<Vec<_>>(), ["up to date", unknown, unknown]);
}

#[test]
fn a_dead_node_is_bad_and_its_users_are_away() {
    let view = view(&without_castor(), Role::Viewer);
    let castor = &view[0].nodes[0];
    assert_eq!(
        (castor.tone, castor.state.as_str()),
        (Tone::Bad, "Not connected")
    );
    assert_eq!(fact(castor, "Serves"), "nobody");
    assert_eq!(
        fact(&view[0].nodes[1], "Serves"),
        "the users of castor and pollux"
    );
    assert_eq!(fact(&view[0].nodes[1], "Users"), "4 users");
    assert!(view[0].homes[0].is_away && !view[0].homes[1].is_away);
    assert!(view[0].badges.contains(&(Tone::Bad, "not protected")));
}

#[test]
fn the_states_of_the_product_go_before_what_is_guessed() {
    let mut overview = without_castor();
    let state = NodeState::Down;
    own(&mut overview).nodes = vec![NodeStateRow {
        node: 1,
        name: "castor".to_owned(),
        state,
        number: state.number(),
        reason: "Lost contact".to_owned(),
    }];
    let castor = &view(&overview, Role::Viewer)[0].nodes[0];
    assert_eq!(
        (castor.state.as_str(), castor.reason.as_str()),
        ("Down", "Lost contact")
    );
    for state in NodeState::ALL {
        let is_good = state == NodeState::Normal;
        assert_eq!(tone(state) == Tone::Good, is_good, "{state}");
    }
}

#[test]
fn the_buttons_are_those_that_the_state_and_the_role_allow() {
    let off = "/confirm?operation=subcluster.set-high-availability&on=false";
    let on = "/confirm?operation=subcluster.set-high-availability&on=true";
    let first = "/confirm?operation=subcluster.failover&node=1";
    let second = "/confirm?operation=subcluster.failover&node=2";
    let fallback = "/confirm?operation=subcluster.fallback";
    let drains = [1, 2].map(|node| format!("/confirm?operation=node.drain&node={node}"));
    let [drain_first, drain_second] = drains.each_ref().map(String::as_str);
    let all = [first, second, drain_first, drain_second, off];
    assert_eq!(paths(&pair(), Role::Operator), all);
    assert_eq!(paths(&pair(), Role::Administrator), all);
    for role in [Role::Viewer, Role::Auditor] {
        assert_eq!(paths(&pair(), role), [""; 0]);
    }
    // Nobody is there to take Pollux's users, and nobody for Castor's to go home to.
    let mut overview = without_castor();
    let left = [drain_first, drain_second, off];
    assert_eq!(paths(&overview, Role::Operator), left);
    overview.nodes[0].state = "connected".to_owned();
    own(&mut overview).high_availability = false;
    let offered = [second, drain_first, drain_second, fallback, on];
    assert_eq!(paths(&overview, Role::Operator), offered);
    let acts = acts(&overview, Role::Operator);
    assert_eq!(
        acts[0].whom,
        "pollux serves 4 users with 2 sessions now; castor will serve them."
    );
    assert_eq!(
        acts[3].whom,
        "2 users with 1 session will go home to castor."
    );
    assert_eq!(
        acts[1].whom,
        "castor serves 0 users with 0 sessions now; pollux will, until it is undrained."
    );
    overview.nodes[1].is_drained = true;
    let acts = super::acts(&overview, Role::Operator);
    assert_eq!(acts[2].label, "Undrain pollux");
    assert_eq!(acts[2].path, "/confirm?operation=node.undrain&node=2");
}

#[test]
fn a_node_that_is_alone_is_shown() {
    let mut overview = pair();
    overview.nodes.clear();
    own(&mut overview).homes = vec![home_row(2, 2)];
    own(&mut overview).members = vec![member(2, None)];
    let view = view(&overview, Role::Operator);
    let node = &view[0].nodes[0];
    assert_eq!(
        (node.name.as_str(), node.state.as_str()),
        ("node 2", "Serves")
    );
    assert_eq!(node.acts.len(), 1, "it has no twin");
    assert_eq!(fact(node, "Log"), "up to date");
}

#[test]
fn who_leads_and_who_holds_a_lease_say_so_themselves() {
    let mut overview = pair();
    let mut castor = heard();
    castor.status = status(1);
    castor.subcluster.leader = Some(1);
    castor.subcluster.term = 4;
    castor.subcluster.homes[0].is_held_here = true;
    castor.subcluster.homes[1].is_held_here = false;
    overview.heard.insert(1, castor);
    let view = view(&overview, Role::Operator);
    assert_eq!((view[0].leader.as_str(), view[0].term), ("castor", 4));
    assert_eq!(fact(&view[0].nodes[0], "Lease"), "held");
    assert_eq!(view[0].homes[0].lease, "held");
    assert_eq!(view[0].homes[1].lease, "held");
    // What is asked for is asked of whom it was heard.
    assert_eq!(
        paths(&overview, Role::Operator),
        [
            "/confirm?operation=subcluster.failover&node=1&at=1",
            "/confirm?operation=subcluster.failover&node=2&at=1",
            "/confirm?operation=node.drain&node=1&at=1",
            "/confirm?operation=node.drain&node=2&at=1",
            "/confirm?operation=subcluster.set-high-availability&on=false&at=1",
        ]
    );
}

#[test]
fn another_subcluster_is_as_its_own_nodes_say() {
    let mut overview = pair();
    overview.nodes.push(row(4, "mizar", "node", 2, "connected"));
    let alcor = row(5, "alcor", "node", 2, "not connected");
    overview.nodes.push(alcor);
    overview.nodes.push(row(6, "old", "node", 2, "removed"));
    let unheard = &view(&overview, Role::Operator)[1];
    assert!(!unheard.is_known && unheard.acts.is_empty());
    let states: Vec<&str> = { unheard.nodes.iter() }
        .map(|node| node.state.as_str())
        .collect();
    assert_eq!(states, ["Connected", "Not connected"]);
    let mut mizar = heard();
    mizar.status = status(4);
    mizar.subcluster.subcluster = 2;
    mizar.subcluster.homes = vec![home_row(4, 4), home_row(5, 4)];
    overview.heard.insert(4, mizar);
    let known = &view(&overview, Role::Operator)[1];
    assert!(known.is_known);
    let served = fact(&known.nodes[0], "Serves");
    assert_eq!(served, "the users of mizar and alcor");
    let acts: Vec<&str> = { known.acts.iter() }.map(|act| act.path.as_str()).collect();
    let off = "/confirm?operation=subcluster.set-high-availability&on=false&at=4";
    assert_eq!(acts, [off]);
    assert_eq!(known.nodes[0].acts.len(), 1, "its twin is not there");
    let first = &view(&overview, Role::Operator)[0];
    assert_eq!(first.acts.len(), 1, "each has its own");
}
