//! How many commands a group of three voters in one process commits a second, with a real flush for
//! each batch: deliveries against the same batcher with a state machine that does nothing.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use pollux_actors::system;
use pollux_domain::contract::{
    Action, Agreement, AsOf, Command, Effect, Parcel, ParcelKind, Position, Reply, Session, Stamp,
};
use pollux_domain::ids::{
    Epoch, GroupId, Incarnation, Life, NodeId, Seq, SubclusterId, Voter, WallMs,
};
use pollux_domain::jid::BareJid;
use pollux_domain::takeovers::TakeoverCause;
use pollux_links::in_use::InUse;
use pollux_links::peers::{Answer, Desks, Lane, LinkError, Peers, Topic};
use pollux_raft::group::{Begin, Group, GroupParts, Outlet, Roles, check_record};
use pollux_raft::log::JournalLog;
use pollux_raft::machine::{Applied, Kind, Machine, Subcluster};
use pollux_store::tables::SledTables;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::clock::now;

const VOTERS: u16 = 3;
const BODY_BYTES: usize = 200;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Commands {
    /// Sessions that each have one delivery under way.
    pub writers: usize,
    pub warm_up: Duration,
    pub duration: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct CommandsReport {
    pub writers: usize,
    /// Deliveries (a message committed, with its slot) a second.
    pub deliveries_per_second: f64,
    /// The same commands to a machine that does nothing.
    pub empty_per_second: f64,
    pub ratio: f64,
}

impl Commands {
    /// Makes its folders in `folder`; takes twice its time.
    pub fn run(&self, folder: &Path) -> anyhow::Result<CommandsReport> {
        if self.writers == 0 || self.duration.is_zero() {
            bail!("at least one writer, and some time");
        }
        let empty = self.measure::<Nothing>(&folder.join("empty"))?;
        let full = self.measure::<Subcluster>(&folder.join("subcluster"))?;
        Ok(CommandsReport {
            writers: self.writers,
            deliveries_per_second: full,
            empty_per_second: empty,
            ratio: full / empty,
        })
    }

    fn measure<G: Deliveries>(&self, folder: &Path) -> anyhow::Result<f64> {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }
            .worker_threads(1)
            .thread_name("groups")
            .enable_all()
            .build()
            .context("start the groups' thread")?;
        let control = tokio::runtime::Builder::new_multi_thread();
        let control = { control }
            .worker_threads(1)
            .thread_name("control")
            .enable_all()
            .build()
            .context("start the control thread")?;
        let per_second = runtime.block_on(async {
            let groups = assemble::<G>(folder, &control).await?;
            let leader = groups.first().context("a leader")?;
            let sessions = sign_in(leader, self.writers).await?;
            let per_second = self.drive(leader, sessions).await;
            for group in &groups {
                group.shutdown().await;
            }
            per_second
        });
        control.shutdown_background();
        per_second
    }

    /// Each session has a message under way to its neighbour, who acknowledges it.
    async fn drive<G: Deliveries>(
        &self,
        group: &Group<G>,
        sessions: Vec<Session>,
    ) -> anyhow::Result<f64> {
        let begin = now() + self.warm_up;
        let end = begin + self.duration;
        let mut writers = JoinSet::new();
        for (at, session) in sessions.iter().copied().enumerate() {
            let (group, all) = (group.clone(), sessions.len());
            writers.spawn(async move {
                let parcel = parcel(at, (at + 1) % all)?;
                let mut counted = 0_u64;
                for n in 1.. {
                    let started = now();
                    if end <= started {
                        break;
                    }
                    let action = Action::Send(parcel.clone());
                    let places = Vec::new();
                    let command = Command::Stanza {
                        session,
                        n,
                        places,
                        action,
                    };
                    let reply = group.execute(command).await.context("deliver")?;
                    if reply != Reply::Done {
                        bail!("a delivery was refused: {reply:?}");
                    }
                    // Its own neighbour has said something, too.
                    let through = Position { seq: Seq(n), v: 0 };
                    group.propose(Command::Written { session, through })?;
                    counted += u64::from(begin <= started);
                }
                Ok(counted)
            });
        }
        let mut all = 0;
        while let Some(writer) = writers.join_next().await {
            all += writer.context("join a writer")??;
        }
        Ok(all as f64 / self.duration.as_secs_f64())
    }
}

/// A group that takes the commands of a subcluster.
trait Deliveries: Kind<Machine: Machine<Command = Command, Reply = Reply, Effect = Effect>> {}

impl<G: Kind<Machine: Machine<Command = Command, Reply = Reply, Effect = Effect>>> Deliveries
    for G
{
}

/// Takes every command and does nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Nothing;

impl Kind for Nothing {
    const NAME: &'static str = "nothing";
    type Machine = Empty;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Empty {
    sessions: u64,
}

impl Machine for Empty {
    type Command = Command;
    type Reply = Reply;
    type Effect = Effect;

    fn weight(command: &Command) -> usize {
        <pollux_raft::state::State as Machine>::weight(command)
    }

    fn may_wait(command: &Command) -> bool {
        <pollux_raft::state::State as Machine>::may_wait(command)
    }

