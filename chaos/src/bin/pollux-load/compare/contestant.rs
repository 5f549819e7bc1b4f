//! Who takes part, and the servers that stand for them: each is made when it is first needed, and
//! keeps its users over all runs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use pollux_chaos::client::KeyCache;
use pollux_chaos::servers::{
    Ceiling, CeilingKind, Ejabberd, Mode, PairServer, PasswordHash, Pollux, Prosody, Server, Users,
};

use super::work::Rank;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contestant {
    Prosody,
    Ejabberd,
    /// Two nodes of it.
    Cluster,
    /// Pollux as it is by default: `deliver = committed`, `durability = disk`.
    Committed,
    /// `deliver = early`.
    Early,
    /// `durability = memory`.
    Undurable,
    /// Two nodes of it, with their witness.
    Pair,
    Relay,
    Memory,
}

impl Contestant {
    pub fn name(self) -> &'static str {
        match self {
            Contestant::Prosody => "Prosody",
            Contestant::Ejabberd => "ejabberd",
            Contestant::Cluster => "ejabberd cluster",
            Contestant::Committed => "Pollux",
            Contestant::Early => "Pollux, early",
            Contestant::Undurable => "Pollux, memory",
            Contestant::Pair => "Pollux pair",
            Contestant::Relay => "relay",
            Contestant::Memory => "in memory",
        }
    }

    pub fn rank(self) -> Rank {
        match self {
            Contestant::Prosody | Contestant::Ejabberd | Contestant::Cluster => Rank::Peer,
            Contestant::Committed
            | Contestant::Early
            | Contestant::Undurable
            | Contestant::Pair => Rank::Pollux,
            Contestant::Relay | Contestant::Memory => Rank::Ceiling,
        }
    }

    /// The ceilings do the least: they have no stream management.
    pub fn has_stream_management(self) -> bool {
        self.rank() != Rank::Ceiling
    }

    fn make(self, pollux: Option<&Path>) -> anyhow::Result<Box<dyn Server>> {
        let program = || pollux.context("Pollux takes part with --pollux PATH");
        let own = std::env::current_exe().context("find this program");
        Ok(match self {
            Contestant::Prosody => Box::new(Prosody::new(PasswordHash::Sha1)?),
            Contestant::Ejabberd => Box::new(Ejabberd::new()?),
            Contestant::Cluster => Box::new(Ejabberd::cluster()?),
            Contestant::Committed => Box::new(Pollux::new(program()?, 0)?),
            Contestant::Early => Box::new(Pollux::in_mode(program()?, 0, Mode::EARLY)?),
            Contestant::Undurable => Box::new(Pollux::in_mode(program()?, 0, Mode::IN_MEMORY)?),
            Contestant::Pair => Box::new(PairServer::new(program()?)?),
            Contestant::Relay => Box::new(Ceiling::new(CeilingKind::Relay, &own?)?),
            Contestant::Memory => Box::new(Ceiling::new(CeilingKind::Memory, &own?)?),
        })
    }
}

/// A server with its users and what their clients have derived, so that no run pays for it.
pub struct Stall {
    server: Shared,
    pub users: Users,
    /// Who has contacts.
    pub watchers: Users,
    pub keys: KeyCache,
}

/// Another thread may start it.
type Shared = Arc<Mutex<Box<dyn Server>>>;

/// Whoever panicked has told why.
pub fn locked(server: &Shared) -> MutexGuard<'_, Box<dyn Server>> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stall {
    pub fn server(&self) -> MutexGuard<'_, Box<dyn Server>> {
        locked(&self.server)
    }

    pub fn shared(&self) -> Shared {
        self.server.clone()
    }
}

/// How many users a server will need.
#[derive(Debug, Clone, Copy, Default)]
struct Needs {
    users: usize,
    watchers: usize,
}

/// All servers that have been needed so far, stopped while they do not work.
pub struct Field {
    pollux: Option<PathBuf>,
    /// How many users each will need.
    needs: BTreeMap<Contestant, Needs>,
    stalls: BTreeMap<Contestant, Stall>,
}

impl Field {
    pub fn new(pollux: Option<PathBuf>) -> Self {
        Field {
            pollux,
            needs: BTreeMap::new(),
            stalls: BTreeMap::new(),
        }
    }

    /// Says before anything is started how many users it will need at some time.
    pub fn announce(&mut self, contestant: Contestant, users: usize, with_contacts: bool) {
        let needed = self.needs.entry(contestant).or_default();
        let count = match with_contacts {
            true => &mut needed.watchers,
            false => &mut needed.users,
        };
        *count = users.max(*count);
    }

    /// Whether there is a program for it.
    pub fn has(&self, contestant: Contestant) -> bool {
        contestant.rank() != Rank::Pollux || self.pollux.is_some()
    }

    /// The next time it is another server, with nothing of this one.
    pub fn forget(&mut self, contestant: Contestant) {
        self.stalls.remove(&contestant);
    }

    /// Starts the server, lets `work` measure it, and stops it: a fresh process for each run, so
    /// that none inherits the heap of another.
    pub fn with<T>(
        &mut self,
        contestant: Contestant,
        work: impl FnOnce(&mut Stall) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let stall = match self.stalls.entry(contestant) {
            Entry::Occupied(stall) => stall.into_mut(),
            Entry::Vacant(place) => {
                let needs = self.needs.get(&contestant).copied().unwrap_or_default();
                place.insert(stall(contestant, self.pollux.as_deref(), needs)?)
            }
        };
        stall.server().start()?;
        let result = work(stall);
        let stopped = stall.server().stop();
        let result = result?;
        stopped?;
        Ok(result)
    }
}

/// A new server, with users and without a process.
fn stall(contestant: Contestant, pollux: Option<&Path>, needs: Needs) -> anyhow::Result<Stall> {
    let mut server = contestant.make(pollux)?;
    let (users, mut watchers) = (Users::new(needs.users), Users::new(needs.watchers));
    "watcher".clone_into(&mut watchers.prefix);
    server.start()?;
    for group in [&users, &watchers] {
        if group.count > 0 {
            let added = server.add_users(group);
            added.with_context(|| format!("add users to {}", contestant.name()))?;
        }
    }
    server.stop()?;
    Ok(Stall {
        server: Arc::new(Mutex::new(server)),
        users,
        watchers,
        keys: KeyCache::default(),
    })
}
