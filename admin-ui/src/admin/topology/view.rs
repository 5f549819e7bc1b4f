//! What the page says of a cluster: words, numbers with units, and what may be done, as values. Not
//! for HTML: see the templates.

use pollux_domain::node_state::NodeState;
use pollux_domain::operations::{
    ClusterNodeRow, Errand, HomeRow, MemberRow, Operation, Permission, Role, SubclusterStatus,
};

use super::board::{Heard, Overview};

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
    pub(crate) errand: Errand,
    pub(crate) label: String,
    /// Where it is explained and confirmed.
    pub(crate) path: String,
    /// Who is concerned now, and how.
    pub(crate) whom: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubclusterView {
    pub(crate) number: u16,
    /// More than its nodes is known: one of them has answered.
    pub(crate) is_known: bool,
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
    pub(crate) tone: Tone,
    pub(crate) state: String,
    pub(crate) reason: String,
    /// What is known of it, with units.
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) acts: Vec<Act>,
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
    let acts = acts(overview, role);
    let numbers = overview.subclusters().into_iter();
    let view = numbers.map(|number| match overview.known(number) {
        Some(known) => known_subcluster(overview, &known, &acts),
        None => unknown_subcluster(overview, number),
    });
    view.collect()
}

/// One node, for a page of its own; none: there is no such node.
pub(crate) fn node_view(overview: &Overview, role: Role, number: u16) -> Option<NodeView> {
    let views = view(overview, role).into_iter();
    let mut nodes = views.flat_map(|subcluster| subcluster.nodes);
    nodes.find(|node| node.number == number)
}

fn known_subcluster(overview: &Overview, known: &Known<'_>, acts: &[Act]) -> SubclusterView {
    let status = known.status;
    let availability = match status.high_availability {
        true => (Tone::Good, "high availability on"),
        false => (Tone::Busy, "high availability off"),
    };
    let protected = match status.is_protected {
        true => (Tone::Good, "protected: the loss of one node is outlived"),
        false => (Tone::Bad, "not protected"),
    };
    let rows = overview.rows(known.number());
    let nodes = rows.iter().map(|row| {
        let is_of = |act: &&Act| of_node(&act.errand.operation) == Some(row.node);
        NodeView {
            acts: acts.iter().filter(is_of).cloned().collect(),
            ..known_node(overview, known, row)
        }
    });
    let is_of_all =
        |act: &&Act| of_node(&act.errand.operation).is_none() && act.errand.at == known.at;
    SubclusterView {
        number: known.number(),
        is_known: true,
        badges: vec![availability, protected],
        leader: { status.leader }.map_or("nobody".to_owned(), |node| overview.name(node)),
        term: status.term,
        nodes: nodes.collect(),
        homes: { status.homes.iter() }
            .map(|row| home(overview, row))
            .collect(),
        acts: acts.iter().filter(is_of_all).cloned().collect(),
    }
}

/// The node that has the button.
fn of_node(operation: &Operation) -> Option<u16> {
    match operation {
        Operation::SubclusterFailover { node }
        | Operation::NodeDrain { node }
        | Operation::NodeUndrain { node } => Some(*node),
        _ => None,
    }
}

/// Where none of its nodes answers, no more is known than who they are.
fn unknown_subcluster(overview: &Overview, number: u16) -> SubclusterView {
    let rows = overview.rows(number);
    let nodes = rows.iter().map(|row| {
        let (tone, state) = connection(row, false);
        node(row, tone, state, Vec::new())
    });
    SubclusterView {
        number,
        is_known: false,
        badges: Vec::new(),
        leader: String::new(),
        term: 0,
        nodes: nodes.collect(),
        homes: Vec::new(),
        acts: Vec::new(),
    }
}

fn known_node(overview: &Overview, known: &Known<'_>, row: &ClusterNodeRow) -> NodeView {
    let status = known.status;
    let served: Vec<&HomeRow> = known.served_by(row.node).collect();
    let heard = overview.heard.get(&row.node);
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
        facts.push(("Lease", lease(heard, &served)));
    }
    let leads = status.leader == Some(row.node);
    let member = status.members.iter().find(|member| member.node == row.node);
    let vote = match (leads, member) {
        (true, _) => "leads",
        (false, Some(member)) if member.votes => "votes",
        (false, Some(_)) => "learns, and does not vote yet",
        (false, None) => "has no replica",
    };
    facts.push(("Version", row.version.clone()));
    facts.extend(row.site.clone().map(|site| ("Site", site)));
    if !row.witness_of.is_empty() {
        let pairs: Vec<String> = row.witness_of.iter().map(u16::to_string).collect();
        facts.push(("Witness of", format!("subcluster {}", pairs.join(", "))));
    }
    facts.push(("Replica", vote.to_owned()));
    let log = match leads {
        true => "up to date".to_owned(),
        false => lag(&status.members, member),
    };
    facts.push(("Log", log));
    if let Some(flush) = heard.and_then(|heard| heard.status.flush_ms) {
        facts.push(("Disk flush", format!("99 of 100 within {flush} ms")));
    }
    NodeView {
        reason,
        ..node(row, tone, state, facts)
    }
}

