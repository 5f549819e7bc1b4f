//! A place for a node of a pair: its disk, its clock and its chance, which outlive its processes;
//! and one life of the node, composed as the program composes it.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use pollux_actors::acts::{Act, Onlooker};
use pollux_actors::node::{Node, Parts, Settings};
use pollux_actors::{
    admission, agreement, control, courier, expiry, inquiries, membership, node_states, stream,
};
use pollux_domain::ids::{ClusterId, Incarnation, Life, NodeId, SubclusterId};
use pollux_domain::seams::Ambient;
use pollux_links::hello::Identity;
use pollux_links::in_use::InUse;
use pollux_links::links::{LinkParts, Links};
use pollux_links::net::{Net, Travelling};
use pollux_links::peers::Desks;
use pollux_links::security::Security;
use pollux_links::visit::Visitors;
use pollux_raft::group::Begin;
use pollux_raft::log::{MemoryLog, SimulatedDisk};
use pollux_raft::version;
use pollux_store::tables::MemoryTables;

use super::founding::{self, Membership};
use super::operator::{self, Desk, Errands, Orders};
use super::plan::{self, NAMES, PairPlan};
use super::port;
use crate::sim::environment::{MachineClock, OneThread, SeededRand, VirtualTime};
use crate::sim::history::{Fact, History, Phase};
use crate::sim::process_net::ProcessNet;
use crate::sim::world::DOMAIN;

/// Between nodes.
pub const LINK_PORT: u16 = 7222;

/// How a machine feels: of its disk read by the writer before each flush, of its port at each look.
#[derive(Debug, Default)]
pub struct Mood {
    /// Microseconds that a flush takes at most besides the usual.
    pub slow_us: AtomicU64,
    /// Virtual milliseconds until which no flush ends.
    pub stuck_until_ms: AtomicU64,
    /// Somebody else has the port for clients.
    pub port_taken: AtomicBool,
    /// An operator wants it closed, also in the next process.
    pub port_stopped: AtomicBool,
}

/// What sessions have said to their clients, with the moment at which the lease was checked.
#[derive(Debug, Default)]
pub struct Acts {
    time: VirtualTime,
    said: Mutex<Vec<(Duration, Act)>>,
}

impl Acts {
    pub fn new(time: VirtualTime) -> Acts {
        let said = Mutex::default();
        Acts { time, said }
    }

    pub fn take(&self) -> Vec<(Duration, Act)> {
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Onlooker for Acts {
    fn acted(&self, act: Act) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push((self.time.now(), act));
    }
}

/// See the module.
pub struct Seat {
    pub id: NodeId,
    pub name: &'static str,
    pub pair: usize,
    is_witness: bool,
    /// None until it is let into the cluster.
    pub membership: RefCell<Option<Membership>>,
    pub subcluster: Arc<SimulatedDisk>,
    pub configuration: Arc<SimulatedDisk>,
    pub tables: Arc<MemoryTables>,
    pub mood: Arc<Mood>,
    pub acts: Arc<Acts>,
    rand: Arc<SeededRand>,
    lives: Cell<u64>,
    pub clock: Arc<MachineClock>,
    /// The process that lives now.
    node: RefCell<Weak<Node>>,
}

impl Seat {
    pub fn new(index: usize, acts: Arc<Acts>, rand: SeededRand, time: VirtualTime) -> Seat {
        let ahead = Duration::from_millis(rand.below(10_000_000));
        Seat {
            id: plan::node_at(index),
            name: NAMES[index],
            pair: plan::pair_at(index),
            is_witness: plan::is_witness(index),
            membership: RefCell::new((index == 0).then(Membership::founder)),
            subcluster: Arc::default(),
            configuration: Arc::default(),
            tables: Arc::default(),
            mood: Arc::default(),
            acts,
            clock: Arc::new(MachineClock::new(time, ahead)),
            rand: Arc::new(rand),
            lives: Cell::new(0),
            node: RefCell::default(),
        }
    }

    pub fn is_witness(&self) -> bool {
        self.is_witness
    }

    pub fn subcluster_id(&self) -> SubclusterId {
        plan::subcluster(self.pair)
    }

