//! A snapshot on its way to a replica that is far behind, over a wire that breaks: it is begun
//! again and installed whole, and no half of it stays on the disk. And a replica that hears of a
//! format that its build does not speak.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::hashes::Hashes;
use pollux_domain::ids::{
    ClusterId, GroupId, Incarnation, Life, NodeId, SubclusterId, Voter, WallMs,
};
use pollux_domain::jid::BareJid;
use pollux_domain::seams::{Ambient, Clock, Rand};
use pollux_domain::version::{Build, Formats};
use pollux_links::in_use::InUse;
use pollux_links::peers::{Answer, Desks, Lane, LinkError, Peers, Subject, Topic};
use pollux_raft::configuration::{
    Account, Change, ChangeReply, Credentials, NodeEntry, Role, TopologyChange,
};
use pollux_raft::group::{Begin, Group, GroupParts, NoEffects, check_record};
use pollux_raft::log::JournalLog;
use pollux_raft::machine::ConfigurationGroup;
use pollux_raft::version::FORMATS;
use pollux_store::tables::MemoryTables;

const PATIENCE: Duration = Duration::from_secs(30);

struct Running;

impl Clock for Running {
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock of this test is the real one"
    )]
    fn now(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }

    fn wall(&self) -> WallMs {
        WallMs(1)
    }
}

impl Rand for Running {
    fn fill(&self, out: &mut [u8]) {
        out.fill(4);
    }
}

/// What happens to one part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It does not arrive.
    Lost,
    /// It arrives, and the answer does not.
    Unanswered,
    /// Some of its bytes are others.
    Damaged,
    /// Its end is missing.
    Cut,
}

/// Both nodes' desks, and what is still to go wrong: at the n-th part from now, counted from 1.
#[derive(Default)]
struct Wire {
    desks: BTreeMap<NodeId, Arc<Desks>>,
    plan: Mutex<Vec<(usize, Fault)>>,
    parts: Mutex<usize>,
}

impl Wire {
    /// What is done to this part.
    fn fault(&self) -> Option<Fault> {
        let mut parts = self.parts.lock().unwrap();
        *parts += 1;
        let mut plan = self.plan.lock().unwrap();
        let (at, fault) = *plan.first()?;
        if at != *parts {
            return None;
        }
        plan.remove(0);
        *parts = 0;
        Some(fault)
    }
}

struct End {
    me: NodeId,
    wire: Arc<Wire>,
}

/// A record's header, the voters' numbers, then the kind of request: 2 is a part of a snapshot.
fn is_snapshot(body: &[u8]) -> bool {
    let varint = |rest: &mut &[u8]| -> Option<u8> {
        let (first, after) = rest.split_first()?;
        let more = match first {
            251 => 2,
            252 => 4,
            253 => 8,
            _ => 0,
        };
        *rest = after.get(more..)?;
        Some(*first)
    };
    let kind = |mut rest: &[u8]| {
        varint(&mut rest)?;
        varint(&mut rest)?;
        varint(&mut rest)
    };
    body.get(6..).and_then(kind) == Some(2)
}

impl Peers for End {
    fn tell(&self, to: NodeId, _: Lane, topic: Topic, body: Bytes) -> Result<(), LinkError> {
        if let Some(desk) = self.wire.desks[&to].desk(topic) {
            desk.told(self.me, body);
        }
        Ok(())
    }

    fn ask(&self, to: NodeId, _: Lane, topic: Topic, body: Bytes) -> Answer {
        let fault = match topic.subject == Subject::Log && is_snapshot(&body) {
            true => self.wire.fault(),
            false => None,
        };
        let body = match fault {
            Some(Fault::Lost) => return Box::pin(async move { Err(LinkError::Lost(to)) }),
            Some(Fault::Damaged) => {
                let mut body = body.to_vec();
                let middle = body.len() / 2;
                body[middle] ^= 1;
                body.into()
            }
            Some(Fault::Cut) => body.slice(..body.len() - 1),
            Some(Fault::Unanswered) | None => body,
        };
        let Some(desk) = self.wire.desks[&to].desk(topic) else {
            return Box::pin(async move { Err(LinkError::NoSuchTopic(to)) });
        };
        let me = self.me;
        Box::pin(async move {
            let answer = desk.asked(me, body).await;
            match fault {
                Some(Fault::Unanswered) => Err(LinkError::Lost(to)),
                _ => answer.map_err(|words| LinkError::Refused(to, words)),
            }
        })
    }

    fn is_connected(&self, _: NodeId, _: Lane) -> bool {
        true
    }
}

fn voter(node: u16) -> Voter {
    Voter {
        node: NodeId(node),
        incarnation: Incarnation(1),
    }
}

async fn start(folder: &Path, wire: &Arc<Wire>, node: u16) -> Group<ConfigurationGroup> {
    start_in(folder, wire, node, InUse::default()).await
}

