//! Starts every part of a node in order and stops it in order: the composition root. Not for what a
//! part does.

use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use pollux_actors::node::{Addresses, Node, Parts, Settings, StartError};
use pollux_actors::operations::Executor;
use pollux_actors::operations::backup::Backups;
use pollux_actors::placement::Arbiters;
use pollux_actors::services::{Stopped, StoreProbe};
use pollux_actors::stream::certificate::{self, CertificateError, Tls};
use pollux_actors::{
    agreement, courier, expiry, history, hosting, inquiries, membership, node_states, self_report,
    system, wall_clock, witnesses,
};
use pollux_admin_ui::{AdminParts, Running};
use pollux_domain::ids::NodeId;
use pollux_domain::seams::Ambient;
use pollux_domain::services::Service;
use pollux_domain::version::judge;
use pollux_links::in_use::InUse;
use pollux_links::links::Links;
use pollux_links::peers::{Alone, Desks};
use pollux_links::tickets::SharedTickets;
use pollux_raft::configuration::{Role, TopologyChange};
use pollux_raft::group::{Begin, check_record};
use pollux_raft::log::{JournalLog, Keep, LogStore};
use pollux_raft::machine::{ConfigurationGroup, Kind, Subcluster};
use pollux_store::damage::{self, OpenError};
use pollux_store::tables::SledTables;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::administration::{self, NodeAdministration, Request};
use crate::cluster::{self, ClusterError, Found};
use crate::config::values::Certificate;
use crate::config::{Config, Origin};
use crate::control::{ControlError, ControlServer};
use crate::descriptors;
use crate::examine;
use crate::exit::Exit;
use crate::groups::Groups;
use crate::hosted::Hosted;
use crate::links::{self, Guests, LinksService};
use crate::ports::{self, PortError};
use crate::process;
use crate::rotation;
use crate::sample;
use crate::systemd::{Notifier, pulse};
use crate::vitals::NodeVitals;

/// What a person said about files that were set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    Refused,
    /// Go on with what is left.
    Accepted,
}

/// Why a node ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("failed to prepare {path}: {source}")]
    Folder { path: String, source: io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "files were set aside as damaged: {0}\n\
         Restore a backup of the data folder, or go on with what is left by\n\
         `pollux node --accept-loss`; what was acknowledged since the last snapshot may be lost"
    )]
    Undecided(String),
    #[error(
        "files were set aside as damaged: {0}\n\
         This node votes with others, and may not again under its name: it does not know any more \
         what it voted for. Join it again with an empty data folder: \
         `pollux ctl cluster invite --replaces {1}` at another node, then `pollux cluster join` \
         here. What was acknowledged is with its twin and their witness, where it has them"
    )]
    OneOfSeveral(String, NodeId),
    #[error(
        "{} is gone, and the node has run before.\n\
         This node votes with others, and may not again under its name: it does not know any more \
         what it voted for. Restore the file from this machine if it was only moved, or join the \
         node again with an empty data folder: `pollux ctl cluster invite --replaces {node}` at \
         another node, then `pollux cluster join` here", .path.display()
    )]
    LogGone { path: PathBuf, node: NodeId },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("failed to start threads: {0}")]
    Threads(io::Error),
    #[error("failed to make sample users: {0}")]
    Sample(String),
    #[error("the group failed: {0}")]
    Group(String),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("failed to prepare the links to other nodes: {0}")]
    Links(String),
}

impl End {
    fn exit(&self) -> Exit {
        match self {
            End::Folder { .. } => Exit::CantCreate,
            End::Open(OpenError::InUse(_)) => Exit::TempFail,
            End::Open(OpenError::Newer { .. }) => Exit::NoInput,
            End::Open(_)
            | End::Undecided(_)
            | End::OneOfSeveral(..)
            | End::LogGone { .. }
            | End::Start(_) => Exit::IoErr,
            End::Certificate(_) | End::Cluster(_) | End::Links(_) => Exit::NoInput,
            End::Port(_) | End::Control(_) => Exit::Unavailable,
            End::Threads(_) | End::Sample(_) | End::Group(_) => Exit::Software,
        }
    }
}

/// Runs a node until it is told to stop. The log is set up, the configuration checked.
pub fn main_node(config: Config, loss: Loss) -> ExitCode {
    match run(&config, loss) {
        Ok(()) => Exit::Done.into(),
        Err(end) => {
            tracing::error!("failed to run the node: {end}");
            end.exit().into()
        }
    }
}

