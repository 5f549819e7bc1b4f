//! A pair with its witness as an operator makes it: three real processes, each with a folder and a
//! configuration of its own, made by the product's own commands. Faults are injected by drills.

mod disk;
mod ground;
mod namespaces;
mod station;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use pollux_domain::operations::{DigestRow, SubclusterStatus};
use tempfile::TempDir;

use super::free_port::wait_until;
use super::{Certificate, DOMAIN, Mode, Users};

pub use disk::Disk;
pub use ground::{Ground, GroundKind, STATIONS};
pub use namespaces::{End, Way, Wire};
pub use station::{Role, Station};

pub const CASTOR: usize = 0;
pub const POLLUX: usize = 1;
pub const WITNESS: usize = 2;
/// The nodes of another pair, one of which is the witness where there is no process.
pub const NEIGHBOURS: [usize; 2] = [2, 3];

/// How long the making of a pair may take in each of its steps.
const PATIENCE: Duration = Duration::from_secs(60);
/// Users are added by so many commands at one time.
const COMMANDS_AT_ONCE: usize = 4;

/// What kind of pair.
#[derive(Debug, Clone)]
pub struct PairOptions {
    pub program: PathBuf,
    /// The version after it, for drills of upgrades.
    pub next: Option<PathBuf>,
    pub ground: GroundKind,
    /// Whether each has a disk of its own, which can be frozen.
    pub disks: bool,
    /// Whether the witness is a node of another pair, instead of a process of its own.
    pub neighbours: bool,
    /// Entries between two snapshots, where not as the product has it.
    pub snapshot_entries: Option<u64>,
    pub mode: Mode,
}

/// Which node is the home of the users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Homes {
    /// Castor is the home of all: the other one stands by.
    Castor,
    /// Every second pair of users is at home on each node.
    Both,
    /// So many are at home on Pollux, all others on Castor.
    PolluxFirst(usize),
}

pub struct Pair {
    // Processes end before their ground and their folder go: fields drop in this order.
    pub stations: Vec<Station>,
    pub ground: Ground,
    /// What the stations were made with.
    pub program: PathBuf,
    pub next: Option<PathBuf>,
    certificate: Certificate,
    folder: TempDir,
}

impl PairOptions {
    /// A pair as the product has it, on loopback.
    pub fn of(program: &Path) -> Self {
        PairOptions {
            program: program.to_owned(),
            next: None,
            ground: GroundKind::Loopback,
            disks: false,
            neighbours: false,
            snapshot_entries: None,
            mode: Mode::default(),
        }
    }
}

impl Pair {
    /// Makes a cluster of one, invites a twin and a witness, or another pair, turns high
    /// availability on, and waits until the pair is protected.
    pub fn open(options: &PairOptions) -> anyhow::Result<Self> {
        let program = fs::canonicalize(&options.program);
        let program = program.context("find the program: cargo build --release, then --pollux")?;
        let next = options
            .next
            .as_ref()
            .map(|next| fs::canonicalize(next).context("find the program of the next version"));
        let folder = tempfile::Builder::new().prefix("pair-").tempdir();
        let folder = folder.context("make a folder for a pair")?;
        let certificate = Certificate::make(folder.path(), DOMAIN)?;
        let ground = Ground::make(options.ground)?;
        let common = station::Common {
            program: &program,
            folder: folder.path(),
            ground: &ground,
            certificate: &certificate,
            disks: options.disks,
            snapshot_entries: options.snapshot_entries,
            mode: options.mode,
        };
        let third = match options.neighbours {
            true => Role::Node,
            false => Role::Witness,
        };
        let mut stations = vec![
            ("castor", Role::Node),
            ("pollux", Role::Node),
            ("third", third),
        ];
        if options.neighbours {
            stations.push(("fourth", Role::Node));
        }
        let stations: anyhow::Result<Vec<Station>> = stations
            .into_iter()
            .enumerate()
            .map(|(index, (name, role))| Station::make(&common, index, name, role))
            .collect();
        let mut pair = Pair {
            stations: stations?,
            ground,
            program: program.clone(),
            next: next.transpose()?,
            certificate,
            folder,
        };
        pair.found()?;
        Ok(pair)
    }

