//! Each workload of the load tool against Pollux and Prosody: small, and what is asserted is the
//! account of the stanzas, never a time.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pollux_chaos::load::{
    Availability, AvailabilityReport, Commands, Hostile, HostileKind, Offline, Storm, Takeover,
    Target,
};
use pollux_chaos::servers::pair::{Pair, PairOptions};
use pollux_chaos::servers::{
    Ceiling, CeilingKind, Mode, PasswordHash, Pollux, Prosody, Server, Users,
};
use tokio::task::LocalSet;

fn program() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_pollux-load")).with_file_name("pollux")
}

fn pollux() -> Box<dyn Server> {
    Box::new(Pollux::new(&program(), 0).unwrap())
}

/// Both, started, with so many users.
fn servers(users: usize) -> Vec<(Box<dyn Server>, Users)> {
    let prosody: Box<dyn Server> = Box::new(Prosody::new(PasswordHash::Sha1).unwrap());
    let both = [prosody, pollux()].into_iter();
    both.map(|server| started(server, users)).collect()
}

fn started(mut server: Box<dyn Server>, users: usize) -> (Box<dyn Server>, Users) {
    let users = Users::new(users);
    server.start().unwrap();
    server.add_users(&users).unwrap();
    (server, users)
}

/// The ceiling that speaks XMPP.
fn in_memory() -> Box<dyn Server> {
    let program = Path::new(env!("CARGO_BIN_EXE_pollux-load"));
    Box::new(Ceiling::new(CeilingKind::Memory, program).unwrap())
}

fn run<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(120), work).await };
    LocalSet::new().block_on(&runtime, limited).unwrap()
}

fn target(server: &dyn Server, users: &Users, starttls: bool) -> Rc<Target> {
    Rc::new(Target::of(server, users, starttls).unwrap())
}

/// Two runs one after the other: the second finds the store empty again.
#[test]
fn what_is_sent_to_users_who_are_away_is_kept_and_handed_out_once() {
    for (server, users) in servers(6) {
        for stream_management in [false, true] {
            let plan = Offline {
                senders: 3,
                messages_each: 21,
                body_bytes: 32,
                stream_management,
            };
            let report = run(plan.run(target(&*server, &users, stream_management))).unwrap();
            assert_eq!(
                (report.stored, report.delivered),
                (63, 63),
                "{}: {report:?}",
                server.name()
            );
            assert!(report.cpu_ms_per_stored.is_some() && report.cpu_ms_per_delivered.is_some());
        }
    }
}

/// More than the server keeps for one user is refused, and the run says so instead of counting it.
#[test]
fn a_message_that_was_not_kept_is_no_measurement() {
    let mut server = pollux();
    let users = Users::new(2);
    server.start().unwrap();
    server.add_users(&users).unwrap();
    let plan = Offline {
        senders: 1,
        messages_each: 1_001,
        body_bytes: 1,
        stream_management: true,
    };
    let error = run(plan.run(target(&*server, &users, false))).unwrap_err();
    assert!(format!("{error:#}").contains("refused"), "{error:#}");
}

#[test]
fn everybody_gets_in_after_the_listener_is_back() {
    for (mut server, users) in servers(40) {
        let target = target(&*server, &users, false);
        let storm = Storm { sessions: 40 };
        run(storm.warm_up(target.clone())).unwrap();
        server.stop().unwrap();
        // It must outlive the thread that starts it.
        let server = Arc::new(Mutex::new(server));
        let opened = server.clone();
        let open = move || {
            let mut server = opened.lock().unwrap();
            server.start()?;
            Ok(server.pids())
        };
        let report = run(storm.run(target, open)).unwrap();
        assert_eq!(report.sessions, 40);
        assert!(
            report.first_seconds > 0.0 && report.first_seconds <= report.seconds,
            "{report:?}"
        );
        assert!(report.sign_in_latency.max_ms > 0.0, "{report:?}");
        assert!(report.cpu_ms_per_session.is_some(), "{report:?}");
        server.lock().unwrap().stop().unwrap();
    }
}

