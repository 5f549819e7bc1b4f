//! Real actors on a real node with a disk in memory, fake sockets and a paused clock: what happens
//! to one session when another dies, when a peer falls silent, when nobody talks.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use pollux_actors::node::{Node, Parts, Settings};
use pollux_actors::placement::{Job, Placement};
use pollux_actors::session::Observe;
use pollux_actors::stream::Entrance;
use pollux_actors::{agreement, control, expiry, stream, users};
use pollux_domain::ids::{Life, NodeId, WallMs};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::seams::{Ambient, Clock, Rand};
use pollux_links::net::{Listener, LocalFuture, Socket, Travelling};
use pollux_links::peers::Alone;
use pollux_raft::log::MemoryLog;
use pollux_store::tables::MemoryTables;
use pollux_xmpp::sasl::Mechanism;
use pollux_xmpp::sasl::scram::ScramClient;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
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

struct Wire(DuplexStream);

impl Socket for Wire {
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
        let travelling: Box<dyn Travelling> = self;
        Ok(travelling)
    }
}

impl Travelling for Wire {
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
        let socket: Box<dyn Socket> = self;
        Ok(socket)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
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
            let socket: Box<dyn Socket> = Box::new(Wire(stream));
            Ok((socket, ([127, 0, 0, 1], 40_000).into()))
        })
    }
}

// === the stage ===

struct Stage {
    node: Arc<Node>,
    door: mpsc::Sender<DuplexStream>,
    calendar_broken: Arc<AtomicBool>,
}

/// Runs `play` against a node of its own.
fn with_node<F: Future<Output = ()>>(play: impl FnOnce(Rc<Stage>) -> F) {
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
        let latency = || Duration::from_millis(1);
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
            subcluster_log: Arc::new(MemoryLog::open(Arc::default(), latency)),
            configuration_log: Arc::new(MemoryLog::open(Arc::default(), latency)),
            tables: Arc::new(MemoryTables::default()),
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
        }))
        .await;
    });
}

/// A client that speaks text.
struct Client {
    stream: DuplexStream,
    read: RefCell<String>,
}

const HEADER: &str = "<stream:stream to='example.org' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

impl Stage {
    async fn connect(&self) -> Client {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.door.send(theirs).await.unwrap();
        Client {
            stream: ours,
            read: RefCell::default(),
        }
    }

    /// A bound session with stream management, available.
    async fn sign_in(&self, name: &str) -> Client {
        self.sign_in_at(name, "r").await
    }

