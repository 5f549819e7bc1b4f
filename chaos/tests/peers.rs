//! The servers that ours is compared with: each starts, does a little of the work that is measured,
//! loses nothing of it, and is gone afterwards. Figures of what that costs are not looked at.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use pollux_chaos::ceilings::RelayLoad;
use pollux_chaos::client::{Client, Element, Event};
use pollux_chaos::load::{
    Cast, Idle, Messages, MessagesReport, SignIn, Stream, Target, open_files_most,
};
use pollux_chaos::servers::{Ceiling, CeilingKind, Ejabberd, Server, Users};
use tokio::task::LocalSet;
use tokio::time::timeout;

const PAIRS: usize = 4;

fn run<T>(work: impl Future<Output = anyhow::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let limited = async { timeout(Duration::from_secs(120), work).await };
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
            stream_management: with_sm,
            echo: true,
            ..Cast::of(PAIRS)
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

fn ceiling(kind: CeilingKind) -> Ceiling {
    Ceiling::new(kind, Path::new(env!("CARGO_BIN_EXE_pollux-load"))).unwrap()
}

#[test]
fn the_ceiling_in_memory_passes_the_account_plain_and_in_tls() {
    let mut server = ceiling(CeilingKind::Memory);
    let users = start(&mut server, 100);
    for starttls in [false, true] {
        talk(&server, &users, starttls, false);
        let target = Rc::new(Target::of(&server, &users, starttls).unwrap());
        let plan = SignIn {
            count: 50,
            concurrency: 4,
            stream_management: false,
        };
        assert_eq!(run(plan.run(target.clone())).count, 50);
        let idle = Idle {
            sessions: 100,
            stream_management: false,
        };
        assert_eq!(run(idle.run(target)).sessions, 100);
    }
    is_gone(&mut server);
}

#[test]
fn the_ceiling_in_memory_refuses_a_wrong_password() {
    let mut server = ceiling(CeilingKind::Memory);
    let mut users = start(&mut server, 1);
    "another".clone_into(&mut users.password);
    let target = Target::of(&server, &users, false).unwrap();
    let plan = SignIn {
        count: 1,
        concurrency: 1,
        stream_management: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = LocalSet::new().block_on(&runtime, plan.run(Rc::new(target)));
    let said = format!("{:#}", refused.unwrap_err());
    assert!(said.contains("not-authorized"), "{said}");
}

type Plain = Client<Stream, ()>;

async fn enter(target: &Target, index: usize) -> Plain {
    let account = target.users.account(index, "here").unwrap();
    let options = target.options(pollux_chaos::client::StreamManagement::Off, 1);
    let mut client = Client::new(account, options, index as u64, ());
    target.connect(&mut client).await.unwrap();
    client
}

/// The next stanza of which `is_meant`, as text.
async fn hear(client: &mut Plain, is_meant: impl Fn(Element<'_>) -> bool) -> String {
    let heard = async {
        loop {
            match client.next().await.unwrap() {
                Event::Message(one) | Event::Presence(one) | Event::Iq(one) if is_meant(one) => {
                    return one.as_str().to_owned();
                }
                Event::Closed => panic!("closed"),
                _ => {}
            }
        }
    };
    timeout(Duration::from_secs(10), heard).await.unwrap()
}

/// Messages wait for whoever is away, in order; contacts see availability, and strangers do not.
#[test]
fn the_ceiling_in_memory_keeps_messages_and_contacts() {
    let mut server = ceiling(CeilingKind::Memory);
    let users = start(&mut server, 3);
    let target = Target::of(&server, &users, false).unwrap();
    run(async {
        let [mut one, mut stranger] = [enter(&target, 0).await, enter(&target, 2).await];
        for client in [&mut one, &mut stranger] {
            client.available()?;
            hear(client, |heard| heard.name() == "presence").await;
        }
        for id in ["first", "second"] {
            one.message("load1@localhost", id, "later")?;
        }
        one.message("nobody@localhost", "third", "never")?;
        let refused = hear(&mut one, |heard| heard.kind() == "error").await;
        assert_eq!(
            Element::new(&refused).attribute("id").as_deref(),
            Some("third")
        );

        let mut other = enter(&target, 1).await;
        other.available()?;
        for id in ["first", "second"] {
            let message = hear(&mut other, |heard| heard.name() == "message").await;
            assert_eq!(Element::new(&message).attribute("id").as_deref(), Some(id));
        }
        one.presence("load1@localhost", "subscribe")?;
        one.flush().await?;
        hear(&mut other, |heard| heard.kind() == "subscribe").await;
        other.presence("load0@localhost", "subscribed")?;
        other.flush().await?;
        hear(&mut one, |heard| heard.kind() == "subscribed").await;
        let theirs = |heard: Element<'_>| {
            let from = heard.attribute("from").unwrap_or_default();
            heard.name() == "presence" && from == "load1@localhost/here"
        };
        hear(&mut one, theirs).await;
        other.send("<presence><show>away</show></presence>")?;
        other.flush().await?;
        assert!(hear(&mut one, theirs).await.contains("away"));
        one.request_roster()?;
        let list = hear(&mut one, |heard| heard.kind() == "result").await;
        assert!(
            list.contains("jid='load1@localhost' subscription='to'"),
            "{list}"
        );
        other.cut();
        let gone = |heard: Element<'_>| theirs(heard) && heard.kind() == "unavailable";
        hear(&mut one, gone).await;
        // What a stranger heard meanwhile comes before the answer.
        stranger.request_ping()?;
        let heard = hear(&mut stranger, |heard| {
            theirs(heard) || heard.kind() == "result"
        })
        .await;
        assert_eq!(Element::new(&heard).name(), "iq", "{heard}");
        anyhow::Ok(())
    });
    is_gone(&mut server);
}

#[test]
fn the_relay_passes_on_what_it_gets() {
    let mut server = ceiling(CeilingKind::Relay);
    server.start().unwrap();
    open_files_most().unwrap();
    let plan = RelayLoad {
        pairs: PAIRS,
        bytes: 200,
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(500),
    };
    let target = Target::of(&server, &Users::new(0), false).unwrap();
    let report = run(plan.run(&target));
    assert!(report.messages > 100, "{report:?}");
    is_gone(&mut server);
}