#[test]
fn a_server_that_does_not_open_ends_the_storm() {
    let mut server = pollux();
    let users = Users::new(1);
    server.start().unwrap();
    server.add_users(&users).unwrap();
    let target = target(&*server, &users, false);
    server.stop().unwrap();
    let storm = Storm { sessions: 1 };
    let error = run(storm.run(target, || anyhow::bail!("it stays away"))).unwrap_err();
    assert!(format!("{error:#}").contains("it stays away"), "{error:#}");
}

fn availability(contacts: usize, rate: Option<f64>) -> Availability {
    Availability {
        users: 8,
        contacts,
        rate,
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(800),
    }
}

/// The third run finds the contacts of the first two and more than it wants: it removes those.
#[test]
fn every_change_of_availability_reaches_every_contact() {
    let mut servers = servers(8);
    servers.push(started(in_memory(), 8));
    for (server, users) in servers {
        let account = |report: &AvailabilityReport| {
            let due = report.changes_in_all * report.contacts as u64;
            let got = report.deliveries_in_all + report.superseded;
            assert_eq!(due, got, "{}: {report:?}", server.name());
            assert!(report.deliveries > 0 && report.changes > 0, "{report:?}");
        };
        let plans = [
            availability(4, None),
            availability(4, Some(200.0)),
            availability(2, None),
        ];
        for plan in plans {
            account(&run(plan.run(target(&*server, &users, false))).unwrap());
        }
    }
}

fn hostile(kind: HostileKind, count: usize) -> Hostile {
    Hostile {
        kind,
        count,
        pairs: 3,
        rate: 50.0,
        calm: Duration::from_millis(800),
        during: Duration::from_millis(1500),
    }
}

#[test]
fn hostile_neighbours_do_what_they_are_there_for_and_others_lose_nothing() {
    let plans = [
        hostile(HostileKind::Unauthenticated, 50),
        hostile(HostileKind::SlowReaders, 10),
        hostile(HostileKind::Flood, 1),
    ];
    for (server, users) in servers(17) {
        for plan in plans {
            let report = run(plan.run(target(&*server, &users, false))).unwrap();
            let kind = (server.name(), plan.kind);
            assert_eq!(report.wrong, 0, "{kind:?}: {report:?}");
            assert!(report.received > 100, "{kind:?}: {report:?}");
            let least = match plan.kind {
                HostileKind::Unauthenticated => 50 * 100,
                HostileKind::SlowReaders => 10 * 4096,
                HostileKind::Flood => 64 * 64,
            };
            assert!(report.hostile_bytes >= least, "{kind:?}: {report:?}");
            assert!(report.pss_during_kib > 0, "{kind:?}: {report:?}");
            // What another server keeps is its own affair.
            if server.name() == "pollux" {
                assert!(report.memory_returns, "{kind:?}: {report:?}");
            }
        }
    }
}

#[test]
fn every_session_of_a_killed_node_is_resumed_at_its_twin() {
    for mode in [Mode::default(), Mode::EARLY] {
        let options = PairOptions {
            mode,
            ..PairOptions::of(&program())
        };
        let plan = Takeover {
            sessions: 40,
            progress: false,
        };
        let report = run(plan.run(Pair::open(&options).unwrap())).unwrap();
        assert!(report.holds(), "{mode:?}: {report:?}");
        assert!(report.first_seconds <= report.last_seconds, "{report:?}");
    }
}

#[test]
fn a_group_commits_what_its_writers_say() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Commands {
        writers: 16,
        warm_up: Duration::from_millis(100),
        duration: Duration::from_millis(500),
    };
    let report = plan.run(folder.path()).unwrap();
    // Deliveries that are refused are an error: these were committed by three.
    assert!(0.0 < report.deliveries_per_second, "{report:?}");
    assert!(0.0 < report.empty_per_second, "{report:?}");
}
