//! Starts every part of a node in order and stops it in order: the composition root. Not for what a
//! part does.

use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};

use pollux_actors::node::{Node, Parts, Settings, StartError};
use pollux_actors::operations::Executor;
use pollux_actors::placement::Arbiters;
use pollux_actors::stream::certificate::{self, CertificateError};
use pollux_actors::{expiry, stream, system};
use pollux_domain::ids::NodeId;
use pollux_domain::limits;
use pollux_links::net::{Net, SystemNet};
use pollux_raft::group::check_record;
use pollux_raft::log::{LogStore, RedbLog};
use pollux_raft::machine::{ConfigurationGroup, Kind, Subcluster};
use pollux_store::damage::{self, OpenError};
use pollux_store::tables::SledTables;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::values::Certificate;
use crate::config::{Config, Origin};
use crate::control::{ControlError, ControlServer};
use crate::exit::Exit;
use crate::sample;
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
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("failed to listen on {address}: {source}")]
    Listen { address: String, source: io::Error },
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("failed to start threads: {0}")]
    Threads(io::Error),
    #[error("failed to make sample users: {0}")]
    Sample(String),
    #[error("the group failed: {0}")]
    Group(String),
}

impl End {
    fn exit(&self) -> Exit {
        match self {
            End::Folder { .. } => Exit::CantCreate,
            End::Open(OpenError::InUse(_)) => Exit::TempFail,
            End::Open(_) | End::Undecided(_) | End::Start(_) => Exit::IoErr,
            End::Certificate(_) => Exit::NoInput,
            End::Listen { .. } | End::Control(_) => Exit::Unavailable,
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
    prepare(folder, loss)?;
    let tls = match &config.xmpp.certificate {
        Certificate::SelfSigned => certificate::self_signed(folder, config.xmpp.domain.as_str())?,
        Certificate::Files { certificate, key } => certificate::read(certificate, key)?,
    };
    let settings = Settings {
        node: NodeId(config.node.id.get()),
        domain: config.xmpp.domain.as_str().to_owned(),
        allow_plaintext: config.xmpp.allow_plaintext,
        tls: Some(tls),
        scram_iterations: limits::SCRAM_ITERATIONS,
        snapshot_entries: limits::SNAPSHOT_ENTRIES,
        keep_entries: limits::LOG_KEEP_ENTRIES,
    };
    let placement = Arbiters::start(config.node.threads.get()).map_err(End::Threads)?;
    let parts = Parts {
        settings,
        ambient: system::ambient(),
        placement: Arc::new(placement),
        subcluster_log: open_log::<Subcluster>(folder)?,
        configuration_log: open_log::<ConfigurationGroup>(folder)?,
        tables: Arc::new(SledTables::open(&folder.join("tables"))?),
    };
    // Groups have a thread of their own: neither clients nor hashing delay a flush.
    let groups = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("groups")
        .enable_all()
        .build()
        .map_err(End::Threads)?;
    let main = tokio::runtime::Builder::new_current_thread();
    let main = { main }.enable_all().build().map_err(End::Threads)?;
    let node = groups.block_on(Node::start(parts))?;
    groups.spawn(expiry::run(node.clone()));
    let _metrics = match config.metrics.listen {
        Some(address) => {
            let vitals = Arc::new(NodeVitals(node.clone()));
            let failed = |source| End::Listen {
                address: address.to_string(),
                source,
            };
            Some(pollux_admin_ui::start(address, vitals).map_err(failed)?)
        }
        None => None,
    };
    let result = main.block_on(serve(config, &node));
    groups.block_on(node.stop());
    result
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
        return Ok(());
    }
    if loss == Loss::Accepted {
        tracing::warn!(
            files = undecided.len(),
            "damaged files are left behind, as accepted"
        );
        return damage::accept(&undecided).map_err(failed);
    }
    let names: Vec<String> = undecided
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Err(End::Undecided(names.join(", ")))
}

fn open_log<G: Kind>(folder: &Path) -> Result<Arc<dyn LogStore>, End> {
    Ok(Arc::new(RedbLog::open(folder, G::NAME, check_record::<G>)?))
}

/// From here on clients are served, until a signal comes or something fails.
async fn serve(config: &Config, node: &Arc<Node>) -> Result<(), End> {
    // The client port opens last: where it is open, everything else is there.
    let control = ControlServer::bind(&config.control.socket)?;
    listen(config, node).await?;
    if config.origin == Origin::EmbeddedDefault {
        sample::welcome(config, node).await.map_err(End::Sample)?;
    }
    let executor = Executor::new(node.clone());
    let stop = stop_signal().map_err(End::Threads)?;
    tokio::select! {
        biased;
        () = stop => Ok(()),
        reason = node.subcluster.failure() => Err(End::Group(reason)),
        reason = node.configuration.failure() => Err(End::Group(reason)),
        () = control.serve(&executor) => Ok(()),
    }
}

/// Opens the client port, on an arbiter of its own turn.
async fn listen(config: &Config, node: &Arc<Node>) -> Result<(), End> {
    let address = config.xmpp.listen;
    let (tell, told) = oneshot::channel();
    let served = node.clone();
    let job = move || {
        tokio::task::spawn_local(async move {
            let opened = SystemNet.listen(address).await;
            let opened = opened.and_then(|listener| Ok((listener.local_address()?, listener)));
            match opened {
                Ok((bound, listener)) => {
                    let _gone = tell.send(Ok(bound));
                    stream::serve(served, listener).await;
                }
                Err(error) => {
                    let _gone = tell.send(Err(error));
                }
            }
        });
    };
    node.placement.run(0, Box::new(job));
    let failed = |source| End::Listen {
        address: address.to_string(),
        source,
    };
    let bound = told
        .await
        .map_err(|_| failed(io::ErrorKind::BrokenPipe.into()))?;
    let bound = bound.map_err(failed)?;
    node.listeners
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(bound);
    tracing::info!(address = %bound, "client port is open");
    Ok(())
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
