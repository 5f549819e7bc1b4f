//! How the pair of a run comes to be: founded by castor, which then admits its twin and the witness
//! by changes of the configuration, turns high availability on, and adds the people.

use std::sync::Arc;
use std::time::Duration;

use pollux_actors::node::Node;
use pollux_actors::users;
use pollux_domain::ids::{ClusterId, Incarnation, NodeId, SubclusterId};
use pollux_domain::jid::BareJid;
use pollux_raft::configuration::{
    Change, ChangeReply, Invitation, NodeEntry, Role, TopologyChange, TopologyReply,
};
use tokio::time::sleep;

use super::seat::{LINK_PORT, NAMES};
use super::world::PairPlan;
use crate::sim::people::account;
use crate::sim::world::PORT;

const SUBCLUSTER: SubclusterId = SubclusterId(1);

/// What castor says of itself.
pub fn found() -> TopologyChange {
    TopologyChange::Found {
        cluster: ClusterId::default(),
        node: NodeId(1),
        entry: NodeEntry {
            name: NAMES[0].to_owned(),
            role: Role::Node,
            subcluster: SUBCLUSTER,
            incarnation: Incarnation(1),
            address: format!("{}:{LINK_PORT}", NAMES[0]),
            client_address: Some(format!("{}:{PORT}", NAMES[0])),
            removed: false,
        },
        secrets: None,
    }
}

/// In castor's first life, which no fault disturbs.
pub async fn complete(node: &Arc<Node>, plan: PairPlan) -> turmoil::Result {
    while node
        .configuration
        .read(|configuration| configuration.topology().node(NodeId(1)).is_none())
    {
        sleep(Duration::from_millis(20)).await;
    }
    for (index, role) in [(1, Role::Node), (2, Role::Witness)] {
        admit(node, index, role).await?;
    }
    let change = TopologyChange::SetHighAvailability {
        subcluster: SUBCLUSTER,
        on: true,
    };
    topology(node, change).await?;
    while node.configuration.voters().len() < 3 || node.subcluster.voters().len() < 3 {
        sleep(Duration::from_millis(20)).await;
    }
    for who in 0..plan.people {
        let account = account(who);
        let user = BareJid::parse(&account.bare_jid())?;
        users::add_at(node, plan.home(who), &user, account.password, false).await?;
    }
    Ok(())
}

async fn admit(node: &Arc<Node>, index: u8, role: Role) -> turmoil::Result {
    let digest = [index; 32];
    let invitation = Invitation {
        role,
        subcluster: SUBCLUSTER,
        replaces: None,
    };
    topology(node, TopologyChange::Invite { digest, invitation }).await?;
    let name = NAMES[usize::from(index)];
    let admit = TopologyChange::Admit {
        digest,
        name: name.to_owned(),
        address: format!("{name}:{LINK_PORT}"),
        client_address: (role == Role::Node).then(|| format!("{name}:{PORT}")),
    };
    topology(node, admit).await
}

async fn topology(node: &Arc<Node>, change: TopologyChange) -> turmoil::Result {
    let reply = node.configuration.execute(Change::Topology(change)).await?;
    match reply {
        ChangeReply::Topology(TopologyReply::Done | TopologyReply::Admitted(_)) => Ok(()),
        other => Err(format!("the pair is not founded: {other:?}").into()),
    }
}