fn run(config: &Config, loss: Loss) -> Result<(), End> {
    let folder = &config.node.data_folder;
    let notifier = Notifier::from_environment();
    descriptors::raise();
    prepare(folder, loss)?;
    let found = cluster::read(folder)?;
    let ambient = system::ambient();
    let settings = settings(config, found.as_ref(), &ambient)?;
    let is_witness = settings.is_witness;
    let placement = Arbiters::start(config.node.threads.get()).map_err(End::Threads)?;
    // Before the start is counted: where one was counted, there are logs.
    let keep = Keep {
        durability: config.delivery.durability,
        others_vote: cluster::one_of_several(folder)?.is_some(),
    };
    let subcluster_log = open_log::<Subcluster>(folder, keep)?;
    let configuration_log = open_log::<ConfigurationGroup>(folder, keep)?;
    let _logs = Settled([subcluster_log.clone(), configuration_log.clone()]);
    tracing::info!(durability = %keep.durability, "logs are open");
    let life = cluster::next_life(folder, settings.incarnation).map_err(|source| End::Folder {
        path: folder.display().to_string(),
        source,
    })?;
    let in_use = settings.in_use.clone();
    let desks = Arc::new(Desks::default());
    let guests = Arc::new(Guests::default());
    let first_word = found.as_ref().and_then(|found| first_word(config, found));
    let links = match found {
        Some(found) => {
            let made = links::make(found, &settings, &ambient, &desks, &guests);
            Some(made.map_err(End::Links)?)
        }
        None => None,
    };
    let parts = Parts {
        settings,
        life,
        ambient,
        placement: Arc::new(placement),
        peers: match &links {
            Some(links) => Arc::new(links.clone()),
            None => Arc::new(Alone),
        },
        visits: match &links {
            Some(links) => Arc::new(links.clone()),
            None => Arc::new(Alone),
        },
        desks,
        subcluster_log,
        configuration_log,
        tables: Arc::new(SledTables::open(&folder.join("tables"))?),
        first_word,
    };
    // Neither clients nor hashing delay a flush.
    let groups = Groups::start().map_err(End::Threads)?;
    let main = tokio::runtime::Builder::new_current_thread();
    let main = { main }.enable_all().build().map_err(End::Threads)?;
    let node = groups.block_on(Node::start(parts));
    let node = node.map_err(|error| too_old(error.into(), &in_use, folder))?;
    let measured = folder.clone();
    let _first = node
        .surroundings
        .set(Box::new(move || process::samples(&measured)));
    let _first = node.examiner.set(examine::examiner(config, &node));
    // Who asks for a backup is in another folder.
    let backups = folder.join("backups");
    let backups = std::path::absolute(&backups).unwrap_or(backups);
    let _first = node.backups.set(Backups::new(backups));
    let stopped = Stopped::read(folder).map_err(|source| End::Folder {
        path: folder.display().to_string(),
        source,
    })?;
    node.services.keep(stopped);
    let shelf = Arc::new(Hosted::new(folder, keep));
    let _first = node.hosting.shelf.set(shelf);
    guests.welcome(&node);
    add_services(&node, folder, links.as_ref());
    links::start_control(node.clone(), links.clone()).map_err(End::Threads)?;
    let (_stop_following, stopped) = oneshot::channel();
    if let Some(links) = links {
        let listen = config.cluster.listen;
        groups
            .start_bulk(links.clone(), listen)
            .map_err(|source| PortError {
                setting: "cluster.listen",
                address: listen,
                source,
            })?;
        groups.spawn(rotation::follow(
            node.clone(),
            links.clone(),
            folder.clone(),
        ));
        let following = links::follow_topology(node.clone(), links, folder.clone(), stopped);
        groups.spawn(following);
    }
    groups.spawn(membership::run(node.clone()));
    groups.spawn(self_report::run(node.clone()));
    groups.spawn(courier::run(node.clone()));
    groups.spawn(wall_clock::run(node.clone()));
    groups.spawn(node_states::run(node.clone()));
    groups.spawn(history::run(node.clone()));
    groups.spawn(witnesses::run(node.clone()));
    if !is_witness {
        groups.spawn(hosting::run(node.clone()));
        groups.spawn(expiry::run(node.clone()));
        groups.spawn(inquiries::run(node.clone()));
        groups.spawn(certificate::follow(node.clone()));
        groups.spawn(agreement::run(node.clone()));
    }
    let _metrics = match config.metrics.listen {
        Some(address) => {
            let vitals = Arc::new(NodeVitals(node.clone()));
            let failed = |source| PortError {
                setting: "metrics.listen",
                address,
                source,
            };
            Some(pollux_admin_ui::start(address, vitals).map_err(failed)?)
        }
        None => None,
    };
    let (administration, requests) = administration::make(node.clone());
    let _admin = match config.admin.listen {
        Some(address) => Some(start_admin(&node, address, administration)?),
        None => None,
    };
    let result = main.block_on(serve(config, &node, &groups, &notifier, requests));
    notifier.stopping();
    notifier.status("says goodbye to its clients");
    groups.block_on(node.stop());
    result.map_err(|end| too_old(end, &in_use, folder))
}