    fn found(&mut self) -> anyhow::Result<()> {
        self.stations[CASTOR].cluster(&self.ground, &["init"])?;
        self.stations[CASTOR].start(&self.ground)?;
        for index in POLLUX..self.stations.len() {
            let mut invite = vec!["cluster", "invite"];
            match self.stations[index].role {
                Role::Witness => invite.push("--witness"),
                Role::Node if index == POLLUX => {}
                Role::Node => invite.extend(["--subcluster", "2"]),
            }
            let token = self.insist(CASTOR, &invite)?;
            self.stations[index].cluster(&self.ground, &["join", token.trim()])?;
            self.stations[index].start(&self.ground)?;
        }
        self.insist(CASTOR, &["subcluster", "ha", "on"])?;
        self.wait_healthy(PATIENCE)
            .context("wait until the new pair is protected")
    }

    /// Runs a command until it succeeds: a cluster that is being made refuses some for a moment.
    fn insist(&self, station: usize, arguments: &[&str]) -> anyhow::Result<String> {
        let mut said = Err(anyhow::anyhow!("was not asked"));
        wait_until(PATIENCE, || {
            said = self.stations[station].ctl(arguments);
            Ok(said.is_ok())
        })?;
        said
    }

    /// Adds users with one password, each at the node that is to be the home.
    pub fn add_users(&self, users: &Users, homes: Homes) -> anyhow::Result<()> {
        let password_path = self.folder.path().join("password");
        fs::write(&password_path, format!("{}\n", users.password)).context("write the password")?;
        let password_file = password_path.to_string_lossy().into_owned();
        std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..COMMANDS_AT_ONCE)
                .map(|lane| {
                    let password_file = &password_file;
                    scope.spawn(move || {
                        for index in (lane..users.count).step_by(COMMANDS_AT_ONCE) {
                            let home = &self.stations[home_of(index, homes)];
                            let name = users.name(index);
                            home.ctl(&["user", "add", &name, "--password-file", password_file])?;
                        }
                        anyhow::Ok(())
                    })
                })
                .collect();
            lanes.into_iter().try_for_each(|lane| {
                let added = lane.join().ok().context("adding users panicked")?;
                added.context("add users")
            })
        })?;
        // Both nodes know them before anybody signs in.
        let known = wait_until(PATIENCE, || {
            let mut all = true;
            for station in [CASTOR, POLLUX] {
                let count: u64 = self
                    .status(station)?
                    .homes
                    .iter()
                    .map(|home| home.users)
                    .sum();
                all &= count >= users.count as u64;
            }
            Ok(all)
        })?;
        if !known {
            bail!("the users are not known on both nodes");
        }
        Ok(())
    }

    /// The stations that know of the pair by themselves.
    fn members(&self) -> impl Iterator<Item = (usize, &Station)> {
        let all = self.stations.iter().enumerate();
        all.filter(|(index, one)| *index < WITNESS || one.role == Role::Witness)
    }

    /// The station that is asked of the pair while nothing is broken: rather one that serves
    /// nobody.
    pub fn onlooker(&self) -> usize {
        self.members()
            .map(|(index, _)| index)
            .last()
            .unwrap_or(CASTOR)
    }

    /// Who serves whom, as this station sees it.
    pub fn status(&self, station: usize) -> anyhow::Result<SubclusterStatus> {
        let text = self.stations[station].ctl(&["--json", "subcluster", "status"])?;
        serde_json::from_str(&text).context("read the status of the subcluster")
    }

    /// The station that serves the users of Castor, as `witness` sees it.
    pub fn owner(&self, witness: usize) -> anyhow::Result<usize> {
        let status = self.status(witness)?;
        let serving = status.homes.first().and_then(|home| home.serving);
        let serving = serving.context("nobody serves the users of castor")?;
        Ok(usize::from(serving) - 1)
    }

    pub fn leader(&self, witness: usize) -> anyhow::Result<usize> {
        let leader = self.status(witness)?.leader;
        Ok(usize::from(leader.context("nobody leads the subcluster")?) - 1)
    }

    /// Whether all three are there, agree on who leads and who serves, have caught up, and whoever
    /// serves holds the lease.
    pub fn is_healthy(&self) -> bool {
        self.check_healthy().is_ok()
    }

    pub fn check_healthy(&self) -> anyhow::Result<()> {
        let views: Vec<SubclusterStatus> = self
            .members()
            .map(|(station, _)| self.status(station))
            .collect::<anyhow::Result<_>>()?;
        let first = &views[0];
        for (view, (_, station)) in views.iter().zip(self.members()) {
            if !view.is_protected {
                bail!("{} sees no protection", station.name);
            }
            if view.leader.is_none() || (view.leader, view.term) != (first.leader, first.term) {
                bail!("{} sees another leader", station.name);
            }
            for (home, same) in view.homes.iter().zip(&first.homes) {
                if (home.serving, home.epoch) != (same.serving, same.epoch) {
                    bail!("{} sees home {} served otherwise", station.name, home.home);
                }
                if home.serving == Some(station.node()) && !home.is_held_here {
                    bail!("{} does not hold home {}", station.name, home.home);
                }
            }
        }
        if first.homes.len() != 2 || first.homes.iter().any(|home| home.serving.is_none()) {
            bail!("not every home is served");
        }
        let leader = first.leader.map_or(0, |leader| usize::from(leader) - 1);
        let Some(leader) = views.get(leader) else {
            bail!("a node of another pair leads");
        };
        let matched = leader.members.iter().map(|row| row.matched_index);
        let matched: Vec<u64> = matched.map(Option::unwrap_or_default).collect();
        let (least, most) = (matched.iter().min(), matched.iter().max());
        if most
            .zip(least)
            .is_none_or(|(most, least)| most - least > BEHIND_MAX)
        {
            bail!("not all have caught up: {matched:?}");
        }
        Ok(())
    }

    pub fn wait_healthy(&self, limit: Duration) -> anyhow::Result<()> {
        match wait_until(limit, || Ok(self.is_healthy()))? {
            true => Ok(()),
            false => self
                .check_healthy()
                .context("the pair is not whole in time"),
        }
    }

    /// The databases of all three at one index; all the same, or an error.
    pub fn verify(&self, station: usize) -> anyhow::Result<()> {
        let text = self.insist(station, &["--json", "subcluster", "verify"])?;
        let rows: Vec<DigestRow> = serde_json::from_str(&text).context("read the digests")?;
        let digests: Vec<Option<u32>> = rows.iter().map(|row| row.digest).collect();
        if digests.len() != STATIONS
            || digests
                .iter()
                .any(|one| one.is_none() || *one != digests[0])
        {
            bail!("the databases differ: {text}");
        }
        Ok(())
    }

    /// Where clients may connect.
    pub fn client_addresses(&self) -> Vec<SocketAddr> {
        let nodes = [CASTOR, POLLUX].map(|station| &self.stations[station]);
        nodes.map(Station::client_address).to_vec()
    }

    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folders for whoever looks for a reason.
    pub fn keep_folder(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

/// Entries that a replica may be behind while people chat.
const BEHIND_MAX: u64 = 200;

/// At which station a user is at home: users talk in pairs, and a pair has one home.
pub fn home_of(user: usize, homes: Homes) -> usize {
    match homes {
        Homes::Castor => CASTOR,
        Homes::Both => user / 2 % 2,
        Homes::PolluxFirst(count) if user < count => POLLUX,
        Homes::PolluxFirst(_) => CASTOR,
    }
}
