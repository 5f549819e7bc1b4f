//! The load tool against Prosody: its account of every message must add up, whatever the server
//! does.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use pollux_chaos::load::{Cast, Drill, DrillReport, Idle, Killer, Messages, SignIn, Target};
use pollux_chaos::servers::{PasswordHash, Prosody, Server, Users};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

const PAIRS: usize = 5;

fn start(users: usize) -> (Prosody, Users) {
    let mut server = Prosody::new(PasswordHash::Sha1).unwrap();
    server.start().unwrap();
    let users = Users::new(users);
    server.add_users(&users).unwrap();
    (server, users)
}

fn run<T>(work: impl Future<Output = anyhow::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(120), work).await };
    LocalSet::new()
        .block_on(&runtime, limited)
        .unwrap()
        .unwrap()
}

fn cast(echo: bool, persist: bool) -> Cast {
    Cast {
        echo,
        body_bytes: 32,
        persist,
        ..Cast::of(PAIRS)
    }
}

fn messages(rate: Option<f64>) -> Messages {
    Messages {
        cast: cast(rate.is_none(), false),
        rate,
        window: 1,
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(800),
        patience: Duration::from_secs(10),
    }
}

#[test]
fn every_message_is_accounted_for_in_both_loops() {
    let (server, users) = start(PAIRS * 2);
    for rate in [None, Some(200.0)] {
        let target = Rc::new(Target::of(&server, &users, rate.is_some()).unwrap());
        let report = run(messages(rate).run(target));
        let verdict = &report.verdict;
        assert!(
            report.messages > 0 && report.messages <= verdict.received,
            "{report:?}"
        );
        assert_eq!(verdict.sent, verdict.received, "{report:?}");
        assert_eq!(verdict.sent, verdict.acknowledged, "{report:?}");
        assert_eq!(
            (verdict.lost, verdict.twice, verdict.out_of_order),
            (0, 0, 0),
            "{report:?}"
        );
        assert!(report.cpu_ms_per_message.is_some());
    }
}

#[test]
fn sign_ins_and_idle_sessions_are_measured() {
    let (mut server, users) = start(100);
    let target = Rc::new(Target::of(&server, &users, true).unwrap());
    let plan = SignIn {
        count: 50,
        concurrency: 4,
        stream_management: true,
    };
    let report = run(plan.run(target));
    assert!(report.cpu_ms_per_sign_in.unwrap() > 0.0, "{report:?}");
    assert!(report.latency.p50_ms > 0.0, "{report:?}");

    server.restart().unwrap();
    let target = Rc::new(Target::of(&server, &users, false).unwrap());
    let report = run(Idle {
        sessions: 100,
        stream_management: true,
    }
    .run(target));
    assert!(report.pss_per_session_kib > 1.0, "{report:?}");
    server.stop().unwrap();
}

/// Prosody forgets its sessions when it dies, so every client binds anew, and what was under way is
/// in doubt. The account must say exactly that.
#[test]
fn a_killed_server_leaves_doubts_but_no_gaps_in_the_account() {
    let (mut server, users) = start(PAIRS * 2);
    let target = Target::of(&server, &users, false).unwrap();
    let (halt, halted) = sync_channel(1);
    let (done, is_done) = oneshot::channel();
    let killer = Killer {
        kills: 2,
        seed: 3,
        pause: Duration::from_millis(500),
        down: Duration::from_millis(100),
    };
    let report: DrillReport = std::thread::scope(|scope| {
        let killing = scope.spawn(move || {
            let kills = killer.run(&mut server, &halted);
            done.send(()).unwrap();
            kills
        });
        let plan = Drill {
            cast: cast(false, true),
            rate: 200.0,
            patience: Duration::from_secs(5),
        };
        let report = run(plan.run(Rc::new(target), async { is_done.await.unwrap() }));
        drop(halt);
        assert_eq!(killing.join().unwrap().unwrap(), 2);
        report
    });
    let verdict = &report.verdict;
    assert!(verdict.sent > 100, "{report:?}");
    assert_eq!(
        verdict.sent,
        verdict.acknowledged + verdict.in_doubt,
        "{report:?}"
    );
    let arrived_in_doubt = verdict.in_doubt - verdict.in_doubt_missing;
    let kept = verdict.acknowledged - verdict.lost + arrived_in_doubt;
    assert_eq!(verdict.received + verdict.refused, kept, "{report:?}");
    assert_eq!((verdict.resumptions, verdict.twice), (0, 0), "{report:?}");
    assert!(verdict.not_resumed >= 2 * PAIRS as u64, "{report:?}");
    assert!(report.faults.is_empty(), "{report:?}");
}
