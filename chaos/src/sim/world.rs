//! One run: builds the node and the people, crashes the node at moments of the seed, and returns
//! the history.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pollux_actors::node::{Node, Parts, Settings};
use pollux_actors::stream::Entrance;
use pollux_actors::{agreement, control, expiry, stream, users};
use pollux_domain::ids::{Life, NodeId};
use pollux_domain::jid::BareJid;
use pollux_domain::seams::Ambient;
use pollux_links::net::Net;
use pollux_links::peers::Alone;
use pollux_raft::log::{MemoryLog, SimulatedDisk};
use pollux_store::tables::MemoryTables;

use super::environment::{MachineClock, OneThread, SeededRand, VirtualTime};
use super::history::{Fact, History, is_message};
use super::net::SimulatedNet;
use super::people::{Person, account};
use crate::client::{Options, Seed};

pub const DOMAIN: &str = "sim.example";
pub const PORT: u16 = 5222;

/// What happens in a run, besides what the seed decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// An even number: they talk in pairs.
    pub people: usize,
    /// Messages that each says.
    pub messages: u64,
    pub crashes: u64,
    /// People close their streams now and then, and find what was stored when they come back.
    pub leaves: bool,
    /// Virtual time after which the run ends, whatever is missing.
    pub patience: Duration,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            people: 4,
            messages: 24,
            crashes: 3,
            leaves: false,
            patience: Duration::from_secs(120),
        }
    }
}

impl Plan {
    /// Messages of sessions that were given up: nobody knows, so that nobody waits for them.
    pub(super) fn doubted(&self, history: &History) -> u64 {
        let doubted = history
            .entries
            .iter()
            .filter(|entry| matches!(&entry.fact, Fact::Unknown { id, .. } if is_message(id)));
        doubted.count() as u64
    }
}

/// What a run leaves.
#[derive(Debug)]
pub struct Run {
    pub seed: u64,
    pub plan: Plan,
    pub history: History,
    /// Crashes at which a message was under way: not acknowledged, or not received.
    pub telling_crashes: u64,
}

/// The disk of the node, which outlives its process.
struct Disk {
    subcluster: Arc<SimulatedDisk>,
    configuration: Arc<SimulatedDisk>,
    tables: Arc<MemoryTables>,
    rand: Arc<SeededRand>,
    clock: Arc<MachineClock>,
    starts: AtomicU64,
}

/// Runs one seed.
pub fn run(seed: u64, plan: Plan) -> Result<Run, String> {
    let mut dice = Seed::new(seed);
    let history = Rc::new(RefCell::new(History::default()));
    let mut world = turmoil::Builder::new()
        .rng_seed(dice.number())
        .simulation_duration(plan.patience + Duration::from_secs(60))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_micros(100))
        .max_message_latency(Duration::from_millis(5))
        .tcp_capacity(65_536)
        .build();
    let time = VirtualTime::default();
    let disk = Rc::new(Disk {
        subcluster: Arc::default(),
        configuration: Arc::default(),
        tables: Arc::default(),
        rand: Arc::new(SeededRand::new(dice.number())),
        clock: Arc::new(MachineClock::new(time.clone(), Duration::ZERO)),
        starts: AtomicU64::new(0),
    });
    let (node_disk, node_history) = (disk.clone(), history.clone());
    world.host("node", move || {
        live(node_disk.clone(), plan, node_history.clone())
    });
    let options = Options {
        timeout: Duration::from_secs(5),
        ..Options::default()
    }
    .shared();
    for who in 0..plan.people {
        let person = Person {
            who,
            partner: who ^ 1,
            plan,
            seed: Seed::new(dice.number()),
            options: options.clone(),
            history: history.clone(),
        };
        world.client(format!("person{who}"), person.live());
    }
    let mut crashes: Vec<u64> = (0..plan.crashes).map(|_| 150 + dice.below(1_000)).collect();
    crashes.sort_unstable();
    let mut telling_crashes = 0;
    let mut back_at = None;
    loop {
        let now = world.elapsed();
        if back_at.is_some_and(|at| at <= now) {
            back_at = None;
            world.bounce("node");
        }
        if back_at.is_none()
            && crashes
                .first()
                .is_some_and(|at| u128::from(*at) <= now.as_millis())
        {
            crashes.remove(0);
            telling_crashes += u64::from(is_busy(&history.borrow()));
            world.crash("node");
            disk.tables.crash();
            history.borrow_mut().add_at(now, Fact::NodeCrashed);
            back_at = Some(now + Duration::from_millis(5 + dice.below(250)));
        }
        time.set(now);
        match world.step() {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => return Err(format!("seed {seed}: {error}")),
        }
    }
    let history = history.borrow().clone();
    Ok(Run {
        seed,
        plan,
        history,
        telling_crashes,
    })
}

/// A message is on its way somewhere.
pub(super) fn is_busy(history: &History) -> bool {
    let sent = history
        .entries
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::Sent { id, .. } if is_message(id) => Some(id),
            _ => None,
        });
    let mut open =
        sent.filter(|id| !history.acknowledged.contains(*id) || !history.received.contains(*id));
    open.next().is_some()
}

/// One life of the node.
async fn live(disk: Rc<Disk>, plan: Plan, history: Rc<RefCell<History>>) -> turmoil::Result {
    let latency = |rand: Arc<SeededRand>| move || Duration::from_micros(200 + rand.below(6_000));
    let parts = Parts {
        settings: Settings {
            allow_plaintext: true,
            // The least that clients accept (RFC 5802 section 5.1).
            scram_iterations: 4_096,
            snapshot_entries: 25,
            keep_entries: 5,
            ..Settings::alone(NodeId(1), DOMAIN.to_owned())
        },
        life: Life(disk.starts.fetch_add(1, Ordering::Relaxed) + 1),
        peers: Arc::new(Alone),
        visits: Arc::new(Alone),
        desks: Arc::default(),
        first_word: None,
        ambient: Ambient {
            clock: disk.clock.clone(),
            rand: disk.rand.clone(),
        },
        placement: Arc::new(OneThread),
        subcluster_log: Arc::new(MemoryLog::open(
            disk.subcluster.clone(),
            latency(disk.rand.clone()),
        )),
        configuration_log: Arc::new(MemoryLog::open(
            disk.configuration.clone(),
            latency(disk.rand.clone()),
        )),
        tables: disk.tables.clone(),
    };
    let node = Node::start(parts).await?;
    tokio::task::spawn_local(control::run(node.clone()));
    tokio::task::spawn_local(agreement::run(node.clone()));
    for who in 0..plan.people {
        let account = account(who);
        let user = BareJid::parse(&account.bare_jid())?;
        if node
            .configuration
            .read(|state| state.account(&user).is_none())
        {
            users::add(&node, &user, account.password, false).await?;
        }
    }
    history.borrow_mut().add(Fact::NodeStarted);
    tokio::task::spawn_local(expiry::run(node.clone()));
    let listener = SimulatedNet
        .listen((IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT).into())
        .await?;
    stream::serve(node, listener, Entrance::StartTls).await;
    Ok(())
}