async fn start_in(
    folder: &Path,
    wire: &Arc<Wire>,
    node: u16,
    in_use: InUse,
) -> Group<ConfigurationGroup> {
    let me = NodeId(node);
    let log = JournalLog::open(folder, "g", check_record).unwrap();
    let parts = GroupParts {
        group: GroupId::Configuration,
        me: voter(node),
        life: Life(1),
        begin: if node == 1 { Begin::Found } else { Begin::Join },
        peers: Arc::new(End {
            me,
            wire: wire.clone(),
        }),
        desks: wire.desks[&me].clone(),
        log: Arc::new(log),
        tables: Arc::new(MemoryTables::default()),
        outlet: Arc::new(NoEffects),
        ambient: Ambient {
            clock: Arc::new(Running),
            rand: Arc::new(Running),
        },
        snapshot_entries: 20,
        keep_entries: 2,
        in_use,
    };
    Group::start(parts).await.unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waited).await;
    assert!(waited.is_ok(), "waited in vain for {what}");
}

/// Some megabytes, so that a snapshot has several parts; and entries, until the first are purged:
/// what another replica needs is nowhere but in a snapshot then.
async fn fill(group: &Group<ConfigurationGroup>) {
    for number in 0..2_000 {
        if 200 <= number && 150 <= group.indexes().2 {
            return;
        }
        let credentials = Credentials {
            keys: Bytes::from(vec![number as u8; 20 * 1024]),
            hashes: Hashes::ALL,
        };
        let account = Account::new(NodeId(1), credentials);
        let user = BareJid::parse(&format!("u{number}@example.org")).unwrap();
        let add = Change::AddUser { user, account };
        assert_eq!(group.execute(add).await.unwrap(), ChangeReply::Done);
    }
    panic!("no snapshot was taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_breaks_off_is_begun_again_and_leaves_no_half_file() {
    let desks = [1, 2].map(|node| (NodeId(node), Arc::default()));
    let wire = Arc::new(Wire {
        desks: desks.into(),
        // The first part, some in the middle, and answers that are lost.
        plan: Mutex::new(vec![
            (1, Fault::Lost),
            (2, Fault::Lost),
            (3, Fault::Unanswered),
            (2, Fault::Damaged),
            (1, Fault::Cut),
            (4, Fault::Unanswered),
        ]),
        ..Wire::default()
    });
    let folders = [1, 2].map(|_| tempfile::tempdir().unwrap());
    let leader = start(folders[0].path(), &wire, 1).await;
    leader.catch_up().await.unwrap();
    fill(&leader).await;
    let follower = start(folders[1].path(), &wire, 2).await;
    leader.teach(voter(2)).await.unwrap();
    let wanted = leader.digest().unwrap();
    until("the follower to have the state", || {
        follower.digest().unwrap() == wanted
    })
    .await;
    assert_eq!(*wire.plan.lock().unwrap(), [], "all of it went wrong");
    // It shows its state as soon as it has it; the file has its name when it is whole.
    until("the snapshot to be the only file beside the log", || {
        let names = std::fs::read_dir(folders[1].path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names == ["g.log", "g.snapshot"]
    })
    .await;

    // The log stays usable, and a restart begins with the snapshot.
    leader
        .execute(Change::DecoySecret(Bytes::from_static(b"d")))
        .await
        .unwrap();
    let wanted = leader.digest().unwrap();
    until("the follower to go on", || {
        follower.digest().unwrap() == wanted
    })
    .await;
    follower.shutdown().await;
    leader.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_does_not_speak_the_next_format_goes_no_further_and_says_which() {
    let desks = [(NodeId(1), Arc::default())];
    let wire = Arc::new(Wire {
        desks: desks.into(),
        ..Wire::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let in_use = InUse::default();
    let group = start_in(folder.path(), &wire, 1, in_use.clone()).await;
    group.catch_up().await.unwrap();
    let next = FORMATS.newest + 1;
    let formats = Formats {
        oldest: FORMATS.oldest,
        newest: next,
    };
    let build = |version: &str, formats| Build::new(version, formats).unwrap();
    let entry = NodeEntry {
        name: "castor".to_owned(),
        role: Role::Node,
        subcluster: SubclusterId(1),
        incarnation: Incarnation(1),
        address: "127.0.0.1:7222".to_owned(),
        client_address: None,
        build: build("0.1.0", FORMATS),
        shown: None,
        site: None,
        drained: false,
        removed: false,
    };
    let found = Change::Topology(TopologyChange::Found {
        cluster: ClusterId::default(),
        node: NodeId(1),
        entry,
        secrets: None,
    });
    group.execute(found).await.unwrap();
    // As the cluster knows it; what runs is another one by now.
    let upgraded = Change::Topology(TopologyChange::SetBuild {
        node: NodeId(1),
        build: build("9.9.9", formats),
    });
    group.execute(upgraded).await.unwrap();
    let in_use_before = in_use.get();
    assert_eq!(in_use.unspoken(), None);
    let finish = Change::Topology(TopologyChange::UseFormat(next));
    let answer = tokio::time::timeout(PATIENCE, group.execute(finish)).await;
    assert!(matches!(answer, Ok(Err(_))), "{answer:?}");
    tokio::time::timeout(PATIENCE, group.failure())
        .await
        .unwrap();
    assert_eq!(in_use.unspoken(), Some(next));
    assert_eq!(in_use.get(), in_use_before, "nothing is written in it");
}
