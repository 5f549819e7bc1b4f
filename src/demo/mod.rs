//! `pollux demo`: a pair with its witness on this machine, to try and to kill. Three processes of
//! this program, made a cluster by the same steps as an operator's; nothing is left behind.

mod player;
mod screen;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pollux_domain::operations::{Operation, Outcome, Secret, UserName};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::cluster;
use crate::control::ask;
use player::{Part, Player};

/// What a person chose.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The first port; the demo takes this one and the eight after it.
    pub port: u16,
    /// Where the data lie; none: a folder that goes with the demo.
    pub folder: Option<PathBuf>,
}

/// Why the demo ends early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("port {0} is taken; choose nine free ones in a row with --port")]
    PortTaken(u16),
    #[error("failed to {step}: {reason}")]
    Failed { step: &'static str, reason: String },
}

impl DemoError {
    fn failed(step: &'static str, reason: impl std::fmt::Display) -> DemoError {
        DemoError::Failed {
            step,
            reason: reason.to_string(),
        }
    }
}

/// Users, and whose users they are.
const USERS: [(&str, Part); 4] = [
    ("alice", Part::Castor),
    ("bob", Part::Pollux),
    ("carol", Part::Castor),
    ("dave", Part::Pollux),
];

/// How long the cluster may take to be whole.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the processes have to end by themselves.
const FAREWELL: Duration = Duration::from_secs(8);
/// How often the line of who serves whom is made afresh.
const LOOK: Duration = Duration::from_millis(200);

/// Runs until it is interrupted.
pub fn run(demo: &Demo) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| DemoError::failed("start a thread", error))?;
    let made = demo.folder.is_none();
    let folder = match &demo.folder {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("pollux-demo-{}", std::process::id())),
    };
    fs::create_dir_all(&folder).map_err(|error| DemoError::failed("make a folder", error))?;
    let result = runtime.block_on(perform(&folder, demo.port));
    if made {
        // What cannot be removed is the system's temporary folder's matter.
        let _left = fs::remove_dir_all(&folder);
    }
    result
}

/// From the first process to the end of the last, whatever happens between.
async fn perform(folder: &Path, port: u16) -> Result<(), DemoError> {
    let mut cast = Player::cast(folder, port)?;
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| DemoError::failed("listen to signals", error))?;
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| DemoError::failed("listen to signals", error))?;
    let played = tokio::select! {
        biased;
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        played = play(&mut cast) => played,
    };
    say("\n\nThe demo ends.\n");
    cast.iter().for_each(Player::ask_to_stop);
    let stopped = async {
        while !cast.iter_mut().all(Player::has_stopped) {
            sleep(LOOK).await;
        }
    };
    // Whoever takes longer is killed when it is dropped.
    let _late = timeout(FAREWELL, stopped).await;
    played
}

async fn play(cast: &mut [Player; 3]) -> Result<(), DemoError> {
    say("Castor, Pollux and their witness start on this machine …\n");
    assemble(cast).await?;
    let mut users = Vec::new();
    for (name, part) in USERS {
        users.push((name, part, add_user(cast, name, part).await?));
    }
    say(&screen::welcome(cast, &users));
    let mut last = String::new();
    loop {
        for player in cast.iter_mut() {
            if let Some(news) = player.look_after()? {
                say(&format!("\r\u{1b}[2K{news}\n"));
            }
        }
        let line = screen::line(cast);
        if line != last {
            say(&format!("\r\u{1b}[2K{line}"));
            last = line;
        }
        sleep(LOOK).await;
    }
}

/// The steps of an operator who sets a pair up.
async fn assemble(cast: &mut [Player; 3]) -> Result<(), DemoError> {
    let [castor, pollux, witness] = cast;
    let failed = |error| DemoError::failed("make the cluster", error);
    cluster::init(castor.config()).map_err(failed)?;
    castor.start()?;
    for (newcomer, is_witness) in [(pollux, false), (witness, true)] {
        let invite = Operation::ClusterInvite {
            witness: is_witness,
            subcluster: None,
            replaces: None,
        };
        let token = castor.until(invite, |outcome| match outcome {
            Outcome::Token(token) => Some(token),
            _ => None,
        });
        let token = token.await?;
        let config = newcomer.config().clone();
        let joined = tokio::task::spawn_blocking(move || {
            cluster::join(&config, &token, None, cluster::Beginning::Known)
        });
        let joined = joined
            .await
            .map_err(|error| DemoError::failed("join", error))?;
        joined.map_err(failed)?;
        newcomer.start()?;
    }
    let voters = |outcome| match outcome {
        Outcome::Subcluster(status) if status.is_protected && status.homes.len() == 2 => Some(()),
        _ => None,
    };
    castor.until(Operation::SubclusterStatus {}, voters).await?;
    let on = Operation::SubclusterSetHighAvailability { on: true };
    // Done, when each node serves its own users.
    castor
        .until(on, |outcome| (outcome == Outcome::Done).then_some(()))
        .await
}

/// Users belong to the node that is asked to add them.
async fn add_user(cast: &[Player; 3], name: &str, part: Part) -> Result<String, DemoError> {
    let player = &cast[part as usize];
    let password = player::password();
    let add = Operation::UserAdd {
        user: UserName::new(name).map_err(|error| DemoError::failed("name a user", error))?,
        password: Secret::new(password.clone())
            .map_err(|error| DemoError::failed("make a password", error))?,
    };
    player
        .until(add, |outcome| (outcome == Outcome::Done).then_some(()))
        .await?;
    Ok(password)
}

impl Player {
    /// Asks again until the answer is the wanted one.
    async fn until<T>(
        &self,
        operation: Operation,
        wanted: impl Fn(Outcome) -> Option<T>,
    ) -> Result<T, DemoError> {
        let socket = self.config().control.socket.clone();
        let trying = async {
            loop {
                let (socket, operation) = (socket.clone(), operation.clone());
                let asked = tokio::task::spawn_blocking(move || ask(&socket, operation)).await;
                if let Ok(Ok(outcome)) = asked
                    && let Some(found) = wanted(outcome)
                {
                    return found;
                }
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, trying).await.map_err(|_| {
            let log = self.log_path();
            let reason = format!(
                "{} did not answer; its log is {}",
                self.name(),
                log.display()
            );
            DemoError::failed("assemble the pair", reason)
        })
    }
}

/// For the person who watches. One that has gone away needs nothing more.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