    /// The same with a resource of its own.
    async fn sign_in_at(&self, name: &str, resource: &str) -> Client {
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
    async fn sign_in_plain(&self, name: &str) -> Client {
        self.bind(name, "r").await
    }

    async fn bind(&self, name: &str, resource: &str) -> Client {
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
    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until `wanted` has come, and returns all up to its end.
    async fn hear(&mut self, wanted: &str) -> String {
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
    async fn last_words(&mut self) -> String {
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

// === the tests ===

#[test]
fn a_stranger_who_says_nothing_is_sent_away() {
    with_node(|stage| async move {
        for words in ["", HEADER, "<stream:stream to='exam"] {
            let mut client = stage.connect().await;
            client.say(words).await;
            let last = client.last_words().await;
            assert!(last.contains("<connection-timeout"), "{words:?} got {last}");
            assert!(last.ends_with("</stream:stream>"), "{last}");
        }
        assert_eq!(stage.node.metrics.strangers.count(), 0);
    });
}

/// RFC 6120 section 4.9.3.17.
#[test]
fn a_full_house_turns_strangers_away_one_by_one_and_takes_who_waits_when_one_leaves() {
    with_node(|stage| async move {
        let mut inside = Vec::new();
        for _ in 0..limits::PREAUTH_CONNECTIONS_MAX {
            let mut client = stage.connect().await;
            client.say(HEADER).await;
            client.hear("</stream:features>").await;
            inside.push(client);
        }
        let clock = stage.node.ambient.clock.clone();
        let begun = clock.now();
        for _ in 0..100 {
            let mut refused = stage.connect().await;
            let last = refused.last_words().await;
            assert!(last.contains("<resource-constraint"), "{last}");
        }
        let metrics = &stage.node.metrics;
        assert_eq!(metrics.connections_refused.load(Ordering::Relaxed), 100);
        assert!(Duration::from_millis(100) <= clock.now() - begun);
        // Whoever waits is not turned away when somebody leaves meanwhile.
        let mut waiting = stage.connect().await;
        drop(inside.pop());
        waiting.say(HEADER).await;
        waiting.hear("</stream:features>").await;
        assert_eq!(metrics.connections_refused.load(Ordering::Relaxed), 100);
    });
}

#[test]
fn a_session_that_dies_takes_nobody_with_it_and_is_made_anew() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        let mut ben = stage.sign_in("ben").await;
        let before = stage
            .node
            .subcluster
            .read(|state| state.session_rows(None).len());
        stage.calendar_broken.store(true, Ordering::Relaxed);
        ann.say("<message to='ben@example.org'><body>the last</body></message>")
            .await;
        ann.last_words().await;
        assert_eq!(stage.node.metrics.session_panics.load(Ordering::Relaxed), 1);
        ben.say("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        ben.hear("id='p'").await;
        // The session waits for its client, as after any lost connection.
        let rows = stage.node.subcluster.read(|state| state.session_rows(None));
        assert_eq!(rows.len(), before);
        assert_eq!(rows.iter().filter(|row| !row.attached).count(), 1);
        stage.sign_in("ann").await;
    });
}

#[test]
fn a_peer_that_does_not_answer_is_given_up_and_its_session_waits_then_expires() {
    with_node(|stage| async move {
        let _silent = stage.sign_in("ann").await;
        let attached = |stage: &Stage| {
            let rows = stage.node.subcluster.read(|state| state.session_rows(None));
            rows.iter().filter(|row| row.attached).count()
        };
        assert_eq!(attached(&stage), 1);
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(attached(&stage), 0, "nobody answered <r/>");
        assert_eq!(
            stage
                .node
                .subcluster
                .read(|state| state.session_rows(None).len()),
            1
        );
        assert!(stage.node.directory.is_empty());
        tokio::time::sleep(Duration::from_secs(301)).await;
        assert_eq!(
            stage
                .node
                .subcluster
                .read(|state| state.session_rows(None).len()),
            0
        );
    });
}

/// Design, section 5: what waits for a client that never comes back goes to the user's device that
/// is there; where none is, into the store.
#[test]
fn what_waits_for_a_client_that_never_comes_back_goes_on() {
    with_node(|stage| async move {
        let lost = stage.sign_in("ann").await;
        let mut ben = stage.sign_in("ben").await;
        drop(lost);
        let say = |id: &str| {
            format!(
                "<message to='ann@example.org/r' type='chat' id='{id}'><body>Hello</body></message>\
                 <iq type='get' id='p{id}' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"
            )
        };
        ben.say(&say("m1")).await;
        ben.hear("id='pm1'").await;
        let mut desk = stage.sign_in_at("ann", "desk").await;
        // It is there, and answers: its own presence came, and that of the lost device.
        let seen = desk.hear("<r xmlns='urn:xmpp:sm:3'/>").await;
        let seen = 1 + seen.matches("<presence").count();
        desk.say(&format!("<a xmlns='urn:xmpp:sm:3' h='{seen}'/>"))
            .await;
        tokio::time::sleep(Duration::from_secs(310)).await;
        desk.hear("id='m1'").await;
        drop(desk);
        drop(ben);

        // Nobody is there when the next one expires, nor when the one that it goes to does.
        let lost = stage.sign_in("ann").await;
        let mut ben = stage.sign_in("ben").await;
        drop(lost);
        ben.say(&say("m2")).await;
        ben.hear("id='pm2'").await;
        drop(ben);
        tokio::time::sleep(Duration::from_secs(700)).await;
        let left = |stage: &Stage| {
            let rows = stage.node.subcluster.read(|state| state.session_rows(None));
            rows.len()
        };
        assert_eq!(left(&stage), 0);
        let mut back = stage.bind("ann", "desk").await;
        back.say("<presence/>").await;
        // The desk had the first, and never said so.
        for id in ["id='m1'", "id='m2'"] {
            back.hear(id).await;
            back.hear("<delay").await;
        }
    });
}

/// RFC 6120 sections 4.6.2 and 4.9.3.4, with stream management: who is there answers, and who is
/// not is told why it was let go, should it still read.
#[test]
fn a_silent_client_is_asked_and_let_go_where_it_does_not_answer() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        ann.hear("<r xmlns='urn:xmpp:sm:3'/>").await;
        ann.say("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
        let counter = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let metrics = &stage.node.metrics;
        for asked in 1..=2 {
            tokio::time::sleep(Duration::from_secs(290)).await;
            assert_eq!(
                counter(&metrics.silent_asked),
                asked - 1,
                "not silent for long"
            );
            ann.hear("<r xmlns='urn:xmpp:sm:3'/>").await;
            assert_eq!(counter(&metrics.silent_asked), asked);
            ann.say("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
        }
        assert_eq!(counter(&metrics.given_up_silent), 0);
        let last = ann.last_words().await;
        assert_eq!(last.matches("<r ").count(), 1, "asked once: {last}");
        assert!(last.contains("<connection-timeout"), "{last}");
        assert!(last.ends_with("</stream:stream>"), "{last}");
        assert_eq!(counter(&metrics.given_up_silent), 1);
        // The end of the stream is a command of its own.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let rows = stage.node.subcluster.read(|state| state.session_rows(None));
        assert!(rows.len() == 1 && !rows[0].attached, "its session waits");
    });
}

/// RFC 6120 section 4.6.1.
#[test]
fn a_silent_client_without_stream_management_is_sent_white_space() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in_plain("ann").await;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(290)).await;
            assert_eq!(*ann.read.borrow(), "");
            assert_eq!(ann.hear(" ").await, " ", "and nothing else");
        }
        let rows = stage.node.subcluster.read(|state| state.session_rows(None));
        assert!(rows[0].attached, "it need not answer");
        assert_eq!(stage.node.metrics.silent_asked.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn a_client_that_takes_nothing_for_a_minute_is_given_up() {
    with_node(|stage| async move {
        let ann = stage.sign_in("ann").await;
        let mut ben = stage.sign_in("ben").await;
        let body = "x".repeat(8_000);
        for number in 0..40 {
            let message = format!(
                "<message to='ann@example.org/r' id='{number}'><body>{body}</body></message>"
            );
            ben.say(&message).await;
        }
        ben.say("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        ben.hear("id='p'").await;
        // Others are heard meanwhile, and answer.
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            ben.say("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
        }
        let metrics = &stage.node.metrics;
        assert_eq!(metrics.given_up_slow.load(Ordering::Relaxed), 1);
        let rows = stage.node.subcluster.read(|state| state.session_rows(None));
        let attached: Vec<&str> = rows
            .iter()
            .filter(|row| row.attached)
            .map(|row| row.jid.as_str())
            .collect();
        assert_eq!(attached, ["ben@example.org/r"]);
        drop(ann);
    });
}

#[test]
fn an_idle_session_holds_no_buffer() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        ann.say("<r xmlns='urn:xmpp:sm:3'/>").await;
        ann.hear("<a ").await;
        let id = stage
            .node
            .subcluster
            .read(|state| state.session_rows(None)[0].id);
        let address = stage.node.directory.address(id).unwrap();
        let observed = address.send(Observe).await.unwrap().unwrap();
        assert_eq!(
            (observed.write_queue_bytes, observed.read_buffer_bytes),
            (0, 0)
        );
        assert_eq!(observed.jid.as_str(), "ann@example.org/r");
    });
}