    /// Its process starts when it has joined.
    async fn joined(&self) -> Membership {
        loop {
            if let Some(membership) = &*self.membership.borrow() {
                return membership.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn node(&self) -> Option<Arc<Node>> {
        self.node.borrow().upgrade()
    }

    /// The process is gone, and with it what the tables had not synced.
    pub fn crashed(&self) {
        self.node.replace(Weak::new());
        self.tables.crash();
    }

    /// Decides what tokio leaves to chance in its next process.
    pub fn process_seed(&self) -> u64 {
        self.rand.below(u64::MAX)
    }

    fn log(&self, disk: &Arc<SimulatedDisk>) -> Arc<MemoryLog> {
        let (rand, mood, clock) = (self.rand.clone(), self.mood.clone(), self.clock.clone());
        let latency = move || {
            let stuck = Duration::from_millis(mood.stuck_until_ms.load(Ordering::Relaxed));
            let slow = rand.below(mood.slow_us.load(Ordering::Relaxed).max(1));
            let usual = Duration::from_micros(200 + rand.below(4_000) + slow);
            stuck.saturating_sub(clock.elapsed()) + usual
        };
        Arc::new(MemoryLog::open(disk.clone(), latency))
    }
}

/// Takes relayed clients, once the node is there.
#[derive(Default)]
struct Guests(OnceLock<Weak<Node>>);

impl Visitors for Guests {
    fn arrive(&self, from: NodeId, header: Bytes, socket: Box<dyn Travelling>) {
        if let Some(node) = self.0.get().and_then(Weak::upgrade) {
            stream::arrive(&node, from, &header, socket);
        }
    }
}

/// Follows the topology, and keeps where the others are for the next start.
async fn follow_topology(seat: Rc<Seat>, node: Arc<Node>, links: Links) {
    loop {
        let addresses = node
            .configuration
            .read(|configuration| admission::addresses(configuration.topology()));
        if let Some(membership) = &mut *seat.membership.borrow_mut()
            && !addresses.is_empty()
            && addresses != membership.peers
        {
            links.set_peers(addresses.clone());
            membership.peers = addresses;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// What every life has around it.
#[derive(Clone)]
pub struct Surroundings {
    pub seats: Rc<[Rc<Seat>]>,
    pub plan: PairPlan,
    pub orders: Orders,
    pub errands: Errands,
    pub phase: Rc<Cell<Phase>>,
    pub history: Rc<RefCell<History>>,
}

/// One life of the node at this seat.
pub async fn live(seat: Rc<Seat>, net: ProcessNet, around: Surroundings) -> turmoil::Result {
    let membership = seat.joined().await;
    seat.lives.set(seat.lives.get() + 1);
    let life = Life(seat.lives.get());
    let ambient = Ambient {
        clock: seat.clock.clone(),
        rand: seat.rand.clone(),
    };
    let net = Arc::new(net);
    let desks = Arc::new(Desks::default());
    let guests = Arc::new(Guests::default());
    let in_use = InUse::default();
    let links = Links::new(LinkParts {
        identity: Identity {
            cluster: ClusterId::default(),
            node: seat.id,
            incarnation: Incarnation(1),
        },
        build: version::build(),
        in_use: in_use.clone(),
        address: None,
        security: Security::Plain,
        net: net.clone(),
        ambient: ambient.clone(),
        desks: desks.clone(),
        visitors: guests.clone(),
    });
    links.set_peers(membership.peers);
    let begin = |founds: bool| match founds {
        true => Begin::Found,
        false => Begin::Join,
    };
    let node = Node::start(Parts {
        settings: Settings {
            is_witness: seat.is_witness(),
            subcluster: seat.subcluster_id(),
            begin: begin(membership.founder),
            begin_subcluster: begin(membership.founds_subcluster),
            allow_plaintext: true,
            // The least that clients accept (RFC 5802 section 5.1).
            scram_iterations: 4_096,
            snapshot_entries: 100,
            keep_entries: 20,
            deliver: around.plan.deliver,
            in_use,
            ..Settings::alone(seat.id, DOMAIN.to_owned())
        },
        life,
        peers: Arc::new(links.clone()),
        visits: Arc::new(links.clone()),
        desks,
        first_word: membership.founder.then(founding::found),
        ambient,
        placement: Arc::new(OneThread),
        subcluster_log: seat.log(&seat.subcluster),
        configuration_log: seat.log(&seat.configuration),
        tables: seat.tables.clone(),
    })
    .await?;
    let _first = node.onlooker.set(seat.acts.clone());
    let _first = guests.0.set(Arc::downgrade(&node));
    seat.node.replace(Arc::downgrade(&node));
    let started = Fact::Started {
        node: seat.id,
        life: life.0,
    };
    let elapsed = seat.clock.elapsed();
    around.history.borrow_mut().add_at(elapsed, started);
    let (control_links, controlled) = (links.clone(), node.clone());
    tokio::task::spawn_local(async move {
        tokio::join!(control_links.run_control(), control::run(controlled));
    });
    let port = net.listen((IpAddr::V4(Ipv4Addr::UNSPECIFIED), LINK_PORT).into());
    let port = port.await?;
    let bulk = links.clone();
    tokio::task::spawn_local(async move { bulk.run_bulk(port).await });
    tokio::task::spawn_local(follow_topology(seat.clone(), node.clone(), links));
    tokio::task::spawn_local(membership::run(node.clone()));
    tokio::task::spawn_local(courier::run(node.clone()));
    tokio::task::spawn_local(node_states::run(node.clone()));
    // No fault comes before the cluster is complete.
    if membership.founder && life == Life(1) {
        founding::complete(&node, &around.seats, around.plan).await?;
    }
    if membership.founds_subcluster && life == Life(1) {
        founding::people(&node, seat.pair, around.plan).await?;
    }
    tokio::select! {
        biased;
        reason = node.subcluster.failure() => Err(format!("{}: {reason}", seat.name).into()),
        reason = node.configuration.failure() => Err(format!("{}: {reason}", seat.name).into()),
        served = serve(&seat, &node, net.clone(), around) => served,
    }
}

/// Serves operators and clients; at a witness no clients.
async fn serve(
    seat: &Seat,
    node: &Arc<Node>,
    net: Arc<ProcessNet>,
    around: Surroundings,
) -> turmoil::Result {
    let desk = Desk {
        node: node.clone(),
        clock: seat.clock.clone(),
        phase: around.phase,
        history: around.history,
    };
    tokio::task::spawn_local(operator::run_errands(desk.clone(), around.errands));
    if seat.is_witness() {
        std::future::pending::<()>().await;
    }
    tokio::task::spawn_local(expiry::run(node.clone()));
    tokio::task::spawn_local(inquiries::run(node.clone()));
    tokio::task::spawn_local(agreement::run(node.clone()));
    tokio::task::spawn_local(operator::read_serving(desk.clone()));
    tokio::task::spawn_local(operator::add_users(desk.clone()));
    tokio::task::spawn_local(operator::empty_nodes(desk, around.orders));
    port::serve(seat, node, net).await
}
