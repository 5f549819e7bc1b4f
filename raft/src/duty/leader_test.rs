//! A leader that serves, and whose disk is slow: it goes on giving signs of life to itself.

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
use tokio::time::{Instant, sleep};

use super::{Duty, DutyParts, Pair, Streams, Tenures};
use crate::election::Role;
use crate::group::{Begin, Group, GroupParts, Outlet};
use crate::log::{MemoryLog, SimulatedDisk};
use crate::machine::Subcluster;

const ME: NodeId = NodeId(1);
/// Longer than a lease and a pause between questions, shorter than a disk that has stopped.
const FLUSH: Duration = Duration::from_millis(900);

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

async fn group(clock: Arc<Virtual>) -> Group<Subcluster> {
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
        log: Arc::new(MemoryLog::open(Arc::new(SimulatedDisk::default()), || {
            FLUSH
        })),
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

fn duty(group: &Group<Subcluster>, clock: Arc<Virtual>) -> Duty {
    let pair = || Pair {
        homes: vec![ME],
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
        let group = group(clock.clone()).await;
        group.catch_up().await.unwrap();
        let duty = duty(&group, clock);
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
