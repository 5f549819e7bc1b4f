//! A real node with a disk in memory, fake sockets and a paused clock, and clients that speak text.
//! Not for what any test shows.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pollux_actors::node::{Node, Parts, Settings};
use pollux_actors::placement::{Job, Placement};
use pollux_actors::stream::Entrance;
use pollux_actors::{agreement, control, expiry, stream, users};
use pollux_domain::ids::{Life, NodeId, WallMs};
use pollux_domain::jid::BareJid;
use pollux_domain::seams::{Ambient, Clock, Rand};
use pollux_links::net::{Free, Listener, LocalFuture, Socket};
use pollux_links::peers::Alone;
use pollux_raft::log::MemoryLog;
use pollux_store::tables::{MemoryTables, TableWrite, Tables};
use pollux_xmpp::sasl::Mechanism;
use pollux_xmpp::sasl::scram::ScramClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

// === the twins of the seams ===

/// Paused time; its calendar can be made to fail once, as code under test may.
struct TestClock {
    begun: tokio::time::Instant,
    broken: Arc<AtomicBool>,
}

impl Clock for TestClock {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn wall(&self) -> WallMs {
        let broken = self.broken.swap(false, Ordering::Relaxed);
        assert!(!broken, "the calendar is broken once, as the test wants it");
        WallMs(1)
    }
}

struct Counting(AtomicU64);

impl Rand for Counting {
    fn fill(&self, out: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        out.iter_mut()
            .zip(number.iter().cycle())
            .for_each(|(byte, from)| *byte = *from);
    }
}

/// A disk that cannot be read any more, while it is `broken`.
#[derive(Default)]
pub struct BreakableTables {
    whole: MemoryTables,
    pub broken: AtomicBool,
}

impl Tables for BreakableTables {
    fn write(&self, writes: &[TableWrite], applied: u64) -> io::Result<()> {
        self.whole.write(writes, applied)
    }

    fn put(&self, writes: &[TableWrite]) -> io::Result<()> {
        self.whole.put(writes)
    }

    fn read(&self, key: u64) -> io::Result<Option<Bytes>> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(io::Error::other("the disk is broken, as the test wants it")),
            false => self.whole.read(key),
        }
    }

    fn keys(&self) -> io::Result<Vec<u64>> {
        self.whole.keys()
    }

    fn sync(&self) -> io::Result<()> {
        self.whole.sync()
    }
}

struct OneThread;

impl Placement for OneThread {
    fn arbiter_count(&self) -> usize {
        1
    }

    fn run(&self, _arbiter: usize, job: Job) {
        job();
    }

    fn run_aside(&self, job: Job) {
        job();
    }
}

struct Port(mpsc::Receiver<DuplexStream>);

impl Listener for Port {
    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 5222).into())
    }

    fn accept(&mut self) -> LocalFuture<'_, io::Result<(Box<dyn Socket>, SocketAddr)>> {
        Box::pin(async move {
            let stream = self.0.recv().await.ok_or(io::ErrorKind::NotConnected)?;
            let socket: Box<dyn Socket> = Box::new(Free(stream));
            Ok((socket, ([127, 0, 0, 1], 40_000).into()))
        })
    }
}

// === the stage ===

pub struct Stage {
    pub node: Arc<Node>,
    door: mpsc::Sender<DuplexStream>,
    pub calendar_broken: Arc<AtomicBool>,
    pub tables: Arc<BreakableTables>,
    /// How long the disk takes over a flush of the logs.
    pub flush_ms: Arc<AtomicU64>,
}