/// Where it is reached comes last.
fn node(
    row: &ClusterNodeRow,
    tone: Tone,
    state: &str,
    mut facts: Vec<(&'static str, String)>,
) -> NodeView {
    if !row.address.is_empty() {
        facts.push(("Address", row.address.clone()));
    }
    NodeView {
        number: row.node,
        name: row.name.clone(),
        kind: match (row.role.as_str(), row.state.as_str()) {
            ("witness", "this node") => "witness, which made this page",
            ("witness", _) => "witness",
            (_, "this node") => "node, which made this page",
            _ => "node",
        },
        tone,
        state: state.to_owned(),
        reason: String::new(),
        facts,
        acts: Vec::new(),
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
fn lease(heard: Option<&Heard>, served: &[&HomeRow]) -> String {
    let Some(heard) = heard else {
        return "only that node knows".to_owned();
    };
    let is_held = |home: &&HomeRow| {
        let mut homes = heard.subcluster.homes.iter();
        homes.any(|row| row.home == home.home && row.is_held_here)
    };
    match served.iter().all(is_held) {
        _ if served.is_empty() => "none",
        true => "held",
        false => "not held",
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
        lease: match overview.is_held(row) {
            true => "held",
            false => "not held",
        },
    }
}

/// What the state allows, and the role. Why it is refused all the same, the node says.
pub(crate) fn acts(overview: &Overview, role: Role) -> Vec<Act> {
    if !role.may(Permission::MoveUsers) {
        return Vec::new();
    }
    let numbers = overview.subclusters().into_iter();
    let known = numbers.filter_map(|number| overview.known(number));
    known.flat_map(|known| acts_on(overview, &known)).collect()
}

fn acts_on(overview: &Overview, known: &Known<'_>) -> Vec<Act> {
    let rows = overview.rows(known.number()).into_iter();
    let nodes: Vec<ClusterNodeRow> = rows.filter(|row| row.role != "witness").collect();
    let mut acts: Vec<Act> = nodes
        .iter()
        .filter_map(|row| failover(known, &nodes, row))
        .collect();
    acts.extend(nodes.iter().map(|row| drain(known, &nodes, row)));
    acts.extend(fallback(overview, known, &nodes));
    acts.push(high_availability(known, &nodes));
    acts
}

fn failover(known: &Known<'_>, nodes: &[ClusterNodeRow], row: &ClusterNodeRow) -> Option<Act> {
    let twin = nodes.iter().find(|twin| twin.node != row.node)?;
    let served: Vec<&HomeRow> = known.served_by(row.node).collect();
    if served.is_empty() || twin.state == "not connected" {
        return None;
    }
    let (users, sessions) = sums(&served);
    let (node, name) = (row.node, &row.name);
    let (users, sessions) = (count(users, "user"), count(sessions, "session"));
    let twin = &twin.name;
    Some(known.act(
        Operation::SubclusterFailover { node },
        format!("Failover of {name}"),
        format!("{name} serves {users} with {sessions} now; {twin} will serve them."),
    ))
}

/// A node that is alone has nobody to leave its users to: the node says so.
fn drain(known: &Known<'_>, nodes: &[ClusterNodeRow], row: &ClusterNodeRow) -> Act {
    let (node, name) = (row.node, &row.name);
    if row.is_drained {
        return known.act(
            Operation::NodeUndrain { node },
            format!("Undrain {name}"),
            format!("{name} takes users and duties again."),
        );
    }
    let served: Vec<&HomeRow> = known.served_by(node).collect();
    let (users, sessions) = sums(&served);
    let (users, sessions) = (count(users, "user"), count(sessions, "session"));
    let twin = nodes.iter().find(|twin| twin.node != node);
    let twin = twin.map_or("nobody", |twin| twin.name.as_str());
    known.act(
        Operation::NodeDrain { node },
        format!("Drain {name}"),
        format!("{name} serves {users} with {sessions} now; {twin} will, until it is undrained."),
    )
}

fn fallback(overview: &Overview, known: &Known<'_>, nodes: &[ClusterNodeRow]) -> Option<Act> {
    let is_there = |home: u16| {
        let node = nodes.iter().find(|row| row.node == home);
        node.is_some_and(|row| row.state != "not connected")
    };
    let homes = known.status.homes.iter();
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
    Some(known.act(
        Operation::SubclusterFallback {},
        "Fallback".to_owned(),
        format!("{users} with {sessions} will go home to {names}."),
    ))
}

fn high_availability(known: &Known<'_>, nodes: &[ClusterNodeRow]) -> Act {
    let on = !known.status.high_availability;
    let homes: Vec<&HomeRow> = known.status.homes.iter().collect();
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
    let operation = Operation::SubclusterSetHighAvailability { on };
    known.act(operation, label.to_owned(), whom)
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
    /// The node that made the page.
    pub(crate) fn own(&self) -> Option<&Heard> {
        self.heard.get(&self.me)
    }

    /// The numbers and names of the nodes that were not removed.
    pub(crate) fn present(&self) -> Vec<(u16, String)> {
        let numbers = self.subclusters().into_iter();
        let rows = numbers.flat_map(|number| self.rows(number));
        rows.map(|row| (row.node, row.name)).collect()
    }

    /// The subclusters of which something is known, each with the node to ask; none: the asked one.
    pub(crate) fn known_subclusters(&self) -> Vec<(u16, Option<u16>)> {
        let numbers = self.subclusters().into_iter();
        let known = numbers.filter_map(|number| Some((number, self.known(number)?.at)));
        known.collect()
    }

    fn subclusters(&self) -> Vec<u16> {
        let rows = self.nodes.iter().filter(|row| row.state != "removed");
        let mut numbers: Vec<u16> = rows.map(|row| row.subcluster).collect();
        numbers.extend(self.own().map(|own| own.subcluster.subcluster));
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Its nodes, those that serve first. A node that is alone is in no list of a cluster.
    fn rows(&self, subcluster: u16) -> Vec<ClusterNodeRow> {
        let is_of = |row: &&ClusterNodeRow| row.subcluster == subcluster && row.state != "removed";
        let rows = self.nodes.iter().filter(is_of);
        let mut rows: Vec<ClusterNodeRow> = rows.cloned().collect();
        if let (true, Some(own)) = (rows.is_empty(), self.own()) {
            rows.push(ClusterNodeRow {
                node: self.me,
                name: self.name(self.me),
                role: "node".to_owned(),
                subcluster,
                incarnation: 1,
                address: String::new(),
                version: own.status.version.clone(),
                formats: own.status.formats,
                format: own.status.format,
                site: None,
                witness_of: Vec::new(),
                is_drained: false,
                state: "this node".to_owned(),
            });
        }
        rows.sort_by_key(|row| (row.role == "witness", row.node));
        rows
    }

    /// What is known of a subcluster: what its leader says (of two that think so, the later
    /// one), else what the asked node says, else what any of its nodes says.
    fn known(&self, subcluster: u16) -> Option<Known<'_>> {
        let of = self.heard.iter();
        let of = of.filter(|(_, heard)| heard.subcluster.subcluster == subcluster);
        let best = of.min_by_key(|(node, heard)| {
            let leads = heard.subcluster.leader == Some(**node);
            let term = std::cmp::Reverse(heard.subcluster.term);
            (!leads, term, **node != self.me, **node)
        });
        let (node, heard) = best?;
        Some(Known {
            status: &heard.subcluster,
            at: Some(*node).filter(|node| *node != self.me),
        })
    }

    /// What people call a node.
    pub(crate) fn name(&self, node: u16) -> String {
        let row = self.nodes.iter().find(|row| row.node == node);
        row.map_or_else(|| format!("node {node}"), |row| row.name.clone())
    }

    /// Whether the node that serves a home says that it holds the lease.
    fn is_held(&self, home: &HomeRow) -> bool {
        let serving = home.serving.and_then(|serving| self.heard.get(&serving));
        serving.is_some_and(|heard| {
            let mut homes = heard.subcluster.homes.iter();
            homes.any(|row| row.home == home.home && row.is_held_here)
        })
    }
}

/// What is known of a subcluster, and of whom.
struct Known<'a> {
    status: &'a SubclusterStatus,
    /// Who is asked to change something there; none: the asked node.
    at: Option<u16>,
}

impl Known<'_> {
    fn number(&self) -> u16 {
        self.status.subcluster
    }

    fn served_by(&self, node: u16) -> impl Iterator<Item = &HomeRow> {
        let homes = self.status.homes.iter();
        homes.filter(move |row| row.serving == Some(node))
    }

    fn act(&self, operation: Operation, label: String, whom: String) -> Act {
        let errand = Errand {
            operation,
            at: self.at,
        };
        Act {
            path: path(&errand),
            errand,
            label,
            whom,
        }
    }
}

/// Where an errand is explained and confirmed.
pub(crate) fn path(errand: &Errand) -> String {
    let name = errand.operation.name();
    let fields = fields(errand).into_iter();
    let fields: String = fields
        .map(|(field, value)| format!("&{field}={value}"))
        .collect();
    format!("/confirm?operation={name}{fields}")
}

/// What a form carries of an errand: numbers and words that need no escape.
pub(crate) fn fields(errand: &Errand) -> Vec<(&'static str, String)> {
    let mut fields = match &errand.operation {
        Operation::SubclusterFailover { node }
        | Operation::NodeDrain { node }
        | Operation::NodeUndrain { node } => vec![("node", node.to_string())],
        Operation::SubclusterSetHighAvailability { on } => vec![("on", on.to_string())],
        Operation::ServiceStart { service }
        | Operation::ServiceStop { service }
        | Operation::ServiceRestart { service } => vec![("service", service.to_string())],
        _ => Vec::new(),
    };
    fields.extend(errand.at.map(|at| ("at", at.to_string())));
    fields
}

#[cfg(test)]
#[path = "view_test.rs"]
mod tests;
