//! Real actors on a real node with a disk in memory, fake sockets and a paused clock: what happens
//! to one session when another dies, when a peer falls silent, when nobody talks, when a disk
//! breaks.
#![expect(clippy::unwrap_used, reason = "a test")]

mod bounds;
mod stage;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pollux_actors::session::Observe;
use pollux_domain::limits;

use stage::{HEADER, Stage, with_node};

#[test]
fn a_stranger_who_says_nothing_is_sent_away() {
    with_node(|stage| async move {
        for words in ["", HEADER, "<stream:stream to='exam"] {
            let mut client = stage.connect().await;
            client.say(words).await;
            let last = client.last_words().await;
            assert!(last.contains("<connection-timeout"), "{words:?} got {last}");
            assert!(last.ends_with("</stream:stream>"), "{last}");
        }
        assert_eq!(stage.node.metrics.strangers.count(), 0);
    });
}

/// RFC 6120 section 4.9.3.17.
#[test]
fn a_full_house_turns_strangers_away_one_by_one_and_takes_who_waits_when_one_leaves() {
    with_node(|stage| async move {
        let mut inside = Vec::new();
        for _ in 0..limits::PREAUTH_CONNECTIONS_MAX {
            let mut client = stage.connect().await;
            client.say(HEADER).await;
            client.hear("</stream:features>").await;
            inside.push(client);
        }
        let clock = stage.node.ambient.clock.clone();
        let begun = clock.now();
        for _ in 0..100 {
            let mut refused = stage.connect().await;
            let last = refused.last_words().await;
            assert!(last.contains("<resource-constraint"), "{last}");
        }
        let metrics = &stage.node.metrics;
        assert_eq!(metrics.connections_refused.load(Ordering::Relaxed), 100);
        assert!(Duration::from_millis(100) <= clock.now() - begun);
        // Whoever waits is not turned away when somebody leaves meanwhile.
        let mut waiting = stage.connect().await;
        drop(inside.pop());
        waiting.say(HEADER).await;
        waiting.hear("</stream:features>").await;
        assert_eq!(metrics.connections_refused.load(Ordering::Relaxed), 100);
    });
}

/// RFC 6120 section 4.9.3.8: a stored message that cannot be read ends the stream to which it
/// should go. It is not lost, and nobody else is disturbed.
#[test]
fn a_database_that_cannot_be_read_ends_the_stream_and_loses_nothing() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        ann.say("<message to='ben@example.org' type='chat'><body>kept</body></message>")
            .await;
        ann.say("<iq type='set' id='s1'><vCard xmlns='vcard-temp'><FN>Ann</FN></vCard></iq>")
            .await;
        ann.hear("id='s1'").await;
        ann.say("<iq type='get' id='g1'><vCard xmlns='vcard-temp'/></iq>")
            .await;
        ann.hear("<FN>Ann</FN>").await;
        stage.tables.broken.store(true, Ordering::Relaxed);
        let mut ben = stage.sign_in_plain("ben").await;
        ben.say("<presence/>").await;
        let last = ben.last_words().await;
        assert!(last.contains("<internal-server-error"), "{last}");
        assert!(last.ends_with("</stream:stream>"), "{last}");
        assert!(!last.contains("kept"), "{last}");
        // What she keeps with the server is asked for in vain; her stream stays.
        ann.say("<iq type='get' id='g2'><vCard xmlns='vcard-temp'/></iq>")
            .await;
        ann.hear("id='g2'").await;
        let answer = ann.hear("</iq>").await;
        assert!(answer.contains("<internal-server-error"), "{answer}");
        stage.tables.broken.store(false, Ordering::Relaxed);
        let mut ben = stage.sign_in_plain("ben").await;
        ben.say("<presence/>").await;
        ben.hear("<body>kept</body>").await;
    });
}

#[test]
fn a_session_that_dies_takes_nobody_with_it_and_is_made_anew() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        let mut ben = stage.sign_in("ben").await;
        let before = stage
            .node
            .subcluster
            .read(|state| state.session_rows(None).len());
        stage.calendar_broken.store(true, Ordering::Relaxed);
        ann.say("<message to='ben@example.org'><body>the last</body></message>")
            .await;
        ann.last_words().await;
        assert_eq!(stage.node.metrics.session_panics.load(Ordering::Relaxed), 1);
        ben.say("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        ben.hear("id='p'").await;
        // The session waits for its client, as after any lost connection.
        let rows = stage.node.subcluster.read(|state| state.session_rows(None));
        assert_eq!(rows.len(), before);
        assert_eq!(rows.iter().filter(|row| !row.attached).count(), 1);
        stage.sign_in("ann").await;
    });
}

