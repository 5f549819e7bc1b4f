//! A backup of two pairs, made while people chat across them, and two new pairs that are made of
//! it: what was acknowledged before is there once, and nobody who chatted noticed.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use pollux_xml::Element;

use super::backup::{RESTORE, files, is_untouched};
use super::common::client::Client;
use super::common::deadline::wait_for;
use super::common::program::Ended;
use super::common::stream::xml;
use super::site::{Member, hear, say};
use super::stored::{LIST, VCARD, ask, card, done};
use super::witnesses::{nothing_twice, two_pairs};

/// Fewer than an offline store holds.
const ROUNDS_MAX: usize = 900;
/// One after the other, while they chat.
const BACKUPS: usize = 3;

/// What is known of somebody while she talks.
#[derive(Default)]
struct Counts {
    /// Rounds of which both messages are acknowledged.
    said: AtomicUsize,
    /// Messages of the other that have come.
    heard: AtomicUsize,
}

/// Says everything twice: to one who is there, and to one who is not. Returns the rounds.
fn chat(talker: &mut Client, to: [&str; 2], counts: &Counts, over: &AtomicBool) -> usize {
    let mut round = 0;
    while !over.load(Ordering::SeqCst) {
        round += 1;
        assert!(round <= ROUNDS_MAX, "the backups take too long");
        let body = format!("{}-{round}", talker.account);
        to.into_iter().for_each(|to| say(talker, to, &body));
        counts.said.store(round, Ordering::SeqCst);
        let heard = messages(talker).count();
        counts.heard.store(heard, Ordering::SeqCst);
    }
    round
}

/// They talk no longer than there is somebody who listens.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn messages(client: &Client) -> impl Iterator<Item = &Element> {
    let waiting = client.waiting().iter();
    waiting.filter(|element| element.name() == "message")
}

/// Which of the messages of somebody have come, in order.
fn numbers(client: &Client, from: &str) -> Vec<usize> {
    let ids = messages(client).filter_map(|message| message.attribute("id"));
    let of = ids.filter_map(|id| id.strip_prefix(from)?.strip_prefix('-')?.parse().ok());
    of.collect()
}

/// Waits until all of these have come, and looks that each has come once, none is missing in
/// between, and nothing else is there.
#[track_caller]
fn hears_once(client: &mut Client, from: &str, wanted: Range<usize>) {
    let heard = wait_for(&format!("{} to hear {from}", client.account), || {
        client.round_trip();
        let heard = numbers(client, from);
        { wanted.clone() }
            .all(|number| heard.contains(&number))
            .then_some(heard)
    });
    let first = heard.first().copied().unwrap_or_default();
    let all: Vec<usize> = (first..first + heard.len()).collect();
    assert_eq!(heard, all, "{} heard {from}", client.account);
    assert_eq!(messages(client).count(), heard.len());
}

fn subscription(client: &mut Client, id: &str, contact: &str) -> Option<String> {
    let list = format!("<query xmlns='{LIST}'/>");
    let answer = ask(client, id, "type='get'", &list);
    let list = answer.find(LIST, "query")?;
    let mut items = list.elements();
    let item = items.find(|item| item.attribute("jid") == Some(contact))?;
    item.attribute("subscription").map(str::to_owned)
}

fn private(client: &mut Client, id: &str) -> String {
    let asked = "<query xmlns='jabber:iq:private'><prefs xmlns='x'/></query>";
    xml(&ask(client, id, "type='get'", asked))
}

#[track_caller]
fn know_all(members: &[&Member], others: u64) {
    for member in members {
        wait_for("each group to know the users of the other", || {
            let figures = member.ctl(&["statistics", "--json"]);
            let figures: serde_json::Value = serde_json::from_str(&figures).ok()?;
            (figures["pollux_foreign_users"].as_u64()? == others).then_some(())
        });
    }
}

