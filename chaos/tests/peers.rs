//! The servers that ours is compared with: each starts, does a little of the work that is measured,
//! loses nothing of it, and is gone afterwards. Figures of what that costs are not looked at.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use pollux_chaos::load::{Cast, Messages, MessagesReport, SignIn, Target};
use pollux_chaos::servers::{Ejabberd, Server, Users};
use tokio::task::LocalSet;

const PAIRS: usize = 4;

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

fn start(server: &mut dyn Server, users: usize) -> Users {
    server.start().unwrap();
    let users = Users::new(users);
    server.add_users(&users).unwrap();
    users
}

fn talk(server: &dyn Server, users: &Users, starttls: bool, with_sm: bool) -> MessagesReport {
    let plan = Messages {
        cast: Cast {
            pairs: PAIRS,
            stream_management: with_sm,
            request_every: 1,
            echo: true,
            bare: false,
            body_bytes: 64,
            persist: false,
            watch: false,
            seed: 1,
        },
        rate: None,
        window: 1,
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(500),
        patience: Duration::from_secs(10),
    };
    let target = Target::of(server, users, starttls).unwrap();
    let report = run(plan.run(Rc::new(target)));
    let verdict = &report.verdict;
    assert!(report.messages > 20, "{report:?}");
    assert_eq!(verdict.sent, verdict.received, "{report:?}");
    assert_eq!(
        (verdict.lost, verdict.twice, verdict.out_of_order),
        (0, 0, 0),
        "{report:?}"
    );
    assert!(report.cpu_ms_per_message.is_some(), "{report:?}");
    report
}

/// No process is left behind, and nobody answers where it was.
fn is_gone(server: &mut dyn Server) {
    let mut pids = server.other_pids();
    pids.extend(server.pid());
    assert!(!pids.is_empty());
    server.stop().unwrap();
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
    }
}

#[test]
fn ejabberd_keeps_its_users_over_a_restart() {
    let mut server = Ejabberd::new().unwrap();
    let users = start(&mut server, PAIRS * 2);
    talk(&server, &users, false, true);
    server.restart().unwrap();
    talk(&server, &users, true, false);
    is_gone(&mut server);
}

/// Ten thousand accounts are there within seconds, the last one too.
#[test]
fn ejabberd_takes_many_users() {
    let mut server = Ejabberd::new().unwrap();
    let mut users = start(&mut server, 10_000);
    // The last ones alone: their names are longer by a digit.
    users.prefix.push_str("99");
    users.count = 100;
    let target = Target::of(&server, &users, false).unwrap();
    let plan = SignIn {
        count: 20,
        concurrency: 4,
        stream_management: false,
    };
    assert_eq!(run(plan.run(Rc::new(target))).count, 20);
    server.kill().unwrap();
    assert_eq!(server.pid(), None);
}

/// Pairs of clients go to both nodes in turn; whoever signed in on one is known on the other.
#[test]
fn two_nodes_of_ejabberd_are_one_server() {
    let mut server = Ejabberd::cluster().unwrap();
    let users = start(&mut server, PAIRS * 2);
    let addresses = server.addresses();
    assert_eq!((addresses.len(), server.other_pids().len()), (2, 1));
    talk(&server, &users, false, true);
    server.restart().unwrap();
    talk(&server, &users, false, false);
    is_gone(&mut server);
}