#[test]
fn a_peer_that_does_not_answer_is_given_up_and_its_session_waits_then_expires() {
    with_node(|stage| async move {
        let _silent = stage.sign_in("ann").await;
        let attached = |stage: &Stage| {
            let rows = stage.node.subcluster.read(|state| state.session_rows(None));
            rows.iter().filter(|row| row.attached).count()
        };
        assert_eq!(attached(&stage), 1);
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(attached(&stage), 0, "nobody answered <r/>");
        assert_eq!(
            stage
                .node
                .subcluster
                .read(|state| state.session_rows(None).len()),
            1
        );
        assert!(stage.node.directory.is_empty());
        tokio::time::sleep(Duration::from_secs(301)).await;
        assert_eq!(
            stage
                .node
                .subcluster
                .read(|state| state.session_rows(None).len()),
            0
        );
    });
}

/// Design, section 5: what waits for a client that never comes back goes to the user's device that
/// is there; where none is, into the store.
#[test]
fn what_waits_for_a_client_that_never_comes_back_goes_on() {
    with_node(|stage| async move {
        let lost = stage.sign_in("ann").await;
        let mut ben = stage.sign_in("ben").await;
        drop(lost);
        let say = |id: &str| {
            format!(
                "<message to='ann@example.org/r' type='chat' id='{id}'><body>Hello</body></message>\
                 <iq type='get' id='p{id}' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"
            )
        };
        ben.say(&say("m1")).await;
        ben.hear("id='pm1'").await;
        let mut desk = stage.sign_in_at("ann", "desk").await;
        // It is there, and answers: its own presence came, and that of the lost device.
        let seen = desk.hear("<r xmlns='urn:xmpp:sm:3'/>").await;
        let seen = 1 + seen.matches("<presence").count();
        desk.say(&format!("<a xmlns='urn:xmpp:sm:3' h='{seen}'/>"))
            .await;
        tokio::time::sleep(Duration::from_secs(310)).await;
        desk.hear("id='m1'").await;
        drop(desk);
        drop(ben);

        // Nobody is there when the next one expires, nor when the one that it goes to does.
        let lost = stage.sign_in("ann").await;
        let mut ben = stage.sign_in("ben").await;
        drop(lost);
        ben.say(&say("m2")).await;
        ben.hear("id='pm2'").await;
        drop(ben);
        tokio::time::sleep(Duration::from_secs(700)).await;
        let left = |stage: &Stage| {
            let rows = stage.node.subcluster.read(|state| state.session_rows(None));
            rows.len()
        };
        assert_eq!(left(&stage), 0);
        let mut back = stage.bind("ann", "desk").await;
        back.say("<presence/>").await;
        // The desk had the first, and never said so.
        for id in ["id='m1'", "id='m2'"] {
            back.hear(id).await;
            back.hear("<delay").await;
        }
    });
}

/// RFC 6120 sections 4.6.2 and 4.9.3.4, with stream management: who is there answers, and who is
/// not is told why it was let go, should it still read.
#[test]
fn a_silent_client_is_asked_and_let_go_where_it_does_not_answer() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        ann.hear("<r xmlns='urn:xmpp:sm:3'/>").await;
        ann.say("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
        let counter = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let metrics = &stage.node.metrics;
        for asked in 1..=2 {
            tokio::time::sleep(Duration::from_secs(290)).await;
            assert_eq!(
                counter(&metrics.silent_asked),
                asked - 1,
                "not silent for long"
            );
            ann.hear("<r xmlns='urn:xmpp:sm:3'/>").await;
            assert_eq!(counter(&metrics.silent_asked), asked);
            ann.say("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
        }
        assert_eq!(counter(&metrics.given_up_silent), 0);
        let last = ann.last_words().await;
        assert_eq!(last.matches("<r ").count(), 1, "asked once: {last}");
        assert!(last.contains("<connection-timeout"), "{last}");
        assert!(last.ends_with("</stream:stream>"), "{last}");
        assert_eq!(counter(&metrics.given_up_silent), 1);
        // The end of the stream is a command of its own.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let rows = stage.node.subcluster.read(|state| state.session_rows(None));
        assert!(rows.len() == 1 && !rows[0].attached, "its session waits");
    });
}