/// A node with a file of its own.
#[track_caller]
fn comes_back(first: &Member, name: &'static str, invite: &[&str], file: Option<&Path>) -> Member {
    let mut member = Member::prepare(name);
    let token = first.ctl(&[&["cluster", "invite"], invite].concat());
    if let Some(file) = file {
        refuses_what_is_broken(&member, token.trim(), file);
    }
    let ended = join(&member, token.trim(), file);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    member.begin();
    member
}

fn join(member: &Member, token: &str, file: Option<&Path>) -> Ended {
    let join = ["cluster", "join", token, "--config", "pollux.toml"];
    match file.and_then(Path::to_str) {
        Some(file) => member.run(&[&join[..], &["--restore", file]].concat()),
        None => member.run(&join),
    }
}

/// Nothing is made of it, and the token is still good afterwards.
#[track_caller]
fn refuses_what_is_broken(member: &Member, token: &str, file: &Path) {
    let whole = fs::read(file).expect("a file");
    let (cut, changed, none) = ("cut.backup", "changed.backup", "none.backup");
    fs::write(member.path(cut), &whole[..whole.len() / 2]).expect("a file");
    let mut other = whole.clone();
    other[whole.len() / 3] ^= 0x10;
    fs::write(member.path(changed), other).expect("a file");
    for (name, said) in [
        (cut, "the file is cut off"),
        (changed, "it is damaged at piece"),
        (none, "failed to open the backup"),
    ] {
        let refused = join(member, token, Some(&member.path(name)));
        assert_eq!(refused.code, Some(66), "{}", refused.err);
        assert!(refused.err.contains(said), "{said}: {}", refused.err);
        is_untouched(member);
    }
}

