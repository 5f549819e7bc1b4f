//! The client against a server that somebody else wrote: what it promises holds with Prosody too.
#![expect(
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test over real sockets, helpers included"
)]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use pollux_chaos::client::{
    Client, Error, Event, KeyCache, Lines, Mechanism, Options, Outcome, Seed, Tls, Trust,
};
use pollux_chaos::servers::{Certificate, PasswordHash, Prosody, Server, Users};
use tokio::net::TcpStream;
use tokio::time::timeout;

type Journal = Rc<RefCell<Lines>>;
type TestClient = Client<TcpStream, Journal>;

const LIMIT: Duration = Duration::from_secs(20);

struct House {
    server: Prosody,
    users: Users,
    keys: KeyCache,
}

impl House {
    fn new(hash: PasswordHash) -> Self {
        let mut server = Prosody::new(hash).unwrap();
        server.start().unwrap();
        let users = Users::new(2);
        server.add_users(&users).unwrap();
        House {
            server,
            users,
            keys: KeyCache::default(),
        }
    }

    fn options(&self, tls: Tls) -> Options {
        Options {
            tls,
            keys: self.keys.clone(),
            timeout: LIMIT,
            ..Options::default()
        }
    }

    fn client(&self, index: usize, options: Options) -> TestClient {
        let account = self.users.account(index, "test").unwrap();
        Client::new(account, options.shared(), index as u64, Journal::default())
    }

    async fn connect(&self, client: &mut TestClient) -> Result<Outcome, Error> {
        client
            .connect(TcpStream::connect(self.server.address()).await?)
            .await
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(120), test).await.unwrap() })
}

/// Reads until `found` says so.
async fn until(client: &mut TestClient, mut found: impl FnMut(Event<'_>) -> bool) {
    let reading = async { while !found(client.next().await.unwrap()) {} };
    timeout(LIMIT, reading)
        .await
        .expect("the event that the test waits for");
}

async fn until_message(client: &mut TestClient, id: &str, body: &str) {
    until(client, |event| match event {
        Event::Message(message) if message.attribute("id").as_deref() == Some(id) => {
            assert_eq!(message.child("body").unwrap().text(), body);
            true
        }
        _ => false,
    })
    .await;
}

async fn until_acknowledged(client: &mut TestClient) {
    while client.unacknowledged() > 0 {
        client.request_acknowledgement().unwrap();
        until(client, |event| matches!(event, Event::Acknowledged { .. })).await;
    }
}

fn count(client: &TestClient, line: &str) -> usize {
    client
        .journal()
        .borrow()
        .lines
        .iter()
        .filter(|found| found.starts_with(line))
        .count()
}

async fn talk(house: &House, tls: Tls, mechanism: Mechanism) {
    let options = Options {
        mechanism: Some(mechanism),
        ..house.options(tls)
    };
    let mut alice = house.client(0, options.clone());
    let mut bob = house.client(1, options);
    assert_eq!(house.connect(&mut alice).await.unwrap(), Outcome::Bound);
    assert_eq!(house.connect(&mut bob).await.unwrap(), Outcome::Bound);
    assert_eq!(alice.jid(), "load0@localhost/test");
    for client in [&mut alice, &mut bob] {
        let id = client.request_roster().unwrap();
        until(client, |event| match event {
            Event::Iq(iq) => iq.attribute("id").as_deref() == Some(&id),
            _ => false,
        })
        .await;
        client.available().unwrap();
        until(client, |event| matches!(event, Event::Presence(_))).await;
    }
    alice
        .message("load1@localhost", "1", "2 < 3 & \"ü\"")
        .unwrap();
    alice.flush().await.unwrap();
    until_message(&mut bob, "1", "2 < 3 & \"ü\"").await;
    bob.message(alice.jid(), "2", "yes").unwrap();
    bob.flush().await.unwrap();
    until_message(&mut alice, "2", "yes").await;
    until_acknowledged(&mut alice).await;
    until_acknowledged(&mut bob).await;
    // Roster, presence, message.
    assert_eq!(alice.counters().map(|(_, server)| server), Some(3));
    assert_eq!(count(&alice, "Acknowledged { id: \"1\" }"), 1);
    assert_eq!(count(&alice, "Received { id: \"2\""), 1);
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    assert!(!alice.is_connected());
}

#[test]
fn talks_plainly_and_after_starttls_with_sha_1() {
    let house = House::new(PasswordHash::Sha1);
    run(talk(&house, Tls::Never, Mechanism::ScramSha1));
    run(talk(
        &house,
        house.server.certificate().tls().unwrap(),
        Mechanism::ScramSha1,
    ));
    run(talk(
        &house,
        Tls::start_tls(Trust::Anyone).unwrap(),
        Mechanism::ScramSha1,
    ));
}

#[test]
fn talks_with_sha_256() {
    let house = House::new(PasswordHash::Sha256);
    run(talk(
        &house,
        house.server.certificate().tls().unwrap(),
        Mechanism::ScramSha256,
    ));
}

#[test]
fn is_refused_and_refuses() {
    let house = House::new(PasswordHash::Sha1);
    run(async {
        let mut stranger = house.client(0, house.options(Tls::Never));
        stranger.account.password = "wrong".to_owned();
        let refused = house.connect(&mut stranger).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Refused(why) if why == "not-authorized"),
            "{refused}"
        );

        let folder = tempfile::tempdir().unwrap();
        let other = Certificate::make(folder.path(), "localhost").unwrap();
        let mut careful = house.client(0, house.options(other.tls().unwrap()));
        assert!(matches!(
            house.connect(&mut careful).await,
            Err(Error::Io(_))
        ));
    });
}

