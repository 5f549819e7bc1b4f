//! A group of one voter on a real disk: what it confirmed is there after a restart, with and
//! without snapshots; who refuses its entries is not asked in a circle, and who has voted for
//! another is yielded to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::raft::AppendEntriesResponse;
use openraft::{LeaderId, Vote};
use pollux_domain::contract::{
    Action, Agreement, AsOf, Command, Effect, Parcel, ParcelKind, Reply, Session,
};
use pollux_domain::ids::{Epoch, GroupId, Incarnation, Life, NodeId, SubclusterId, Voter, WallMs};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::seams::{Ambient, Clock, Rand};
use pollux_domain::takeovers::TakeoverCause;
use pollux_links::in_use::InUse;
use pollux_links::peers::{Alone, Answer, Lane, LinkError, Peers, Subject, Topic};
use pollux_raft::election::Role;
use pollux_raft::group::{Begin, Group, GroupParts, Outlet, check_record};
use pollux_raft::log::JournalLog;
use pollux_raft::machine::Subcluster;
use pollux_raft::version::FORMATS;
use pollux_store::codec;
use pollux_store::damage::OpenError;
use pollux_store::tables::SledTables;
use tokio::task::JoinSet;

struct Still;

impl Clock for Still {
    fn now(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn wall(&self) -> WallMs {
        WallMs(1)
    }
}

impl Rand for Still {
    fn fill(&self, out: &mut [u8]) {
        out.fill(4);
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Outlet<Effect> for Count {
    fn take(&self, effects: Vec<Effect>) {
        self.0.fetch_add(effects.len(), Ordering::Relaxed);
    }

    fn replaced(&self) {}
}

/// Others who can be reached, and take nothing.
#[derive(Default)]
struct Unwilling(AtomicUsize);

impl Peers for Unwilling {
    fn tell(&self, _to: NodeId, _lane: Lane, _topic: Topic, _body: Bytes) -> Result<(), LinkError> {
        Ok(())
    }

    fn ask(&self, to: NodeId, _lane: Lane, _topic: Topic, _body: Bytes) -> Answer {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { Err(LinkError::Refused(to, "not now".to_owned())) })
    }

    fn is_connected(&self, _to: NodeId, _lane: Lane) -> bool {
        true
    }
}

/// Others who have voted for somebody else.
struct Turned(Vote<u64>);

impl Peers for Turned {
    fn tell(&self, _to: NodeId, _lane: Lane, _topic: Topic, _body: Bytes) -> Result<(), LinkError> {
        Ok(())
    }

    fn ask(&self, to: NodeId, _lane: Lane, topic: Topic, _body: Bytes) -> Answer {
        let answer = AppendEntriesResponse::HigherVote(self.0);
        let answer = codec::encode(FORMATS.oldest, &answer).unwrap();
        Box::pin(async move {
            match topic.subject {
                Subject::Log => Ok(answer.into()),
                _ => Err(LinkError::NotConnected(to)),
            }
        })
    }

