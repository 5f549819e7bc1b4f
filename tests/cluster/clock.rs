//! A wall clock that jumps, under a real pair: nobody is moved, no stream is lost, the log says so.
//! Only the calendar is false there: what leases run by is another clock, which stays as it is.

use std::fs;
use std::path::PathBuf;

use pollux_xml::Element;
use pollux_xmpp::delay::Delay;
use rustls::{ClientConfig, HandshakeKind};
use tempfile::TempDir;

use super::common::client::{Answers, Client};
use super::common::deadline::wait_for;
use super::common::stream::{Stream, xml};
use super::common::tls::trust;
use super::site::{Member, hear, pair_with, say};

/// How exact a clock is that this test looks at: a loaded machine may be slow to look.
const ABOUT_MS: i64 = 60_000;

/// A calendar that a process is shown, by Debian's libfaketime.
struct Calendar(TempDir);

impl Calendar {
    fn right() -> Calendar {
        let folder = tempfile::Builder::new().prefix("pollux-").tempdir();
        let calendar = Calendar(folder.expect("a folder can be made"));
        calendar.set(0);
        calendar
    }

    /// Seconds ahead of the truth, from now on.
    fn set(&self, seconds: i64) {
        let beside = self.0.path().join("new");
        fs::write(&beside, format!("{seconds:+}\n")).expect("a file can be written");
        fs::rename(beside, self.file()).expect("a file can be renamed");
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("offset")
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let folders = fs::read_dir("/usr/lib").expect("the system has libraries");
        let mut files = folders.filter_map(|folder| {
            let file = folder.ok()?.path().join("faketime/libfaketimeMT.so.1");
            file.exists().then(|| file.display().to_string())
        });
        let library = files.next();
        let library = library.expect("Debian's package libfaketime is installed");
        vec![
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the truth that a false clock is compared with"
)]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Who serves which home under which epoch, and the term.
fn standing(member: &Member) -> String {
    let status = member.status().expect("the node says how it stands");
    let homes = status["homes"].as_array().expect("homes").iter();
    let homes =
        homes.map(|row| format!("{} by {} in {}", row["home"], row["serving"], row["epoch"]));
    format!("{:?}, term {}", Vec::from_iter(homes), status["term"])
}

/// How far each jump went, as the log says.
fn jumps(member: &Member) -> Vec<i64> {
    let log = member.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("wall clock jumped"));
    let by = lines.map(|line| {
        assert!(
            line.contains("WARN") && line.contains("check time synchronisation"),
            "{line}"
        );
        let words = line.split_whitespace();
        let by = words.filter_map(|word| word.strip_prefix("by_ms=")).next();
        by.and_then(|by| by.parse().ok()).expect("how much")
    });
    by.collect()
}

#[track_caller]
fn about(found: i64, wanted: i64, what: &str) {
    assert!(
        (found - wanted).abs() < ABOUT_MS,
        "{what}: {found}, not {wanted}"
    );
}

/// The stamp of a stored message, which is the next thing that this client hears.
#[track_caller]
fn stamp_of(message: &Element) -> i64 {
    let delay = message.elements().find_map(Delay::from_element);
    let delay = delay.unwrap_or_else(|| panic!("no delay: {}", xml(message)));
    delay.stamp_ms as i64
}

/// Signs in, takes the one message that was stored, and leaves.
#[track_caller]
fn fetch(member: &Member, account: &str) -> Element {
    let mut client = Client::connect(member.clients(), account, Some("desk"));
    client.send("<presence/>");
    loop {
        let element = client.element();
        if element.name() == "message" {
            client.close();
            return element;
        }
    }
}

#[track_caller]
fn handshake(member: &Member, known: &std::sync::Arc<ClientConfig>) -> Option<HandshakeKind> {
    let mut stream = Stream::connect(member.clients());
    stream.open();
    stream.encrypt_with(known);
    stream.open();
    stream.socket.handshake()
}

/// Both say something, and somebody who is away is told something. The stamp of that is of the
/// clock of the node that serves the sender, right or wrong.
#[track_caller]
fn chat(castor: &Member, alice: &mut Client, bob: &mut Client, (round, ahead_ms): (usize, i64)) {
    let (to_bob, to_alice) = (format!("b{round}"), format!("a{round}"));
    say(alice, "bob", &to_bob);
    hear(bob, &to_bob);
    say(bob, "alice", &to_alice);
    hear(alice, &to_alice);
    say(alice, "carol", "stored");
    let stored = fetch(castor, "carol");
    let what = "the stamp of a stored message";
    about(stamp_of(&stored) - now_ms(), ahead_ms, what);
}

/// Nothing but its log and its figures shows that a node's clock has jumped.
#[track_caller]
fn only_the_log_tells([castor, pollux, witness]: &[Member; 3], wanted: &[i64]) {
    let found = jumps(castor);
    for (found, wanted) in found.iter().zip(wanted) {
        about(*found, *wanted, "the jump");
    }
    for member in [castor, pollux, witness] {
        let log = member.log();
        assert!(!log.contains("lease has lapsed"), "{log}");
        assert!(
            !log.contains("a connection between nodes was refused"),
            "{log}"
        );
    }
    assert!(jumps(pollux).is_empty() && jumps(witness).is_empty());
    let figures = castor.ctl(&["statistics", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&figures).expect("JSON");
    let counted = figures["pollux_wall_clock_jumps_total"].as_u64();
    assert!(Some(wanted.len() as u64) <= counted, "{counted:?}");
}

#[test]
fn a_wall_clock_that_jumps_an_hour_moves_nobody() {
    let calendar = Calendar::right();
    let members = pair_with(Member::first_in("castor", calendar.environment()));
    let [castor, pollux, _witness] = &members;
    castor.add_user("alice");
    castor.add_user("carol");
    pollux.add_user("bob");
    let known = trust(&[&castor.certificate(), &pollux.certificate()]);
    let mut alice = Client::sign_in_with(castor.clients(), "alice", Some(&known));
    alice.bind(Some("desk"));
    alice.enable(true, Answers::Always);
    alice.send("<presence/>");
    let mut bob = pollux.client("bob");
    let before = standing(pollux);
    let token = castor.ctl(&["cluster", "invite", "--subcluster", "2"]);
    let mut wanted = Vec::new();
    for (seconds, by) in [(3_600, 3_600_000), (-3_600, -7_200_000), (0, 3_600_000)] {
        calendar.set(seconds);
        wanted.push(by);
        wait_for("the log to say that the clock jumped", || {
            (wanted.len() <= jumps(castor).len()).then_some(())
        });
        chat(
            castor,
            &mut alice,
            &mut bob,
            (wanted.len(), seconds * 1_000),
        );
        let resumed = handshake(castor, &known);
        assert_eq!(
            resumed,
            Some(HandshakeKind::Resumed),
            "tickets at {seconds:+} s"
        );
    }
    // Neither a token nor a certificate between nodes looks at the hour.
    calendar.set(-3_600);
    let romulus = Member::prepare("romulus");
    romulus.done(&["cluster", "join", token.trim(), "--config", "pollux.toml"]);
    calendar.set(0);
    // Over the connections that stood before.
    alice.round_trip();
    bob.round_trip();
    assert_eq!(standing(pollux), before, "nobody was moved, nobody elected");
    assert_eq!(standing(castor), before);
    only_the_log_tells(&members, &wanted);
}
