//! Nodes on loopback for the tests of the links: real sockets, port 0, no sleeps that assert time.
pub mod raw;
pub mod sim;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::{ClusterId, GroupId, Incarnation, NodeId, WallMs};
use pollux_domain::seams::{Ambient, Clock, Rand};
use pollux_domain::version::{Build, Formats};
use pollux_links::PeerAddress;
use pollux_links::authority::{Authority, NodeKey};
use pollux_links::credentials::Credentials;
use pollux_links::hello::Identity;
use pollux_links::in_use::InUse;
use pollux_links::links::{LinkParts, Links};
use pollux_links::net::{Listener, Net, SystemNet, Travelling};
use pollux_links::peers::{Desk, Desks, Lane, Subject, Topic};
use pollux_links::refusal::Reason;
use pollux_links::security::Security;
use pollux_links::visit::Visitors;
use tokio::task::{JoinHandle, LocalSet};

pub const CLUSTER: ClusterId = ClusterId([0xc1; 16]);
pub const TOPIC: Topic = Topic {
    subject: Subject::Proposal,
    group: GroupId::Configuration,
};

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let within = async { tokio::time::timeout(PATIENCE, test).await };
    LocalSet::new()
        .block_on(&runtime, within)
        .expect("the test waits for something that does not come");
}

pub async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

// === seams ===

struct TestClock;

impl Clock for TestClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock of these tests is the real one"
    )]
    fn now(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }

    fn wall(&self) -> WallMs {
        WallMs(1_800_000_000_000)
    }
}

struct TestRand;

impl Rand for TestRand {
    #[expect(
        clippy::disallowed_methods,
        reason = "two nodes must not have one life"
    )]
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).unwrap();
    }
}

pub fn ambient() -> Ambient {
    Ambient {
        clock: Arc::new(TestClock),
        rand: Arc::new(TestRand),
    }
}

// === nodes ===

/// Keeps what it is told, answers what it is asked: `hang` never, `bad` with a refusal, and breaks
/// when it hears `break`.
#[derive(Default)]
pub struct Notes {
    pub told: Mutex<Vec<(NodeId, Bytes)>>,
}

impl Desk for Notes {
    fn told(&self, from: NodeId, body: Bytes) {
        assert_ne!(&body[..], b"break", "the desk was told to break");
        self.told.lock().unwrap().push((from, body));
    }

    fn asked(
        &self,
        from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        self.told(from, body.clone());
        Box::pin(async move {
            match &body[..] {
                b"hang" => std::future::pending().await,
                b"bad" => Err("no".to_owned()),
                body => Ok([b"re: ", body].concat().into()),
            }
        })
    }
}

type Guest = (NodeId, Bytes, Box<dyn Travelling>);

/// Keeps who comes.
#[derive(Default)]
pub struct Guests(pub Mutex<Vec<Guest>>);

impl Visitors for Guests {
    fn arrive(&self, from: NodeId, header: Bytes, socket: Box<dyn Travelling>) {
        self.0.lock().unwrap().push((from, header, socket));
    }
}

pub struct Node {
    pub links: Links,
    pub notes: Arc<Notes>,
    pub guests: Arc<Guests>,
    pub address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

pub fn version() -> Build {
    let formats = Formats {
        oldest: 1,
        newest: 1,
    };
    Build::new("0.0.1", formats).unwrap()
}

pub fn identity(node: u16) -> Identity {
    Identity {
        cluster: CLUSTER,
        node: NodeId(node),
        incarnation: Incarnation(1),
    }
}

pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub fn build(identity: Identity, security: Security) -> (Links, Arc<Notes>, Arc<Guests>) {
    let (notes, guests) = (Arc::<Notes>::default(), Arc::<Guests>::default());
    let desks = Arc::new(Desks::default());
    desks.open(TOPIC, notes.clone());
    let links = Links::new(LinkParts {
        identity,
        build: version(),
        in_use: InUse::default(),
        address: None,
        security,
        net: Arc::new(SystemNet),
        ambient: ambient(),
        desks,
        visitors: guests.clone(),
    });
    (links, notes, guests)
}

impl Node {
    pub async fn start(node: u16) -> Node {
        Node::with(identity(node), Security::Plain, loopback()).await
    }

    pub async fn with(identity: Identity, security: Security, address: SocketAddr) -> Node {
        let (links, notes, guests) = build(identity, security);
        let listener: Box<dyn Listener> = SystemNet.listen(address).await.unwrap();
        let address = listener.local_address().unwrap();
        let (control, bulk) = (links.clone(), links.clone());
        let tasks = vec![
            tokio::task::spawn_local(async move { control.run_control().await }),
            tokio::task::spawn_local(async move { bulk.run_bulk(listener).await }),
        ];
        Node {
            links,
            notes,
            guests,
            address,
            tasks,
        }
    }

    pub fn knows(&self, others: &[(u16, SocketAddr)]) {
        let addresses = others.iter().map(|(node, address)| PeerAddress {
            node: NodeId(*node),
            incarnation: None,
            address: address.to_string(),
        });
        self.links.set_peers(addresses.collect());
    }

    pub async fn connected(&self, other: u16) {
        for lane in Lane::ALL {
            until(|| self.links.is_connected(NodeId(other), lane)).await;
        }
    }

    /// Waits for the reason with which the connection to this node is refused.
    pub async fn refused(&self, other: u16, reason: Reason) {
        until(|| self.reason(other).is_some()).await;
        assert_eq!(self.reason(other), Some(reason));
    }

    pub fn reason(&self, other: u16) -> Option<Reason> {
        let rows = self.links.rows();
        let row = rows.into_iter().find(|row| row.node.0 == other)?;
        row.refusal.map(|refusal| refusal.reason)
    }

    pub fn told(&self) -> Vec<Bytes> {
        let told = self.notes.told.lock().unwrap();
        told.iter().map(|(_, body)| body.clone()).collect()
    }
}

/// Nodes 1 and 2, connected.
pub async fn pair(security: impl Fn(u16) -> Security) -> (Node, Node) {
    let one = Node::with(identity(1), security(1), loopback()).await;
    let two = Node::with(identity(2), security(2), loopback()).await;
    one.knows(&[(1, one.address), (2, two.address)]);
    two.knows(&[(1, one.address), (2, two.address)]);
    one.connected(2).await;
    two.connected(1).await;
    (one, two)
}

// === certificates ===

/// One cluster's authority, and what it signs.
pub struct Ca(pub Authority);

impl Ca {
    pub fn make() -> Ca {
        Ca(Authority::make(CLUSTER).unwrap())
    }

    pub fn credentials(&self, node: u16) -> Credentials {
        let key = NodeKey::make().unwrap();
        Credentials {
            certificate: self.0.sign_key(NodeId(node), &key).unwrap(),
            key: key.private(),
            authority: self.0.certificate().clone(),
            also: None,
        }
    }

    pub fn security(&self, node: u16) -> Security {
        Security::tls(self.credentials(node), CLUSTER, &ambient()).unwrap()
    }
}

/// Sorted, for what came from several nodes.
pub fn by_node(notes: &Notes) -> BTreeMap<NodeId, Vec<Bytes>> {
    let mut sorted: BTreeMap<NodeId, Vec<Bytes>> = BTreeMap::new();
    for (from, body) in notes.told.lock().unwrap().iter() {
        sorted.entry(*from).or_default().push(body.clone());
    }
    sorted
}