/// Runs `play` against a node of its own.
pub fn with_node<F: Future<Output = ()>>(play: impl FnOnce(Rc<Stage>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    LocalSet::new().block_on(&runtime.unwrap(), async {
        let broken = Arc::new(AtomicBool::new(false));
        #[expect(clippy::disallowed_methods, reason = "paused time")]
        let begun = tokio::time::Instant::now();
        let clock = TestClock {
            begun,
            broken: broken.clone(),
        };
        let flush_ms = Arc::new(AtomicU64::new(1));
        let slowness = flush_ms.clone();
        let latency = move || Duration::from_millis(slowness.load(Ordering::Relaxed));
        let tables = Arc::new(BreakableTables::default());
        let parts = Parts {
            settings: Settings {
                allow_plaintext: true,
                scram_iterations: 4_096,
                snapshot_entries: 1_000,
                keep_entries: 10,
                ..Settings::alone(NodeId(1), "example.org".to_owned())
            },
            life: Life(1),
            peers: Arc::new(Alone),
            visits: Arc::new(Alone),
            desks: Arc::default(),
            first_word: None,
            ambient: Ambient {
                clock: Arc::new(clock),
                rand: Arc::new(Counting(AtomicU64::new(1))),
            },
            placement: Arc::new(OneThread),
            subcluster_log: Arc::new(MemoryLog::open(Arc::default(), latency.clone())),
            configuration_log: Arc::new(MemoryLog::open(Arc::default(), latency)),
            tables: tables.clone(),
        };
        let node = Node::start(parts).await.unwrap();
        tokio::task::spawn_local(control::run(node.clone()));
        for name in ["ann", "ben"] {
            let user = BareJid::parse(&format!("{name}@example.org")).unwrap();
            users::add(&node, &user, "pencil".to_owned(), false)
                .await
                .unwrap();
        }
        let (door, port) = mpsc::channel(8);
        tokio::task::spawn_local(expiry::run(node.clone()));
        tokio::task::spawn_local(agreement::run(node.clone()));
        tokio::task::spawn_local(stream::serve(
            node.clone(),
            Box::new(Port(port)),
            Entrance::StartTls,
        ));
        play(Rc::new(Stage {
            node,
            door,
            calendar_broken: broken,
            tables,
            flush_ms,
        }))
        .await;
    });
}

/// A client that speaks text.
pub struct Client {
    stream: DuplexStream,
    pub read: RefCell<String>,
}

pub const HEADER: &str = "<stream:stream to='example.org' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

impl Stage {
    pub async fn connect(&self) -> Client {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.door.send(theirs).await.unwrap();
        Client {
            stream: ours,
            read: RefCell::default(),
        }
    }

    /// A bound session with stream management, available.
    pub async fn sign_in(&self, name: &str) -> Client {
        self.sign_in_at(name, "r").await
    }

    /// The same with a resource of its own.
    pub async fn sign_in_at(&self, name: &str, resource: &str) -> Client {
        let mut client = self.bind(name, resource).await;
        client
            .say("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            .await;
        client.hear("<enabled").await;
        client.say("<presence/>").await;
        client.hear("<presence").await;
        client
    }

    /// A bound session.
    pub async fn sign_in_plain(&self, name: &str) -> Client {
        self.bind(name, "r").await
    }

    pub async fn bind(&self, name: &str, resource: &str) -> Client {
        let mut client = self.connect().await;
        client.say(HEADER).await;
        client.hear("</stream:features>").await;
        let mechanism = Mechanism::ScramSha256;
        let scram =
            ScramClient::new(mechanism.hash().unwrap(), name, "pencil", None, "nonce").unwrap();
        let first = encode(&scram.first_message());
        client
            .say(&format!(
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' \
                 mechanism='{mechanism}'>{first}</auth>"
            ))
            .await;
        let challenge = client.hear("</challenge>").await;
        let (last, expected) = scram.answer(&decode(text_of(&challenge))).unwrap();
        client
            .say(&format!(
                "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</response>",
                encode(&last)
            ))
            .await;
        expected
            .check(&decode(text_of(&client.hear("</success>").await)))
            .unwrap();
        client.say(HEADER).await;
        client.hear("</stream:features>").await;
        client
            .say(&format!(
                "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                 <resource>{resource}</resource></bind></iq>"
            ))
            .await;
        client.hear("</iq>").await;
        client
    }
}

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

fn text_of(element: &str) -> &str {
    let end = element.rfind("</").unwrap();
    let begin = element[..end].rfind('>').unwrap();
    &element[begin + 1..end]
}

impl Client {
    pub async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until `wanted` has come, and returns all up to its end.
    pub async fn hear(&mut self, wanted: &str) -> String {
        loop {
            let found = self.read.borrow().find(wanted);
            if let Some(at) = found {
                let rest = self.read.borrow().split_at(at + wanted.len()).1.to_owned();
                let mut heard = self.read.replace(rest);
                heard.truncate(at + wanted.len());
                return heard;
            }
            let mut bytes = [0; 4_096];
            let count = self.stream.read(&mut bytes).await.unwrap();
            assert!(
                count > 0,
                "waited for {wanted}, got {:?}",
                self.read.borrow()
            );
            self.read
                .borrow_mut()
                .push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }

    /// Reads to the end of the socket.
    pub async fn last_words(&mut self) -> String {
        let mut rest = self.read.take();
        let mut bytes = [0; 4_096];
        loop {
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return rest,
                Ok(count) => rest.push_str(&String::from_utf8_lossy(&bytes[..count])),
            }
        }
    }
}
