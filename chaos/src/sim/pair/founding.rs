//! How the pairs of a run come to be: castor founds the cluster and lets the others in by changes
//! of the configuration, one after another; the first of a pair founds its group, and adds its
//! people.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pollux_actors::node::Node;
use pollux_actors::{admission, users};
use pollux_domain::ids::{ClusterId, Incarnation, NodeId};
use pollux_domain::jid::BareJid;
use pollux_links::PeerAddress;
use pollux_raft::configuration::{
    Change, ChangeReply, Invitation, NodeEntry, Role, TopologyChange, TopologyReply,
};
use pollux_raft::version;
use tokio::time::sleep;

use super::plan::{self, NAMES, PairPlan, SEATS, SERVICE_DELAY, STABLE};
use super::seat::{LINK_PORT, Seat};
use crate::sim::people::account;
use crate::sim::world::PORT;

/// Between two looks whether something has come about.
const LOOK: Duration = Duration::from_millis(20);

/// What a node knows of its cluster when it starts: what `pollux cluster join` was told.
#[derive(Debug, Clone)]
pub struct Membership {
    pub founder: bool,
    /// It is the first of its subcluster, whose group it founds.
    pub founds_subcluster: bool,
    /// Where the others are, as it knew last.
    pub peers: Vec<PeerAddress>,
}

impl Membership {
    /// Of the cluster's first node, which `pollux cluster init` made.
    pub fn founder() -> Membership {
        Membership {
            founder: true,
            founds_subcluster: true,
            peers: Vec::new(),
        }
    }
}

/// What castor says of itself.
pub fn found() -> TopologyChange {
    TopologyChange::Found {
        cluster: ClusterId::default(),
        node: NodeId(1),
        entry: NodeEntry {
            name: NAMES[0].to_owned(),
            role: Role::Node,
            subcluster: plan::subcluster(0),
            incarnation: Incarnation(1),
            address: format!("{}:{LINK_PORT}", NAMES[0]),
            client_address: Some(format!("{}:{PORT}", NAMES[0])),
            build: version::build(),
            shown: None,
            site: None,
            drained: false,
            removed: false,
        },
        secrets: None,
    }
}

/// In castor's first life, which no fault disturbs.
pub async fn complete(node: &Arc<Node>, seats: &[Rc<Seat>], plan: PairPlan) -> turmoil::Result {
    while node
        .configuration
        .read(|configuration| configuration.topology().node(NodeId(1)).is_none())
    {
        sleep(LOOK).await;
    }
    // People ask each other, which is more than to be let in.
    let set = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    let mut wanted = vec![set("contacts.auto-authorise", "off")];
    if plan.falls_back {
        wanted.push(set("fallback.automatic", "on"));
        let seconds = STABLE.as_secs().to_string();
        wanted.push(set("fallback.stable-seconds", &seconds));
    }
    if plan.is_tended {
        let seconds = SERVICE_DELAY.as_secs().to_string();
        wanted.push(set("services.down-seconds", &seconds));
    }
    match node.configuration.execute(Change::Set(wanted)).await? {
        ChangeReply::Done => {}
        other => return Err(format!("nothing was set: {other:?}").into()),
    }
    for (index, seat) in seats.iter().enumerate().skip(1) {
        let membership = let_in(node, index).await?;
        seat.membership.replace(Some(membership));
    }
    for subcluster in plan.subclusters() {
        let on = true;
        topology(node, TopologyChange::SetHighAvailability { subcluster, on }).await?;
    }
    Ok(())
}

/// In the first life of a pair's first node.
pub async fn people(node: &Arc<Node>, pair: usize, plan: PairPlan) -> turmoil::Result {
    while node.subcluster.voters().len() < SEATS {
        sleep(LOOK).await;
    }
    for who in (0..plan.people).filter(|who| plan.pair_of(*who) == pair) {
        let account = account(who);
        let user = BareJid::parse(&account.bare_jid())?;
        users::add_at(node, plan.home(who), &user, account.password, false).await?;
    }
    Ok(())
}

/// Invites a node and admits it, as `admission` does when it comes with the token.
async fn let_in(node: &Arc<Node>, index: usize) -> Result<Membership, Box<dyn std::error::Error>> {
    let digest = [index as u8; 32];
    let role = match plan::is_witness(index) {
        true => Role::Witness,
        false => Role::Node,
    };
    let subcluster = plan::subcluster(plan::pair_at(index));
    let invitation = Invitation {
        role,
        subcluster,
        replaces: None,
    };
    topology(node, TopologyChange::Invite { digest, invitation }).await?;
    let name = NAMES[index];
    let admit = TopologyChange::Admit {
        digest,
        name: name.to_owned(),
        address: format!("{name}:{LINK_PORT}"),
        client_address: (role == Role::Node).then(|| format!("{name}:{PORT}")),
        build: version::build(),
        site: None,
    };
    topology(node, admit).await?;
    Ok(node.configuration.read(|configuration| {
        let topology = configuration.topology();
        Membership {
            founder: false,
            founds_subcluster: topology.members(subcluster).count() == 1,
            peers: admission::addresses(topology),
        }
    }))
}

async fn topology(node: &Arc<Node>, change: TopologyChange) -> turmoil::Result {
    let reply = node.configuration.execute(Change::Topology(change)).await?;
    match reply {
        ChangeReply::Topology(TopologyReply::Done | TopologyReply::Admitted(_)) => Ok(()),
        other => Err(format!("the cluster is not founded: {other:?}").into()),
    }
}