    fn apply_batch(
        &mut self,
        _stamp: Stamp,
        commands: &[&Command],
        _applied: &mut Applied<Effect>,
    ) -> Vec<Reply> {
        let replies = commands.iter().map(|command| match command {
            Command::SignIn { epoch, .. } => {
                self.sessions += 1;
                Reply::Session {
                    session: Session {
                        id: pollux_domain::ids::SessionId(self.sessions),
                        epoch: *epoch,
                        connection: Default::default(),
                    },
                    handled: 0,
                }
            }
            _ => Reply::Done,
        });
        replies.collect()
    }
}

struct Discard;

impl Outlet<Effect> for Discard {
    fn take(&self, _effects: Vec<Effect>) {}

    fn replaced(&self) {}
}

/// The voters of this process, each by its desks.
struct Table {
    me: NodeId,
    all: Arc<Vec<Arc<Desks>>>,
}

impl Table {
    fn desk(
        &self,
        to: NodeId,
        topic: Topic,
    ) -> Result<Arc<dyn pollux_links::peers::Desk>, LinkError> {
        let desks = self.all.get(usize::from(to.0) - 1);
        desks
            .and_then(|desks| desks.desk(topic))
            .ok_or(LinkError::NoSuchTopic(to))
    }
}

impl Peers for Table {
    fn tell(&self, to: NodeId, _lane: Lane, topic: Topic, body: Bytes) -> Result<(), LinkError> {
        self.desk(to, topic)?.told(self.me, body);
        Ok(())
    }

    fn ask(&self, to: NodeId, _lane: Lane, topic: Topic, body: Bytes) -> Answer {
        let (desk, me) = (self.desk(to, topic), self.me);
        Box::pin(async move {
            let answer = desk?.asked(me, body).await;
            answer.map_err(|words| LinkError::Refused(to, words))
        })
    }

    fn is_connected(&self, _to: NodeId, _lane: Lane) -> bool {
        true
    }
}

fn voter(node: u16) -> Voter {
    Voter {
        node: NodeId(node),
        incarnation: Incarnation(1),
    }
}

/// Three voters; the first leads.
async fn assemble<G: Deliveries>(
    folder: &Path,
    control: &tokio::runtime::Runtime,
) -> anyhow::Result<Vec<Group<G>>> {
    let desks: Vec<Arc<Desks>> = (0..VOTERS).map(|_| Arc::default()).collect();
    let desks = Arc::new(desks);
    let mut groups = Vec::new();
    for node in 1..=VOTERS {
        let folder = folder.join(node.to_string());
        std::fs::create_dir_all(&folder).context("make a folder")?;
        let log = JournalLog::open(&folder, G::NAME, check_record).context("open a log")?;
        let tables = SledTables::open(&folder.join("tables")).context("open tables")?;
        let parts = GroupParts {
            group: GroupId::Subcluster(SubclusterId(1)),
            me: voter(node),
            life: Life(1),
            begin: if node == 1 { Begin::Found } else { Begin::Join },
            peers: Arc::new(Table {
                me: NodeId(node),
                all: desks.clone(),
            }),
            desks: desks[usize::from(node) - 1].clone(),
            log: Arc::new(log),
            tables: Arc::new(tables),
            outlet: Arc::new(Discard),
            ambient: system::ambient(),
            snapshot_entries: 10_000,
            keep_entries: 1_000,
            in_use: InUse::default(),
        };
        let group = Group::<G>::start(parts).await.context("start a voter")?;
        let roles: Roles = Arc::new(|_| pollux_raft::election::Role::Twin);
        let elections = group.clone();
        control.spawn(async move { elections.run_elections(roles).await });
        groups.push(group);
    }
    let leader = groups.first().context("a leader")?;
    leader.catch_up().await.context("lead")?;
    for node in 2..=VOTERS {
        leader
            .admit(voter(node), None)
            .await
            .context("admit a voter")?;
    }
    Ok(groups)
}

fn user(at: usize) -> anyhow::Result<BareJid> {
    BareJid::parse(&format!("load{at}@localhost")).context("an address")
}

/// To the session of the neighbour, without a body that anybody reads.
fn parcel(from: usize, to: usize) -> anyhow::Result<Arc<Parcel>> {
    Ok(Arc::new(Parcel {
        from: user(from)?.with_resource("r")?,
        to: user(to)?.with_resource("r")?,
        kind: ParcelKind::Chat,
        bytes: Bytes::from(vec![b'x'; BODY_BYTES]),
        sent: WallMs(0),
        hints: Default::default(),
    }))
}

async fn sign_in<G: Deliveries>(group: &Group<G>, count: usize) -> anyhow::Result<Vec<Session>> {
    let (home, epoch) = (NodeId(1), Epoch(1));
    let take_over = Command::TakeOver {
        home,
        to: home,
        life: Life(1),
        epoch,
        cause: TakeoverCause::First,
    };
    group.execute(take_over).await.context("take over")?;
    let mut sessions = Vec::new();
    for at in 0..count {
        let user = user(at)?;
        let adopt = Agreement::Adopt {
            user: user.clone(),
            home,
        };
        group.propose(adopt.under(AsOf::default()))?;
        let sign_in = Command::SignIn {
            user,
            resource: "r".to_owned(),
            epoch,
            token: [0; 16],
            carbons: false,
        };
        match group.execute(sign_in).await.context("sign in")? {
            Reply::Session { session, .. } => sessions.push(session),
            other => bail!("nobody signed in: {other:?}"),
        }
    }
    Ok(sessions)
}
