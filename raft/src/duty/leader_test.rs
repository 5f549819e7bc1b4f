//! A leader that serves: one whose disk is slow goes on giving signs of life to itself, and one
//! that has led anew in between, and knows nothing of what it was asked, is asked again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pollux_domain::contract::{Agreement, AsOf, Effect};
use pollux_domain::ids::{GroupId, Incarnation, Life, NodeId, SubclusterId, Voter, WallMs};
use pollux_domain::jid::BareJid;
use pollux_domain::seams::{Ambient, Clock, Rand};
use pollux_links::in_use::InUse;
use pollux_links::peers::{Alone, Desks};
use pollux_store::tables::MemoryTables;
use tokio::time::{Instant, sleep, timeout};

use super::keeper::Question;
use super::watch::INTERVAL;
use super::{Duty, DutyParts, Pair, Streams, Tenures};
use crate::election::Role;
use crate::group::{Begin, Group, GroupParts, Outlet};
use crate::lease::{Grants, Renewal, Wisher};
use crate::log::{MemoryLog, SimulatedDisk};
use crate::machine::Subcluster;

const ME: NodeId = NodeId(1);
/// Longer than a lease and a pause between questions, shorter than a disk that has stopped.
const FLUSH: Duration = Duration::from_millis(900);
const TWIN: NodeId = NodeId(2);

struct Virtual(Instant);

impl Virtual {
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime's time is the test's: it is paused, and goes on by itself"
    )]
    fn begin() -> Arc<Virtual> {
        Arc::new(Virtual(Instant::now()))
    }
}

impl Clock for Virtual {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> WallMs {
        WallMs(1)
    }
}

struct Still;

impl Rand for Still {
    fn fill(&self, out: &mut [u8]) {
        out.fill(4);
    }
}

impl Outlet<Effect> for Still {
    fn take(&self, _effects: Vec<Effect>) {}

    fn replaced(&self) {}
}

impl Streams for Still {
    fn wake(&self, _home: NodeId) {}

    fn cut(&self, _home: NodeId) {}

    fn move_on(&self, _home: NodeId) -> usize {
        0
    }
}

async fn group(clock: Arc<Virtual>, flush: Duration) -> Group<Subcluster> {
    let parts = GroupParts {
        group: GroupId::Subcluster(SubclusterId(1)),
        me: Voter {
            node: ME,
            incarnation: Incarnation(1),
        },
        life: Life(1),
        begin: Begin::Found,
        peers: Arc::new(Alone),
        desks: Arc::default(),
        log: Arc::new(MemoryLog::open(
            Arc::new(SimulatedDisk::default()),
            move || flush,
        )),
        tables: Arc::new(MemoryTables::default()),
        outlet: Arc::new(Still),
        ambient: Ambient {
            clock,
            rand: Arc::new(Still),
        },
        snapshot_entries: 1_000,
        keep_entries: 1_000,
        in_use: InUse::default(),
    };
    Group::start(parts).await.unwrap()
}

fn duty(group: &Group<Subcluster>, clock: Arc<Virtual>, homes: &[NodeId]) -> Duty {
    let homes = homes.to_vec();
    let pair = move || Pair {
        homes: homes.clone(),
        removed: BTreeSet::new(),
        drained: BTreeSet::new(),
        high_availability: true,
        stable: None,
        service_delay: Duration::from_secs(5),
    };
    Duty::new(DutyParts {
        node: ME,
        life: Life(1),
        is_witness: false,
        group: group.clone(),
        tenures: Arc::new(Tenures::default()),
        streams: Arc::new(Still),
        peers: Arc::new(Alone),
        desks: Arc::new(Desks::default()),
        clock,
        view: Arc::new(pair),
        pulse: Arc::new(|| Duration::ZERO),
        services: Arc::new(|| None),
    })
}

/// Its questions wait for the disk, with the confirmation that it leads. They were four at most,
/// and while they waited it asked no other, took itself for silent, and gave its users away.
#[tokio::test(start_paused = true)]
async fn a_leader_whose_disk_is_slow_is_not_silent() {
    let watched = async {
        let clock = Virtual::begin();
        let group = group(clock.clone(), FLUSH).await;
        group.catch_up().await.unwrap();
        let duty = duty(&group, clock, &[ME]);
        let (writer, mut written) = (group.clone(), 0);
        let write = async {
            loop {
                let user = BareJid::parse(&format!("u{written}@example.org")).unwrap();
                writer
                    .execute(Agreement::Adopt { user, home: ME }.under(AsOf::default()))
                    .await
                    .unwrap();
                written += 1;
            }
        };
        let watch = async {
            sleep(Duration::from_secs(3)).await;
            for look in 0..2_000 {
                sleep(Duration::from_millis(5)).await;
                assert_eq!(duty.hears(ME), Some(true), "look {look}");
            }
        };
        let roles: crate::group::Roles = Arc::new(|_| Role::Twin);
        tokio::select! {
            () = watch => {}
            () = write => {}
            () = duty.run() => {}
            () = group.run_elections(roles) => {}
        }
        assert!(3 < written, "{written}");
    };
    tokio::task::LocalSet::new().run_until(watched).await;
}

/// An operator's failover reached a witness that led, and was about to give the lead to a twin:
/// what it had noted was gone, and the move never came about.
#[tokio::test(start_paused = true)]
async fn a_move_is_asked_for_again_when_the_lead_has_changed() {
    let watched = async {
        let clock = Virtual::begin();
        let group = group(clock.clone(), Duration::ZERO).await;
        group.catch_up().await.unwrap();
        let duty = duty(&group, clock, &[ME, TWIN]);
        let keeper = duty.inner.keeper.clone();
        let serving = |home| group.read(|state| state.serving(home)).map(|by| by.node);
        let twin_lives = async {
            for nonce in 0.. {
                let (_, applied, _) = group.indexes();
                let renewal = Renewal {
                    node: TWIN,
                    life: Life(7),
                    nonce,
                    applied,
                    stuck: Duration::ZERO,
                    flush: Duration::ZERO,
                    down: None,
                    well_for: Duration::ZERO,
                    homes: Vec::new(),
                    given_back: Vec::new(),
                };
                keeper.answer(Question::Renew(renewal)).await;
                sleep(INTERVAL).await;
            }
        };
        let mut forgotten = 0;
        let forget = async {
            while forgotten < 2 {
                let is_asked = |book: &mut (u64, Grants)| book.1.is_wished(ME);
                let taken = keeper.grants.lock().unwrap().take_if(is_asked);
                forgotten += usize::from(taken.is_some());
                sleep(Duration::from_millis(1)).await;
            }
            std::future::pending::<()>().await;
        };
        let moved = async {
            while serving(ME) != Some(ME) {
                sleep(INTERVAL).await;
            }
            let is_so = |home, to| serving(home) == Some(to);
            let moved = duty.bring_about(&[(ME, TWIN)], Wisher::Operator, is_so);
            timeout(Duration::from_secs(10), moved).await
        };
        let roles: crate::group::Roles = Arc::new(|_| Role::Twin);
        let moved = tokio::select! {
            moved = moved => moved,
            () = twin_lives => unreachable!(),
            () = forget => unreachable!(),
            () = duty.run() => unreachable!(),
            () = group.run_elections(roles) => unreachable!(),
        };
        assert_eq!(moved.unwrap(), Ok(()));
        assert_eq!(serving(ME), Some(TWIN));
        assert_eq!(forgotten, 2);
    };
    tokio::task::LocalSet::new().run_until(watched).await;
}
