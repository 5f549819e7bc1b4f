//! Who may not speak on the port between nodes, and what is not understood there: the refusal, and
//! the line in the log that says what to do about it. Each goes with a row of `docs/refusals.md`.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;

use bytes::Bytes;
use pollux_domain::ids::{Incarnation, NodeId, Voter};
use pollux_domain::limits::LINK_STRANGERS_MAX;
use pollux_links::frame::{Frame, Kind};
use pollux_links::peers::Subject;
use pollux_links::refusal::Reason;
use rustix::process::Signal;
use serde::Serialize;
use serde_json::Value;

use super::common::client::{Client, SM};
use super::common::deadline::PATIENCE;
use super::common::stream::Event;
use super::common::tls::Tcp;
use super::peer::{Peer, bytes_of};
use super::site::{Member, hear, pair, say};

/// A warning of this member that has all of these in it.
#[track_caller]
fn warned(member: &Member, parts: &[&str]) -> String {
    member.wait_said(&[&["WARN", "advice="], parts].concat())
}

fn tell(body: &'static [u8]) -> Frame {
    Frame {
        kind: Kind::Tell,
        subject: Subject::Election as u8,
        group: 0,
        id: 0,
        body: Bytes::from_static(body),
    }
}

/// A question about the log of the configuration, in a record of a version that is to come.
fn newer_question() -> Frame {
    Frame {
        kind: Kind::Ask,
        subject: Subject::Log as u8,
        group: 0,
        id: 77,
        body: pollux_store::codec::encode(99, &"something new")
            .expect("it is short")
            .into(),
    }
}

const GARBAGE: &str = "what comes between nodes is not understood";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// Before TLS: nobody knows who it is, but where it is.
#[track_caller]
fn speaks_no_tls(to: &Member) {
    let mut stranger = Tcp::connect(to.nodes()).expect("the node takes connections");
    let from = stranger.local_addr().expect("it is connected");
    stranger.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stranger.write_all(REQUEST).expect("the node listens");
    let _half = stranger.shutdown(Shutdown::Write);
    let _cut = stranger.read_to_end(&mut Vec::new());
    let from = format!("from={from}");
    warned(to, &[GARBAGE, &from, "let only nodes reach the port"]);
}

/// On a standing link, in the place of a node that is away.
#[track_caller]
fn breaks_the_frame(to: &Member, number: u16, as_if: &Member) {
    let mut checksum = bytes_of(&tell(b"right"));
    checksum[18] ^= 1;
    let mut too_long = bytes_of(&tell(b"right"));
    too_long[9..13].copy_from_slice(&65_537u32.to_le_bytes());
    let mut kind = bytes_of(&tell(b"right"));
    kind[1] = 99;
    for (life, (bytes, words)) in (1..).zip([
        (checksum, "the checksum does not fit"),
        (
            too_long,
            "a body of 65537 bytes, at most 65536 are allowed here",
        ),
        (kind, "no frame has the kind 99"),
    ]) {
        let mut peer = Peer::greeted(to.nodes(), number, as_if, life);
        peer.write(&bytes);
        peer.hung_up();
        to.wait_said(&[
            "what came between nodes was not understood",
            "node=1",
            words,
        ]);
    }
}

#[test]
fn what_is_not_understood_is_named_and_disturbs_nobody() {
    let mut castor = Member::first("castor");
    let mut pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    pollux.stop();
    // The log warns once a minute; what came within it stands there for who looks closer.
    pollux.set_environment("POLLUX_LOG", "info,pollux_links=debug,openraft=off");
    pollux.begin();
    pollux.wait_served(&[(1, 1), (2, 2)]);
    speaks_no_tls(&pollux);
    // After TLS, with the certificate of a node.
    let mut browser = Peer::call(pollux.nodes(), 2, &castor);
    browser.write(REQUEST);
    assert_eq!(browser.refusal().reason, Reason::NotUnderstood);
    let first = "the first byte is 71";
    warned(
        &pollux,
        &[GARBAGE, "node=1", first, "bring both nodes to one release"],
    );
    castor.kill();
    breaks_the_frame(&pollux, 2, &castor);
    castor.begin();
    pollux.wait_served(&[(1, 1), (2, 2)]);
    assert!(!pollux.log().contains("panicked"), "{}", pollux.log());
}

