//! What the page says of a cluster: words, numbers with units, and what may be done, as values. Not
//! for HTML: see the templates.

use pollux_domain::node_state::NodeState;
use pollux_domain::operations::{ClusterNodeRow, HomeRow, MemberRow, Operation, Permission, Role};

use super::Overview;

/// How a state looks; the words beside it say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Busy,
    Bad,
    Quiet,
}

impl Tone {
    /// The class in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}

/// Something that a button asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) operation: Operation,
    pub(crate) label: String,
    /// Where it is explained and confirmed.
    pub(crate) path: String,
    /// Who is concerned now, and how.
    pub(crate) whom: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubclusterView {
    pub(crate) number: u16,
    /// More than its nodes is known: the asked node belongs to it.
    pub(crate) is_own: bool,
    pub(crate) badges: Vec<(Tone, &'static str)>,
    pub(crate) leader: String,
    pub(crate) term: u64,
    pub(crate) nodes: Vec<NodeView>,
    pub(crate) homes: Vec<HomeView>,
    pub(crate) acts: Vec<Act>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeView {
    pub(crate) number: u16,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) address: String,
    pub(crate) tone: Tone,
    pub(crate) state: String,
    pub(crate) reason: String,
    /// What is known of it, with units.
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) act: Option<Act>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HomeView {
    pub(crate) home: String,
    pub(crate) served_by: String,
    pub(crate) is_away: bool,
    pub(crate) users: String,
    pub(crate) sessions: String,
    pub(crate) epoch: u64,
    pub(crate) lease: &'static str,
}

/// The whole page, for somebody with this role.
pub(crate) fn view(overview: &Overview, role: Role) -> Vec<SubclusterView> {
    let own = overview.subcluster.subcluster;
    let mut numbers: Vec<u16> = overview.nodes.iter().map(|row| row.subcluster).collect();
    numbers.push(own);
    numbers.sort_unstable();
    numbers.dedup();
    let acts = acts(overview, role);
    let view = |number| match number == own {
        true => own_subcluster(overview, &acts),
        false => other_subcluster(overview, number),
    };
    numbers.into_iter().map(view).collect()
}

fn own_subcluster(overview: &Overview, acts: &[Act]) -> SubclusterView {
    let status = &overview.subcluster;
    let availability = match status.high_availability {
        true => (Tone::Good, "high availability on"),
        false => (Tone::Busy, "high availability off"),
    };
    let protected = match status.is_protected {
        true => (Tone::Good, "protected: the loss of one node is outlived"),
        false => (Tone::Bad, "not protected"),
    };
    let rows = rows(overview);
    let nodes = rows.iter().map(|row| {
        let is_of = |act: &&Act| act.operation == Operation::SubclusterFailover { node: row.node };
        NodeView {
            act: acts.iter().find(is_of).cloned(),
            ..own_node(overview, row)
        }
    });
    let is_of_all = |act: &&Act| !matches!(act.operation, Operation::SubclusterFailover { .. });
    SubclusterView {
        number: status.subcluster,
        is_own: true,
        badges: vec![availability, protected],
        leader: { status.leader }.map_or("nobody".to_owned(), |node| overview.name(node)),
        term: status.term,
        nodes: nodes.collect(),
        homes: status.homes.iter().map(|row| home(overview, row)).collect(),
        acts: acts.iter().filter(is_of_all).cloned().collect(),
    }
}

/// Of another subcluster only the nodes are known here.
fn other_subcluster(overview: &Overview, number: u16) -> SubclusterView {
    let nodes = { overview.nodes.iter() }
        .filter(|row| row.subcluster == number && row.state != "removed")
        .map(|row| {
            let (tone, state) = connection(row, false);
            bare_node(row, tone, state)
        });
    SubclusterView {
        number,
        is_own: false,
        badges: Vec::new(),
        leader: String::new(),
        term: 0,
        nodes: nodes.collect(),
        homes: Vec::new(),
        acts: Vec::new(),
    }
}

/// The nodes of the own subcluster. One that is alone is in no list of a cluster.
fn rows(overview: &Overview) -> Vec<ClusterNodeRow> {
    let own = overview.subcluster.subcluster;
    let mut rows: Vec<ClusterNodeRow> = { overview.nodes.iter() }
        .filter(|row| row.subcluster == own && row.state != "removed")
        .cloned()
        .collect();
    if rows.is_empty() {
        let node = overview.status.node_id;
        rows.push(ClusterNodeRow {
            node,
            name: overview.name(node),
            role: "node".to_owned(),
            subcluster: own,
            incarnation: 1,
            address: String::new(),
            site: None,
            witness_of: Vec::new(),
            is_drained: false,
            state: "this node".to_owned(),
        });
    }
    rows.sort_by_key(|row| (row.role == "witness", row.node));
    rows
}

fn own_node(overview: &Overview, row: &ClusterNodeRow) -> NodeView {
    let status = &overview.subcluster;
    let served: Vec<&HomeRow> = overview.served_by(row.node).collect();
    let known = status.nodes.iter().find(|known| known.node == row.node);
    let (tone, state, reason) = match known {
        Some(known) => (tone(known.state), known.state.title(), known.reason.clone()),
        None => {
            let (tone, state) = connection(row, !served.is_empty());
            (tone, state, String::new())
        }
    };
    let mut facts = Vec::new();
    if row.role != "witness" {
        let homes: Vec<String> = served.iter().map(|row| overview.name(row.home)).collect();
        let serves = match homes.is_empty() {
            true => "nobody".to_owned(),
            false => format!("the users of {}", homes.join(" and ")),
        };
        facts.push(("Serves", serves));
        let (users, sessions) = sums(&served);
        facts.push(("Users", count(users, "user")));
        facts.push(("Sessions", count(sessions, "session")));
        facts.push(("Lease", lease(overview, row, &served)));
    }
    let leads = status.leader == Some(row.node);
    let member = status.members.iter().find(|member| member.node == row.node);
    let vote = match (leads, member) {
        (true, _) => "leads",
        (false, Some(member)) if member.votes => "votes",
        (false, Some(_)) => "learns, and does not vote yet",
        (false, None) => "has no replica",
    };
    facts.push(("Replica", vote.to_owned()));
    let log = match leads {
        true => "up to date".to_owned(),
        false => lag(&status.members, member),
    };
    facts.push(("Log", log));
    NodeView {
        reason,
        facts,
        ..bare_node(row, tone, state)
    }
}

fn bare_node(row: &ClusterNodeRow, tone: Tone, state: &str) -> NodeView {
    NodeView {
        number: row.node,
        name: row.name.clone(),
        kind: match (row.role.as_str(), row.state.as_str()) {
            ("witness", "this node") => "witness, which made this page",
            ("witness", _) => "witness",
            (_, "this node") => "node, which made this page",
            _ => "node",
        },
        address: row.address.clone(),
        tone,
        state: state.to_owned(),
        reason: String::new(),
        facts: Vec::new(),
        act: None,
    }
}

/// Where nothing more is known of a node than whether it answers.
fn connection(row: &ClusterNodeRow, serves: bool) -> (Tone, &'static str) {
    match (row.state.as_str(), serves, row.role.as_str()) {
        ("not connected", ..) => (Tone::Bad, "Not connected"),
        (_, true, _) => (Tone::Good, "Serves"),
        ("this node", ..) | (_, _, "witness") => (Tone::Good, "Runs"),
        _ => (Tone::Good, "Connected"),
    }
}

fn tone(state: NodeState) -> Tone {
    match state {
        NodeState::Normal => Tone::Good,
        NodeState::Unknown => Tone::Quiet,
        NodeState::Down
        | NodeState::RunningInFailedMode
        | NodeState::FailedOverWithCriticalServicesNotRunning => Tone::Bad,
        NodeState::Initializing
        | NodeState::Idle
        | NodeState::RunningInBackupMode
        | NodeState::TakingOver
        | NodeState::TakingBack
        | NodeState::FailingOver
        | NodeState::FailedOver
        | NodeState::FallingBack => Tone::Busy,
    }
}

/// Only who holds a lease knows of it.
fn lease(overview: &Overview, row: &ClusterNodeRow, served: &[&HomeRow]) -> String {
    let is_asked = row.node == overview.status.node_id;
    match (is_asked, served.iter().all(|home| home.is_held_here)) {
        (false, _) => "only that node knows",
        (true, _) if served.is_empty() => "none",
        (true, true) => "held",
        (true, false) => "not held",
    }
    .to_owned()
}

/// How far a replica is behind the longest known one; only the leader knows.
fn lag(members: &[MemberRow], member: Option<&MemberRow>) -> String {
    let longest = members
        .iter()
        .filter_map(|member| member.matched_index)
        .max();
    let matched = member.and_then(|member| member.matched_index);
    match (longest, matched) {
        (None, _) => "only the leader knows".to_owned(),
        (Some(_), None) => "not heard of yet".to_owned(),
        (Some(longest), Some(matched)) => match longest.saturating_sub(matched) {
            0 => "up to date".to_owned(),
            1 => "1 entry behind".to_owned(),
            many => format!("{many} entries behind"),
        },
    }
}

fn home(overview: &Overview, row: &HomeRow) -> HomeView {
    HomeView {
        home: overview.name(row.home),
        served_by: row
            .serving
            .map_or("nobody".to_owned(), |node| overview.name(node)),
        is_away: row.serving != Some(row.home),
        users: count(row.users, "user"),
        sessions: count(row.sessions, "session"),
        epoch: row.epoch,
        lease: match row.is_held_here {
            true => "held here",
            false => "not held here",
        },
    }
}

/// What the state allows, and the role. Why it is refused all the same, the node says.
pub(crate) fn acts(overview: &Overview, role: Role) -> Vec<Act> {
    if !role.may(Permission::MoveUsers) {
        return Vec::new();
    }
    let nodes: Vec<ClusterNodeRow> = { rows(overview).into_iter() }
        .filter(|row| row.role != "witness")
        .collect();
    let mut acts: Vec<Act> = nodes
        .iter()
        .filter_map(|row| failover(overview, &nodes, row))
        .collect();
    acts.extend(fallback(overview, &nodes));
    acts.push(high_availability(overview, &nodes));
    acts
}

fn failover(overview: &Overview, nodes: &[ClusterNodeRow], row: &ClusterNodeRow) -> Option<Act> {
    let twin = nodes.iter().find(|twin| twin.node != row.node)?;
    let served: Vec<&HomeRow> = overview.served_by(row.node).collect();
    if served.is_empty() || twin.state == "not connected" {
        return None;
    }
    let (users, sessions) = sums(&served);
    let (node, name) = (row.node, &row.name);
    let (users, sessions) = (count(users, "user"), count(sessions, "session"));
    let twin = &twin.name;
    Some(Act {
        operation: Operation::SubclusterFailover { node },
        label: format!("Failover of {name}"),
        path: format!("/confirm?operation=subcluster.failover&node={node}"),
        whom: format!("{name} serves {users} with {sessions} now; {twin} will serve them."),
    })
}

fn fallback(overview: &Overview, nodes: &[ClusterNodeRow]) -> Option<Act> {
    let is_there = |home: u16| {
        let node = nodes.iter().find(|row| row.node == home);
        node.is_some_and(|row| row.state != "not connected")
    };
    let homes = overview.subcluster.homes.iter();
    let away: Vec<&HomeRow> = homes
        .filter(|row| row.serving != Some(row.home) && is_there(row.home))
        .collect();
    if away.is_empty() {
        return None;
    }
    let (users, sessions) = sums(&away);
    let names: Vec<String> = away.iter().map(|row| overview.name(row.home)).collect();
    let (users, sessions) = (count(users, "user"), count(sessions, "session"));
    let names = names.join(" and ");
    Some(Act {
        operation: Operation::SubclusterFallback {},
        label: "Fallback".to_owned(),
        path: "/confirm?operation=subcluster.fallback".to_owned(),
        whom: format!("{users} with {sessions} will go home to {names}."),
    })
}

fn high_availability(overview: &Overview, nodes: &[ClusterNodeRow]) -> Act {
    let on = !overview.subcluster.high_availability;
    let homes: Vec<&HomeRow> = overview.subcluster.homes.iter().collect();
    let users = count(sums(&homes).0, "user");
    let names: Vec<&str> = nodes.iter().map(|row| row.name.as_str()).collect();
    let names = names.join(" and ");
    let (label, whom) = match on {
        true => (
            "Turn high availability on",
            format!("When a node of {names} fails, its twin takes its users over by itself."),
        ),
        false => (
            "Turn high availability off",
            format!("It is about the {users} of {names}."),
        ),
    };
    Act {
        operation: Operation::SubclusterSetHighAvailability { on },
        label: label.to_owned(),
        path: format!("/confirm?operation=subcluster.set-high-availability&on={on}"),
        whom,
    }
}

fn sums(homes: &[&HomeRow]) -> (u64, u64) {
    let users = homes.iter().map(|row| row.users).sum();
    (users, homes.iter().map(|row| row.sessions).sum())
}

/// `1 user`, `2 users`.
fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

// === impl Overview ===

impl Overview {
    /// What people call a node.
    fn name(&self, node: u16) -> String {
        let row = self.nodes.iter().find(|row| row.node == node);
        row.map_or_else(|| format!("node {node}"), |row| row.name.clone())
    }

    fn served_by(&self, node: u16) -> impl Iterator<Item = &HomeRow> {
        let homes = self.subcluster.homes.iter();
        homes.filter(move |row| row.serving == Some(node))
    }
}

#[cfg(test)]
#[path = "view_test.rs"]
mod tests;