#[test]
fn a_client_that_asks_and_never_reads_is_not_read_either() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        let id = stage
            .node
            .subcluster
            .read(|state| state.session_rows(None)[0].id);
        let address = stage.node.directory.address(id).unwrap();
        // Each request is answered by more than it is long; the socket holds 64 KiB a way.
        let flood = "<r xmlns='urn:xmpp:sm:3'/>".repeat(200);
        for _ in 0..200 {
            let patience = Duration::from_millis(50);
            if tokio::time::timeout(patience, ann.say(&flood))
                .await
                .is_err()
            {
                break;
            }
        }
        let observed = address.send(Observe).await.unwrap().unwrap();
        assert!(observed.write_queue_bytes < 256 * 1024, "{observed:?}");
        let written = tokio::time::timeout(Duration::from_millis(50), ann.say(&flood)).await;
        assert!(written.is_err(), "the node goes on reading");
        ann.hear("<a ").await;
    });
}

#[test]
fn a_full_mailbox_says_so_and_the_session_goes_on() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        let id = stage
            .node
            .subcluster
            .read(|state| state.session_rows(None)[0].id);
        let address = stage.node.directory.address(id).unwrap();
        let full = |answer: &Result<(), actix::prelude::SendError<Observe>>| {
            matches!(answer, Err(actix::prelude::SendError::Full(_)))
        };
        let answers: Vec<_> = (0..100).map(|_| address.try_send(Observe)).collect();
        assert!(answers[0].is_ok());
        assert!(answers.iter().any(full), "the mailbox has a bound");
        ann.say("<r xmlns='urn:xmpp:sm:3'/>").await;
        ann.hear("<a ").await;
        assert!(address.send(Observe).await.unwrap().is_some());
    });
}
