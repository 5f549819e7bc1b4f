//! This node's part in the rotation of the cluster's certificates: does what is due, first on disk
//! and then on the links, and says what it shows. Not for what is due: see
//! `pollux_raft::configuration`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pollux_actors::admission;
use pollux_actors::node::Node;
use pollux_links::authority::NodeKey;
use pollux_links::credentials::Credentials;
use pollux_links::links::Links;
use pollux_raft::configuration::{Change, ClusterSecrets, Credential, Due, TopologyChange};

use crate::cluster;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// After a step that failed, which then stands in the log.
const PAUSE: Duration = Duration::from_secs(10);

/// Runs until the node stops. Every step may be the last of this process: the next one finds on
/// disk and in the configuration how far it was.
pub async fn follow(node: Arc<Node>, links: Links, data_folder: PathBuf) {
    // A replica that is behind would go back to what was given up.
    if node.configuration.catch_up().await.is_err() {
        return;
    }
    let mut tickets = None;
    while !node.is_stopping() {
        let secret = node
            .configuration
            .read(|configuration| configuration.topology().ticket_secrets());
        if let Some(secret) = secret
            && tickets != Some(secret.make)
        {
            if let Err(error) = cluster::remember_tickets(&data_folder, secret.make) {
                tracing::error!(%error, "the next start makes tickets that others do not take");
            }
            tickets = Some(secret.make);
        }
        let pause = match step(&node, &links, &data_folder).await {
            Ok(()) => INTERVAL,
            Err(reason) => {
                let advice = "it is tried again; until then the rotation waits for this node";
                tracing::error!(reason, advice, "certificate of this node was not rotated");
                PAUSE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// One step, if one is due.
async fn step(node: &Node, links: &Links, data_folder: &Path) -> Result<(), String> {
    let Some(held) = links.held() else {
        return Ok(());
    };
    let held = Credential {
        certificate: held.certificate,
        authority: held.authority,
        trusts: held.trusts,
    };
    let me = node.settings.node;
    let due = node
        .configuration
        .read(|configuration| configuration.topology().due(me, &held));
    let Some(due) = due else {
        return Ok(());
    };
    if due == Due::Say {
        let change = TopologyChange::SetCredential {
            node: me,
            credential: held,
            at: node.ambient.clock.wall(),
        };
        let said = node.configuration.execute(Change::Topology(change)).await;
        return said.map(drop).map_err(|error| error.to_string());
    }
    let read = cluster::credentials(data_folder).map_err(|error| error.to_string())?;
    let credentials = match &due {
        Due::Trust(next) => Credentials {
            also: Some(next.authority_certificate.to_vec().into()),
            ..read
        },
        Due::Renew(next) => renewed(node, read, next)?,
        Due::Forget | Due::Say => Credentials { also: None, ..read },
    };
    cluster::keep_credentials(data_folder, &credentials).map_err(|error| error.to_string())?;
    links
        .hold(&credentials)
        .map_err(|error| error.to_string())?;
    let words = match due {
        Due::Trust(_) => "the next authority is believed",
        Due::Renew(_) => "a certificate of the next authority is shown",
        Due::Forget | Due::Say => "the old authority is not believed any more",
    };
    tracing::info!(words, "certificates between nodes are rotated");
    Ok(())
}

/// A new key with a certificate of the next authority; the old one is still believed.
fn renewed(node: &Node, before: Credentials, next: &ClusterSecrets) -> Result<Credentials, String> {
    let cluster = node
        .configuration
        .read(|configuration| configuration.topology().cluster);
    let authority = admission::authority(cluster, next);
    let authority = authority.ok_or("the next authority does not read")?;
    let key = NodeKey::make().map_err(|error| error.to_string())?;
    let certificate = authority.sign_key(node.settings.node, &key);
    Ok(Credentials {
        certificate: certificate.map_err(|error| error.to_string())?,
        key: key.private(),
        authority: authority.certificate().clone(),
        also: Some(before.authority),
    })
}