    fn is_connected(&self, _to: NodeId, _lane: Lane) -> bool {
        true
    }
}

async fn open(
    folder: &Path,
    life: u64,
    peers: Arc<dyn Peers>,
) -> (Group<Subcluster>, Arc<SledTables>) {
    let log = loop {
        match JournalLog::open(folder, "g", check_record) {
            Ok(log) => break log,
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let tables = Arc::new(SledTables::open(&folder.join("tables")).unwrap());
    let parts = GroupParts {
        group: GroupId::Subcluster(SubclusterId(1)),
        me: Voter {
            node: NodeId(1),
            incarnation: Incarnation(1),
        },
        life: Life(life),
        begin: Begin::Found,
        peers,
        desks: Arc::default(),
        log: Arc::new(log),
        tables: tables.clone(),
        outlet: Arc::new(Count::default()),
        ambient: Ambient {
            clock: Arc::new(Still),
            rand: Arc::new(Still),
        },
        snapshot_entries: 20,
        keep_entries: 5,
        in_use: InUse::default(),
    };
    let group = Group::start(parts).await.unwrap();
    group.catch_up().await.unwrap();
    (group, tables)
}

fn user(name: &str) -> BareJid {
    BareJid::parse(&format!("{name}@example.org")).unwrap()
}

async fn sign_in(group: &Group<Subcluster>, name: &str, epoch: Epoch) -> Session {
    let command = Command::SignIn {
        user: user(name),
        resource: "r".to_owned(),
        epoch,
        token: [0; 16],
        carbons: false,
    };
    match group.execute(command).await.unwrap() {
        Reply::Session { session, .. } => session,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_confirmed_is_there_after_each_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut digest = None;
    for round in 1..=6u64 {
        let (group, tables) = open(folder.path(), round, Arc::new(Alone)).await;
        let epoch = Epoch(round);
        if let Some(digest) = digest {
            assert_eq!(group.digest().unwrap(), digest, "round {round}");
        }
        let missing = group.read(|state| pollux_raft::rows::missing(&*tables, &state.rows()));
        assert_eq!(missing.unwrap(), []);
        let node = NodeId(1);
        let take_over = Command::TakeOver {
            home: node,
            to: node,
            life: Life(round),
            epoch,
            cause: TakeoverCause::StartedAgain,
        };
        assert_eq!(group.execute(take_over).await.unwrap(), Reply::Done);
        for name in ["ann", "ben"] {
            group
                .execute(
                    Agreement::Adopt {
                        user: user(name),
                        home: node,
                    }
                    .under(AsOf::default()),
                )
                .await
                .unwrap();
        }
        let session = sign_in(&group, "ann", epoch).await;
        for n in 1..=17 {
            let parcel = Parcel {
                from: Jid::parse("ann@example.org/r").unwrap(),
                to: user("ben").to_jid(),
                kind: ParcelKind::Chat,
                bytes: Bytes::from(format!("<message>{n}</message>")),
                sent: WallMs(5),
                hints: Default::default(),
            };
            let action = Action::Send(Arc::new(parcel));
            let stanza = Command::Stanza {
                session,
                n,
                places: Vec::new(),
                action,
            };
            assert_eq!(group.execute(stanza).await.unwrap(), Reply::Done);
        }
        let statistics = group.read(|state| state.statistics());
        assert_eq!(statistics.offline as u64, 17 * round);
        digest = Some(group.digest().unwrap());
        group.shutdown().await;
    }
    assert!(folder.path().join("g.snapshot").exists());
}

/// A refusal comes back at once: asking again as fast would keep the groups' thread busy.
#[tokio::test]
async fn who_refuses_is_asked_again_after_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let others = Arc::new(Unwilling::default());
    let (group, _tables) = open(folder.path(), 1, others.clone()).await;
    let newcomer = Voter {
        node: NodeId(2),
        incarnation: Incarnation(1),
    };
    group.teach(newcomer).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = others.0.load(Ordering::Relaxed);
    // Sixteen pauses and heartbeats would be as many.
    assert!((2..40).contains(&asked), "asked {asked} times");
    group.shutdown().await;
}

#[tokio::test]
async fn a_leader_yields_to_a_higher_vote_and_its_core_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let newcomer = Voter {
        node: NodeId(2),
        incarnation: Incarnation(1),
    };
    let vote = Vote {
        leader_id: LeaderId::new(77, newcomer.number()),
        committed: false,
    };
    let (group, _tables) = open(folder.path(), 1, Arc::new(Turned(vote))).await;
    assert!(group.term() < 77);
    let voting = group.clone();
    let mut elections = JoinSet::new();
    elections.spawn(async move { voting.run_elections(Arc::new(|_| Role::Twin)).await });
    group.teach(newcomer).await.unwrap();
    let yielded = async {
        while group.term() < 77 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let yielded = tokio::time::timeout(Duration::from_secs(10), yielded).await;
    assert!(yielded.is_ok(), "it leads on in term {}", group.term());
    assert_eq!(group.check(), Ok(()));
    elections.shutdown().await;
    group.shutdown().await;
}