#[test]
fn two_pairs_that_chat_come_back_as_they_were_at_one_moment() {
    let mut old = two_pairs();
    let [castor, pollux, romulus, remus] = &old;
    romulus.wait_served(&[(3, 3), (4, 4)]);
    romulus.wait_protected();
    romulus.add_user("erin");
    remus.add_user("frank");
    know_all(&[castor, romulus], 2);
    let mut alice = castor.client("alice");
    let mut erin = romulus.client("erin");
    let vcard = "<vCard xmlns='vcard-temp'><FN>Alice</FN><PHOTO><BINVAL>x</BINVAL></PHOTO></vCard>";
    done(&mut alice, "s1", vcard);
    let prefs = "<query xmlns='jabber:iq:private'><prefs xmlns='x'>Hamlet</prefs></query>";
    done(&mut erin, "s2", prefs);
    alice.send("<presence type='subscribe' to='erin@localhost'/>");
    erin.send("<presence type='subscribed' to='alice@localhost'/>");
    alice.all_acknowledged();
    erin.all_acknowledged();
    erin.send("<presence type='subscribed' to='alice@localhost'/>");
    wait_for("the lists of both groups to agree", || {
        let to = subscription(&mut alice, "g1", "erin@localhost")?;
        let from = subscription(&mut erin, "g2", "alice@localhost");
        (to == "to" && from.as_deref() == Some("from")).then_some(())
    });
    nothing_twice(&mut [&mut alice, &mut erin]);

    // Alice and Erin are of different pairs, Bob and Frank are away.
    let counts = [Counts::default(), Counts::default()];
    let each = |count: fn(&Counts) -> &AtomicUsize| {
        { counts.each_ref() }.map(|counts| count(counts).load(Ordering::SeqCst))
    };
    let over = AtomicBool::new(false);
    let (last, rounds) = thread::scope(|scope| {
        let listens = Over(&over);
        let talks = [
            scope.spawn(|| chat(&mut alice, ["erin", "frank"], &counts[0], &over)),
            scope.spawn(|| chat(&mut erin, ["alice", "bob"], &counts[1], &over)),
        ];
        let mut last = None;
        for _ in 0..BACKUPS {
            wait_for("them to talk", || {
                let said = each(|counts| &counts.said);
                said.iter().all(|said| 5 < *said).then_some(())
            });
            let said = each(|counts| &counts.said);
            let made = files(castor);
            last = Some((made, said, each(|counts| &counts.heard)));
        }
        drop(listens);
        (last, talks.map(|talks| talks.join().expect("it talks on")))
    });
    let (made, said, heard) = last.expect("backups are made");
    let (files, held_ms) = made;
    assert!(held_ms < 5_000, "{held_ms} ms");
    castor.wait_said(&["backup is made", "files=2", "held_ms="]);
    let made = castor.ctl(&["cluster", "backup"]);
    assert!(made.contains("have waited for"), "{made}");
    assert_eq!(made.lines().count(), 3, "{made}");
    for member in [pollux, romulus, remus] {
        let left = fs::read_dir(member.path("data/backups")).map(Iterator::count);
        assert_eq!(left.unwrap_or(0), 0, "{} keeps a part", member.name);
    }
    // Those who chatted have it all, in order, and are still signed in.
    hears_once(&mut alice, "erin", 1..rounds[1] + 1);
    hears_once(&mut erin, "alice", 1..rounds[0] + 1);
    old.iter_mut().for_each(Member::stop);

    let [castor, pollux, romulus, remus] = restored(&files);
    // Those who were away have each message that was acknowledged before.
    let mut bob = pollux.client("bob");
    hears_once(&mut bob, "erin", 1..said[1] + 1);
    let mut frank = remus.client("frank");
    hears_once(&mut frank, "alice", 1..said[0] + 1);
    // The others have what they had not received by then.
    let mut alice = castor.client("alice");
    hears_once(&mut alice, "erin", heard[0] + 1..said[1] + 1);
    let mut erin = romulus.client("erin");
    hears_once(&mut erin, "alice", heard[1] + 1..said[0] + 1);
    let answer = ask(&mut alice, "g3", "type='get'", VCARD);
    assert_eq!(card(&answer), Some(("Alice".to_owned(), 1)));
    let kept = private(&mut erin, "g4");
    assert!(kept.contains("Hamlet"), "{kept}");
    let to = subscription(&mut alice, "g5", "erin@localhost");
    assert_eq!(to.as_deref(), Some("to"));
    let from = subscription(&mut erin, "g6", "alice@localhost");
    assert_eq!(from.as_deref(), Some("from"));
    // What they say now has nothing to do with what was under way then.
    for client in [&mut alice, &mut erin, &mut bob, &mut frank] {
        while client.waiting().front().is_some() {
            client.next();
        }
    }
    say(&mut alice, "frank", "afresh");
    hear(&mut frank, "afresh");
    say(&mut erin, "bob", "afresh");
    hear(&mut bob, "afresh");
    nothing_twice(&mut [&mut alice, &mut erin, &mut bob, &mut frank]);
}

/// A new cluster, by the commands of the book.
#[track_caller]
fn restored(files: &[PathBuf]) -> [Member; 4] {
    let mut castor = Member::prepare("castor");
    fs::copy(&files[0], castor.path("backup")).expect("a copy");
    let out = castor.done(&RESTORE);
    assert!(out.contains("restored 2 users"), "{out}");
    assert!(out.contains("it is one of 2 subclusters"), "{out}");
    castor.begin();
    let second = ["--subcluster", "2", "--replaces"];
    let romulus = [&second[..], &["3"]].concat();
    let romulus = comes_back(&castor, "romulus", &romulus, Some(&files[1]));
    let pollux = comes_back(&castor, "pollux", &["--replaces", "2"], None);
    let remus = comes_back(&castor, "remus", &[&second[..], &["4"]].concat(), None);
    for (first, twin, homes) in [
        (&castor, &pollux, [(1, 1), (2, 2)]),
        (&romulus, &remus, [(3, 3), (4, 4)]),
    ] {
        first.wait_protected();
        first.fall_back();
        twin.wait_served(&homes);
        let verdict = first.ctl(&["subcluster", "verify"]);
        assert!(verdict.contains("all replicas are equal"), "{verdict}");
    }
    [castor, pollux, romulus, remus]
}