/// The same without stream management, by XEP-0199 section 4.1 and RFC 6120 section 4.6.3: a client
/// may have nothing to say for as long as it likes, if it answers.
#[test]
fn a_silent_client_without_stream_management_is_pinged_and_let_go_where_it_does_not_answer() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in_plain("ann").await;
        let counter = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let metrics = &stage.node.metrics;
        let answers = [
            "<iq type='result' id='ID' to='example.org'/>",
            "<iq type='error' id='ID'><error type='cancel'><service-unavailable \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
            " ",
            "<presence/>",
        ];
        for answer in answers {
            tokio::time::sleep(Duration::from_secs(290)).await;
            assert_eq!(*ann.read.borrow(), "");
            let ping = ann.hear("</iq>").await;
            let (_, rest) = ping.split_once("id='").expect("an id");
            let (id, _) = rest.split_once('\'').expect("an id");
            let expected = format!(
                "<iq from='example.org' to='ann@example.org/r' id='{id}' type='get'>\
                 <ping xmlns='urn:xmpp:ping'/></iq>"
            );
            assert_eq!(ping, expected);
            ann.say(&answer.replace("ID", id)).await;
            if answer == "<presence/>" {
                ann.hear("<presence").await;
                ann.hear("/>").await;
            }
        }
        assert_eq!(counter(&metrics.silent_asked), answers.len() as u64);
        assert_eq!(counter(&metrics.given_up_silent), 0);
        let last = ann.last_words().await;
        assert_eq!(last.matches("<ping ").count(), 1, "asked once: {last}");
        assert!(last.contains("<connection-timeout"), "{last}");
        assert!(last.ends_with("</stream:stream>"), "{last}");
        assert_eq!(counter(&metrics.given_up_silent), 1);
        // Without stream management there is nothing to come back to.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let rows = stage.node.subcluster.read(|state| state.session_rows(None));
        assert!(rows.is_empty(), "{rows:?}");
    });
}

#[test]
fn a_client_that_takes_nothing_for_a_minute_is_given_up() {
    with_node(|stage| async move {
        let ann = stage.sign_in("ann").await;
        let mut ben = stage.sign_in("ben").await;
        let body = "x".repeat(8_000);
        for number in 0..40 {
            let message = format!(
                "<message to='ann@example.org/r' id='{number}'><body>{body}</body></message>"
            );
            ben.say(&message).await;
        }
        ben.say("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        ben.hear("id='p'").await;
        // Others are heard meanwhile, and answer.
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            ben.say("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
        }
        let metrics = &stage.node.metrics;
        assert_eq!(metrics.given_up_slow.load(Ordering::Relaxed), 1);
        let rows = stage.node.subcluster.read(|state| state.session_rows(None));
        let attached: Vec<&str> = rows
            .iter()
            .filter(|row| row.attached)
            .map(|row| row.jid.as_str())
            .collect();
        assert_eq!(attached, ["ben@example.org/r"]);
        drop(ann);
    });
}

#[test]
fn an_idle_session_holds_no_buffer() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        ann.say("<r xmlns='urn:xmpp:sm:3'/>").await;
        ann.hear("<a ").await;
        let id = stage
            .node
            .subcluster
            .read(|state| state.session_rows(None)[0].id);
        let address = stage.node.directory.address(id).unwrap();
        let observed = address.send(Observe).await.unwrap().unwrap();
        assert_eq!(
            (observed.write_queue_bytes, observed.read_buffer_bytes),
            (0, 0)
        );
        assert_eq!(observed.jid.as_str(), "ann@example.org/r");
    });
}

#[test]
fn a_client_that_asks_and_never_reads_is_not_read_either() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        let id = stage
            .node
            .subcluster
            .read(|state| state.session_rows(None)[0].id);
        let address = stage.node.directory.address(id).unwrap();
        // Each request is answered by more than it is long; the socket holds 64 KiB a way.
        let flood = "<r xmlns='urn:xmpp:sm:3'/>".repeat(200);
        for _ in 0..200 {
            let patience = Duration::from_millis(50);
            if tokio::time::timeout(patience, ann.say(&flood))
                .await
                .is_err()
            {
                break;
            }
        }
        let observed = address.send(Observe).await.unwrap().unwrap();
        assert!(observed.write_queue_bytes < 256 * 1024, "{observed:?}");
        let written = tokio::time::timeout(Duration::from_millis(50), ann.say(&flood)).await;
        assert!(written.is_err(), "the node goes on reading");
        ann.hear("<a ").await;
    });
}

#[test]
fn a_full_mailbox_says_so_and_the_session_goes_on() {
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        let id = stage
            .node
            .subcluster
            .read(|state| state.session_rows(None)[0].id);
        let address = stage.node.directory.address(id).unwrap();
        let full = |answer: &Result<(), actix::prelude::SendError<Observe>>| {
            matches!(answer, Err(actix::prelude::SendError::Full(_)))
        };
        let answers: Vec<_> = (0..100).map(|_| address.try_send(Observe)).collect();
        assert!(answers[0].is_ok());
        assert!(answers.iter().any(full), "the mailbox has a bound");
        ann.say("<r xmlns='urn:xmpp:sm:3'/>").await;
        ann.hear("<a ").await;
        assert!(address.send(Observe).await.unwrap().is_some());
    });
}