#[test]
fn resumes_after_a_cut_and_sends_again_what_was_not_acknowledged() {
    let house = House::new(PasswordHash::Sha1);
    run(async {
        let options = house.options(house.server.certificate().tls().unwrap());
        let (mut alice, mut bob) = (house.client(0, options.clone()), house.client(1, options));
        house.connect(&mut alice).await.unwrap();
        house.connect(&mut bob).await.unwrap();
        bob.available().unwrap();
        until(&mut bob, |event| matches!(event, Event::Presence(_))).await;
        alice.message(bob.jid(), "written", "1").unwrap();
        alice.flush().await.unwrap();
        until_message(&mut bob, "written", "1").await;
        // Of the next two, no byte has left when the connection breaks.
        alice.message(bob.jid(), "second", "2").unwrap();
        alice.message(bob.jid(), "third", "3").unwrap();
        alice.cut();
        assert_eq!(alice.unacknowledged(), 3);
        assert_eq!(
            house.connect(&mut alice).await.unwrap(),
            Outcome::Resumed { resent: 2 }
        );
        until_acknowledged(&mut alice).await;
        until_message(&mut bob, "second", "2").await;
        until_message(&mut bob, "third", "3").await;
        assert_eq!(count(&bob, "Received"), 3);
        assert_eq!(count(&alice, "Acknowledged"), 3);
        // A session that nobody knows is bound anew, and what it owed is reported.
        alice.message(bob.jid(), "doubtful", "4").unwrap();
        alice.cut();
        let mut successor = house.client(0, house.options(Tls::Never));
        house.connect(&mut successor).await.unwrap();
        assert_eq!(house.connect(&mut alice).await.unwrap(), Outcome::Bound);
        assert_eq!(count(&alice, "NotResumed"), 1);
        assert_eq!(count(&alice, "Unknown { id: \"doubtful\" }"), 1);
    });
}

/// Cuts both sides at moments that a seed decides, a hundred times.
#[test]
fn nothing_is_lost_or_repeated_over_a_hundred_cuts() {
    const MESSAGES: usize = 1000;
    let house = House::new(PasswordHash::Sha1);
    run(async {
        let options = house.options(Tls::Never);
        let (mut alice, mut bob) = (house.client(0, options.clone()), house.client(1, options));
        house.connect(&mut alice).await.unwrap();
        house.connect(&mut bob).await.unwrap();
        bob.available().unwrap();
        until(&mut bob, |event| matches!(event, Event::Presence(_))).await;
        let mut seed = Seed::new(7);
        for sent in 0..MESSAGES {
            if !alice.is_connected() {
                assert!(matches!(
                    house.connect(&mut alice).await,
                    Ok(Outcome::Resumed { .. })
                ));
            }
            if !bob.is_connected() {
                assert!(matches!(
                    house.connect(&mut bob).await,
                    Ok(Outcome::Resumed { .. })
                ));
            }
            alice
                .message(bob.jid(), &format!("m{sent:04}"), "again?")
                .unwrap();
            if seed.below(4) > 0 {
                alice.flush().await.unwrap();
            }
            for client in [&mut alice, &mut bob] {
                let _ = timeout(Duration::from_micros(seed.below(2000)), client.next()).await;
            }
            match seed.below(20) {
                0 => alice.cut(),
                1 => bob.cut(),
                _ => {}
            }
        }
        for client in [&mut alice, &mut bob] {
            if !client.is_connected() {
                house.connect(client).await.unwrap();
            }
        }
        until_acknowledged(&mut alice).await;
        until_message(&mut bob, &format!("m{:04}", MESSAGES - 1), "again?").await;
        let journal = bob.journal().borrow();
        let received = journal
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix("Received { id: \""));
        let received: Vec<&str> = received.map(|rest| &rest[..5]).collect();
        let expected: Vec<String> = (0..MESSAGES).map(|sent| format!("m{sent:04}")).collect();
        assert_eq!(received, expected);
        assert_eq!(count(&alice, "Acknowledged"), MESSAGES);
    });
}