/// They say nothing, and hold all the places that there are for those who have not said who they
/// are.
#[test]
fn more_strangers_than_have_a_place_are_closed_and_the_links_stand() {
    let castor = Member::first("castor");
    let mut pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    let call = || Tcp::connect(castor.nodes()).expect("the kernel takes connections");
    let strangers: Vec<Tcp> = (0..LINK_STRANGERS_MAX).map(|_| call()).collect();
    let mut more = call();
    more.set_read_timeout(Some(PATIENCE)).expect("a socket");
    assert_eq!(more.read(&mut [0]).expect("it is closed"), 0);
    let said = "too many strangers at the port between nodes";
    warned(
        &castor,
        &[said, "most=256", "let only nodes reach the port"],
    );
    castor.wait_served(&[(1, 1), (2, 2)]);
    drop(strangers);
    // A node that comes finds its place.
    pollux.kill();
    pollux.begin();
    castor.wait_served(&[(1, 1), (2, 2)]);
}

#[test]
fn what_a_newer_release_says_is_refused_by_name() {
    let mut castor = Member::first("castor");
    let pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    // Another version of the links themselves: known from the first byte on.
    let mut later = Peer::call(pollux.nodes(), 2, &castor);
    later.write(&[2, 1, 0, 0]);
    assert_eq!(later.refusal().reason, Reason::ProtocolVersion);
    let reason = r#"reason=other protocol version"#;
    warned(
        &pollux,
        &[
            "a connection between nodes was refused",
            reason,
            "one release",
        ],
    );

    // Links of one version, records of a later one.
    castor.kill();
    let mut later = Peer::greeted(pollux.nodes(), 2, &castor, 1);
    let words = later.refused(&newer_question());
    assert!(words.contains("version 99"), "{words}");
    let said = "a node of a newer release was refused";
    warned(
        &pollux,
        &[said, "from=1", "group=configuration", "to one release"],
    );
    assert!(!pollux.log().contains("panicked"), "{}", pollux.log());
}

/// As `raft` writes what one voter asks another about the log.
#[derive(Serialize)]
struct Envelope {
    from: u64,
    to: u64,
    request: Request,
}

#[derive(Serialize)]
#[expect(dead_code, reason = "the number of the last is its name")]
enum Request {
    Append,
    Vote,
    Snapshot(Part),
}

#[derive(Serialize)]
enum Part {
    Chunk {
        id: String,
        offset: u64,
        bytes: Bytes,
    },
}

fn chunk(offset: u64) -> Frame {
    let voter = |node| Voter {
        node: NodeId(node),
        incarnation: Incarnation(1),
    };
    let envelope = Envelope {
        from: voter(1).number(),
        to: voter(2).number(),
        request: Request::Snapshot(Part::Chunk {
            id: "4711".to_owned(),
            offset,
            bytes: Bytes::from_static(b"some bytes"),
        }),
    };
    let body = pollux_store::codec::encode(1, &envelope).expect("it is short");
    Frame {
        body: body.into(),
        ..newer_question()
    }
}

#[test]
fn a_snapshot_whose_parts_do_not_follow_is_refused_by_name() {
    let mut castor = Member::first("castor");
    let pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    castor.kill();
    let mut peer = Peer::greeted(pollux.nodes(), 2, &castor, 1);
    let reason = "the chunk does not follow the one before";
    assert_eq!(peer.refused(&chunk(500)), reason);
    pollux.wait_said(&[
        "INFO",
        "snapshot was refused",
        "from=1",
        "group=\"configuration\"",
        reason,
        "the leader begins again",
    ]);
    assert!(!pollux.log().contains("panicked"), "{}", pollux.log());
}

