//! The links of a node in its program: threads, addresses from the topology, visitors. Not for what
//! is said on them.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use pollux_actors::admission::{self, Doorkeeper};
use pollux_actors::node::{Node, Settings};
use pollux_actors::services::{Doing, Driver};
use pollux_actors::{control, stream};
use pollux_domain::ids::{NodeId, Voter};
use pollux_domain::seams::Ambient;
use pollux_links::hello::Identity;
use pollux_links::links::{LinkParts, Links, PortState};
use pollux_links::net::{SystemNet, Travelling};
use pollux_links::peers::{Desks, Lane};
use pollux_links::security::Security;
use pollux_links::visit::Visitors;
use pollux_raft::version;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::cluster::{self, Found};

/// How often the addresses of the topology are looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Takes relayed clients, once the node is there.
#[derive(Default)]
pub struct Guests(OnceLock<Weak<Node>>);

impl Guests {
    pub fn welcome(&self, node: &Arc<Node>) {
        let _first = self.0.set(Arc::downgrade(node));
    }
}

impl Visitors for Guests {
    fn arrive(&self, from: NodeId, header: Bytes, socket: Box<dyn Travelling>) {
        // One that comes before the node is ready is hung up, and comes again.
        if let Some(node) = self.0.get().and_then(Weak::upgrade) {
            stream::arrive(&node, from, &header, socket);
        }
    }
}

/// Makes the links of a node of a cluster. They work when their threads run.
pub fn make(
    found: Found,
    settings: &Settings,
    ambient: &Ambient,
    desks: &Arc<Desks>,
    guests: &Arc<Guests>,
) -> Result<Links, String> {
    let membership = found.membership;
    let security = Security::tls(found.credentials, membership.cluster, ambient)
        .map_err(|error| error.to_string())?;
    let links = Links::new(LinkParts {
        identity: Identity {
            cluster: membership.cluster,
            node: membership.node,
            incarnation: membership.incarnation,
        },
        build: version::build(),
        in_use: settings.in_use.clone(),
        address: settings.addresses.as_ref().map(|ours| ours.nodes.clone()),
        security,
        net: Arc::new(SystemNet),
        ambient: ambient.clone(),
        desks: desks.clone(),
        visitors: guests.clone(),
    });
    links.set_peers(membership.peers);
    Ok(links)
}

/// The control thread: leaders, leases, and the lane on which they are talked about.
pub fn start_control(node: Arc<Node>, links: Option<Links>) -> io::Result<()> {
    thread("control", move || async move {
        match links {
            Some(links) => {
                tokio::join!(links.run_control(), control::run(node));
            }
            None => control::run(node).await,
        }
    })
}

fn thread<F: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || LocalSet::new().block_on(&runtime, work()))?;
    Ok(())
}

/// The links as a service: well while a majority of the votes can be reached. They are dialled
/// again by themselves.
pub struct LinksService {
    node: Weak<Node>,
    links: Links,
}

/// For the port to be opened, or let go of.
const PORT_PATIENCE: Duration = Duration::from_secs(5);

impl LinksService {
    pub fn new(node: &Arc<Node>, links: Links) -> LinksService {
        LinksService {
            node: Arc::downgrade(node),
            links,
        }
    }

    async fn port_becomes(&self, wanted: fn(&PortState) -> bool) -> Result<(), String> {
        let mut port = self.links.port();
        let waiting = port.wait_for(|state| wanted(state) || matches!(state, PortState::Failed(_)));
        let waited = tokio::time::timeout(PORT_PATIENCE, waiting).await;
        match waited.ok().and_then(Result::ok).as_deref() {
            Some(PortState::Failed(text)) => Err(text.clone()),
            Some(_) => Ok(()),
            None => Err(format!(
                "the port between nodes took {PORT_PATIENCE:?} and more"
            )),
        }
    }

    fn look(&self) -> Result<(), String> {
        if let PortState::Failed(text) = &*self.links.port().borrow() {
            return Err(text.clone());
        }
        let Some(node) = self.node.upgrade() else {
            return Ok(());
        };
        let voters = node.subcluster.voters();
        let me = node.subcluster.me();
        let is_reached = |voter: &&Voter| {
            let lanes = [Lane::Control, Lane::Bulk];
            let mut lanes = lanes.into_iter();
            **voter == me || lanes.all(|lane| self.links.is_connected(voter.node, lane))
        };
        let (all, reached) = (voters.len(), voters.iter().filter(is_reached).count());
        if all == 0 || all < 2 * reached {
            return Ok(());
        }
        Err(format!(
            "{reached} of {all} votes are reached, this node's own included, which do not decide: \
             see whether the other nodes run, and the network between"
        ))
    }
}

impl Driver for LinksService {
    fn start(&self) -> Doing<'_, Result<(), String>> {
        Box::pin(async {
            self.links.open();
            self.port_becomes(|state| *state == PortState::Open).await
        })
    }

    fn stop(&self) -> Doing<'_, ()> {
        Box::pin(async {
            self.links.close();
            if let Err(error) = self.port_becomes(|state| *state == PortState::Closed).await {
                tracing::debug!(error, "port between nodes was not open");
            }
        })
    }

    fn check(&self) -> Doing<'_, Result<(), String>> {
        Box::pin(async { self.look() })
    }
}

/// Follows the topology: who is new is called, who was removed is hung up. Runs until the node
/// stops.
pub async fn follow_topology(
    node: Arc<Node>,
    links: Links,
    data_folder: PathBuf,
    stop: oneshot::Receiver<()>,
) {
    links.set_admission(Arc::new(Doorkeeper::new(&node)));
    let mut known = Vec::new();
    let mut format = 0;
    let mut stop = stop;
    // A replica that is behind knows addresses of long ago; those of the last run are newer.
    tokio::select! {
        biased;
        _ = &mut stop => return,
        _caught_up = node.configuration.catch_up() => {}
    }
    loop {
        let addresses = node
            .configuration
            .read(|configuration| admission::addresses(configuration.topology()));
        // A replica that has not caught up knows of nobody, and needs those who told it so.
        if !addresses.is_empty() && addresses != known {
            links.set_peers(addresses.clone());
            if let Err(error) = cluster::remember_peers(&data_folder, &addresses) {
                tracing::error!(%error, "the next start may not find the other nodes");
            }
            known = addresses;
        }
        let in_use = node.settings.in_use.get();
        if format != in_use {
            if let Err(error) = cluster::remember_format(&data_folder, in_use) {
                tracing::error!(%error, "the next start does not know the format of the cluster");
            }
            format = in_use;
        }
        tokio::select! {
            biased;
            _ = &mut stop => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}