/// What a group fails with that hears the end of an upgrade and is of a version from before it.
fn too_old(end: End, in_use: &InUse, folder: &Path) -> End {
    let Some(format) = in_use.unspoken() else {
        return end;
    };
    let Err(not_spoken) = judge(&pollux_raft::version::build(), format, None) else {
        return end;
    };
    if let Err(error) = cluster::remember_unspoken(folder, format) {
        tracing::warn!(%error, "the next start does not know the format of the cluster");
    }
    End::Cluster(ClusterError::Format(not_spoken))
}

/// The services that are there before the ports for clients.
fn add_services(node: &Arc<Node>, folder: &Path, links: Option<&Links>) {
    let now = node.ambient.clock.now();
    let store = StoreProbe::new(folder, node.placement.clone());
    node.services.add(Service::Store, Arc::new(store), now);
    if let Some(links) = links {
        if !node.services.is_wanted(Service::Links) {
            links.close();
        }
        let service = LinksService::new(node, links.clone());
        node.services.add(Service::Links, Arc::new(service), now);
    }
}

/// The port for administrators. What it asks for waits until the node serves.
fn start_admin(
    node: &Node,
    address: SocketAddr,
    administration: NodeAdministration,
) -> Result<Running, End> {
    let tls = node.settings.tls.as_ref();
    let tls = tls.filter(|_| !address.ip().to_canonical().is_loopback());
    let parts = AdminParts {
        address,
        tls: tls.map(Tls::pages).transpose()?,
        administration: Arc::new(administration),
    };
    let running = pollux_admin_ui::start_admin(parts).map_err(|source| PortError {
        setting: "admin.listen",
        address,
        source,
    })?;
    tracing::info!(address = %running.address(), "port for administrators is open");
    Ok(running)
}

/// Settles the logs at the end, whichever way the node ends: tasks that nobody waits for have them
/// too.
struct Settled([Arc<dyn LogStore>; 2]);

impl Drop for Settled {
    fn drop(&mut self) {
        for log in &self.0 {
            if let Err(error) = log.settle() {
                tracing::error!(%error, "failed to sync a log");
            }
        }
    }
}

/// What the file says, and what the cluster has made of this node.
fn settings(config: &Config, found: Option<&Found>, ambient: &Ambient) -> Result<Settings, End> {
    let folder = &config.node.data_folder;
    let secret = found.map(|found| found.membership.ticket_secret);
    let tickets = secret.map(|secret| SharedTickets::new(secret, ambient.clone()));
    let client_ca = config.xmpp.client_ca.as_deref();
    let tls = match &config.xmpp.certificate {
        Certificate::SelfSigned => {
            let domain = config.xmpp.domain.as_str();
            certificate::self_signed(folder, domain, client_ca, tickets)?
        }
        Certificate::Files { certificate, key } => Tls::read(certificate, key, client_ca, tickets)?,
    };
    let id = NodeId(config.node.id.get());
    let alone = Settings {
        allow_plaintext: config.xmpp.allow_plaintext,
        deliver: config.delivery.deliver,
        tls: Some(tls),
        snapshot_entries: config.cluster.snapshot_entries,
        keep_entries: config.cluster.snapshot_entries / 10,
        ..Settings::alone(id, config.xmpp.domain.as_str().to_owned())
    };
    let Some(membership) = found.map(|found| &found.membership) else {
        return Ok(alone);
    };
    Ok(Settings {
        node: membership.node,
        incarnation: membership.incarnation,
        subcluster: membership.subcluster,
        is_witness: membership.role == Role::Witness,
        site: config.cluster.site.clone(),
        begin: begin(membership.founder),
        begin_subcluster: begin(membership.founds_subcluster),
        addresses: Some(Addresses {
            nodes: config.cluster.address.clone(),
            clients: config.xmpp.address.clone(),
        }),
        in_use: InUse::new(membership.format),
        ..alone
    })
}

fn begin(founds: bool) -> Begin {
    match founds {
        true => Begin::Found,
        false => Begin::Join,
    }
}