/// Writes something else in place of one of the fields.
#[track_caller]
fn change_membership(member: &Member, change: impl FnOnce(&mut Value)) {
    let path = member.path("data/cluster/membership.json");
    let text = fs::read(&path).expect("the node is of a cluster");
    let mut membership: Value = serde_json::from_slice(&text).expect("JSON");
    change(&mut membership);
    fs::write(path, membership.to_string()).expect("the file can be written");
}

/// One cluster's witness where another one is expected.
#[test]
fn a_witness_of_another_cluster_is_refused_and_both_logs_say_so() {
    let castor = Member::first("castor");
    let mut witness = castor.invite("witness", &["--witness"]);
    let other = Member::first("other");
    let mut foreign = other.invite("foreign", &["--witness"]);
    witness.stop();
    foreign.stop();
    let (ours, theirs) = (witness.nodes().to_string(), foreign.nodes().to_string());
    foreign.change_setting(&theirs, &ours);
    foreign.begin();
    let said = "a connection between nodes was refused";
    let certificate = "reason=certificate not accepted";
    warned(
        &castor,
        &[said, "node=2", certificate, "another cluster's authority"],
    );
    warned(
        &foreign,
        &[
            said,
            "from=127.0.0.1:",
            certificate,
            "another cluster's authority",
        ],
    );

    // The right authority's certificate, and a membership of another cluster.
    foreign.stop();
    change_membership(&witness, |membership| {
        membership["cluster"][0] = Value::from(0xee)
    });
    change_membership(&witness, |membership| {
        membership["cluster"][1] = Value::from(0xee)
    });
    witness.begin();
    warned(
        &castor,
        &[
            said,
            "reason=wrong cluster",
            "node=2",
            "check the node's address",
        ],
    );
    warned(&witness, &[said, "reason=wrong cluster", "node=1"]);
}

/// Someone restores a backup on another machine, and the first one still runs.
#[test]
fn a_second_process_under_one_id_is_refused_while_the_first_lives() {
    let [castor, mut pollux, witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    pollux.stop();
    let mut copy = Member::prepare("copy");
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([pollux.path("data"), copy.path("data")])
        .status();
    assert!(copied.expect("cp runs").success());
    pollux.begin();
    castor.wait_protected();
    copy.begin();
    let said = "a connection between nodes was refused";
    let duplicate = "reason=duplicate node id";
    warned(&witness, &[said, "node=2", duplicate, "stop it"]);
    warned(&copy, &[said, "node=3", duplicate, "stop it"]);
    pollux.wait_served(&[(1, 1)]);
    let mut alice = castor.client("alice");
    let mut bob = castor.client("bob");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    drop(copy);
    let verdict = witness.ctl(&["subcluster", "verify"]);
    assert!(verdict.contains("all replicas are equal"), "{verdict}");
}

/// What a node that stood still says under its old epoch is nothing, and it says why its streams
/// end.
#[test]
fn a_node_that_wakes_up_under_an_old_epoch_serves_nobody() {
    let [castor, pollux, _witness] = pair();
    castor.add_user("alice");
    let mut alice = castor.client("alice");
    alice.round_trip();
    castor.signal(Signal::STOP);
    pollux.wait_served(&[(1, 2), (2, 2)]);
    alice.send("<message type='chat' to='alice@localhost' id='late'><body>late</body></message>");
    alice.stream.send(format!("<r xmlns='{SM}'/>"));
    castor.signal(Signal::CONT);
    castor.wait_said(&[
        "INFO",
        "home is served under a newer epoch, its streams end",
        "home=1",
    ]);
    // Nothing of it was taken, and nobody speaks without a lease: no acknowledgement, no message.
    loop {
        match alice.stream.next() {
            Event::Element(element) => {
                assert!(!matches!(element.name(), "a" | "message"), "{element:?}");
            }
            Event::Closed | Event::Open(_) => {}
            Event::Gone => break,
        }
    }
    alice.resume(pollux.clients());
    hear(&mut alice, "late");
    alice.round_trip();
    let other = Client::connect(castor.clients(), "alice", Some("other"));
    drop(other);
}