/// What this node has to say of the topology before anybody else.
fn first_word(config: &Config, found: &Found) -> Option<TopologyChange> {
    let membership = &found.membership;
    if membership.goes_on_alone {
        return Some(TopologyChange::Reform {
            node: membership.node,
            incarnation: membership.incarnation,
        });
    }
    let authority_key = found.authority_key.clone()?;
    membership.founder.then(|| TopologyChange::Found {
        cluster: membership.cluster,
        node: membership.node,
        entry: membership.entry(config),
        secrets: Some(membership.secrets(&found.credentials, &authority_key)),
    })
}

/// Makes the folder, for its owner only, and stops where something damaged waits for a decision.
fn prepare(folder: &Path, loss: Loss) -> Result<(), End> {
    let failed = |source| End::Folder {
        path: folder.display().to_string(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(folder, owner).map_err(failed)?;
    let undecided = damage::undecided(folder).map_err(failed)?;
    if undecided.is_empty() {
        return check_logs(folder);
    }
    let names: Vec<String> = undecided
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let names = names.join(", ");
    if let Some(node) = cluster::one_of_several(folder)? {
        return Err(End::OneOfSeveral(names, node));
    }
    if loss == Loss::Accepted {
        tracing::warn!(
            files = undecided.len(),
            "damaged files are left behind, as accepted"
        );
        return damage::accept(&undecided).map_err(failed);
    }
    Err(End::Undecided(names))
}

/// A voter whose log is gone does not begin with an empty one (design, section 4, "Voters").
fn check_logs(folder: &Path) -> Result<(), End> {
    if !cluster::has_run(folder) {
        return Ok(());
    }
    let logs = [Subcluster::NAME, ConfigurationGroup::NAME];
    let mut logs = logs
        .map(|name| folder.join(format!("{name}.log")))
        .into_iter();
    let Some(path) = logs.find(|path| !path.exists()) else {
        return Ok(());
    };
    match cluster::one_of_several(folder)? {
        Some(node) => Err(End::LogGone { path, node }),
        None => Ok(()),
    }
}

fn open_log<G: Kind>(folder: &Path, keep: Keep) -> Result<Arc<dyn LogStore>, End> {
    let log = JournalLog::open_kept(folder, G::NAME, keep, check_record)?;
    Ok(Arc::new(log))
}

/// From here on clients are served, until a signal comes or something fails.
async fn serve(
    config: &Config,
    node: &Arc<Node>,
    groups: &Groups,
    notifier: &Notifier,
    requests: mpsc::Receiver<Request>,
) -> Result<(), End> {
    // The client ports open last: where they are, everything else is there.
    let control = ControlServer::bind(&config.control.socket)?;
    if node.settings.is_witness {
        tracing::info!(node = %node.settings.node, "witness votes, and serves nobody");
    } else {
        ports::open(config, node).await?;
    }
    if config.origin == Origin::EmbeddedDefault {
        sample::welcome(config, node).await.map_err(End::Sample)?;
    }
    let executor = Executor::new(node.clone());
    let stop = stop_signal().map_err(End::Threads)?;
    notifier.ready();
    tokio::select! {
        biased;
        () = stop => Ok(()),
        reason = node.subcluster.failure() => Err(End::Group(reason)),
        reason = node.configuration.failure() => Err(End::Group(reason)),
        () = control.serve(&executor) => Ok(()),
        () = node.services.clone().run(node.ambient.clock.clone()) => Ok(()),
        never = pulse::run(node, groups, notifier) => match never {},
        never = administration::run(requests, &executor) => match never {},
    }
}

fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = interrupt.recv() => tracing::info!("node stops: interrupted"),
            _ = terminate.recv() => tracing::info!("node stops: terminated"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_hears_late_of_the_end_of_an_upgrade_is_no_failed_node() {
        let folder = tempfile::tempdir().unwrap();
        let in_use = InUse::default();
        let end = || End::Group("its core has ended".to_owned());
        let code = |in_use: &InUse| too_old(end(), in_use, folder.path()).exit().code();
        assert_eq!(code(&in_use), 70);
        let next = pollux_raft::version::FORMATS.newest + 1;
        in_use.give_up(next);
        assert_eq!(code(&in_use), 66, "as docs/upgrade.md says");
        let words = too_old(end(), &in_use, folder.path()).to_string();
        assert!(words.contains(&format!("speaks format {next}")), "{words}");
        // What a newer version has written is no damage, either.
        let newer = End::Open(OpenError::Newer {
            path: folder.path().to_owned(),
            reason: String::new(),
        });
        assert_eq!(newer.exit().code(), 66);
    }
}
