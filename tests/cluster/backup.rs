//! A backup that is made while people chat, and a new cluster that is made of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::common::client::{Answers, Client};
use super::common::deadline::wait_for;
use super::common::stream::xml;
use super::groups::two_groups;
use super::site::{Member, hear, pair, say};
use super::stored::{LIST, VCARD, ask, card, done};

pub const RESTORE: [&str; 5] = ["cluster", "restore", "backup", "--config", "pollux.toml"];

/// A folder that is as it was before anything was restored to it.
#[track_caller]
pub fn is_untouched(member: &Member) {
    let left = fs::read_dir(member.path("data")).map(Iterator::count);
    assert_eq!(left.unwrap_or(0), 0);
}

#[test]
fn a_new_cluster_goes_on_with_what_users_had() {
    let [castor, pollux, _witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    pollux.add_user("carol");
    castor.ctl(&["settings", "set", "sign-in.plain=on"]);
    castor.ctl(&["administrator", "add", "ann", "--role", "auditor"]);
    castor.ctl(&["token", "add", "program", "--role", "operator"]);
    let mut alice = castor.client("alice");
    let item = format!("<query xmlns='{LIST}'><item jid='bob@localhost' name='Bob'/></query>");
    done(&mut alice, "s1", &item);
    let vcard = "<vCard xmlns='vcard-temp'><FN>Alice</FN><PHOTO><BINVAL>x</BINVAL></PHOTO></vCard>";
    done(&mut alice, "s2", vcard);
    say(&mut alice, "carol", "stored");
    // He is here, and does not say what he has.
    let mut bob = Client::connect(pollux.clients(), "bob", Some("desk"));
    bob.enable(true, Answers::Never);
    bob.send("<presence/>");
    bob.round_trip();
    say(&mut alice, "bob", "unacknowledged");
    // Asked of either node: the backup is where that node is.
    let made = pollux.ctl(&["cluster", "backup"]);
    say(&mut alice, "carol", "later");
    let path = made.trim();
    let listed = pollux.ctl(&["cluster", "backups"]);
    assert!(listed.contains(path), "{listed}");
    let size = fs::metadata(path).expect("a backup").len();
    assert!(listed.contains(&size.to_string()), "{listed}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");

    let mut reborn = Member::prepare("reborn");
    fs::copy(path, reborn.path("backup")).expect("a copy");
    let out = reborn.done(&RESTORE);
    assert!(
        out.contains("restored 3 users and 2 stored messages"),
        "{out}"
    );
    assert!(out.contains("node 1 is the first node of cluster"), "{out}");
    // The old cluster is still there; the new one has nothing to do with it.
    reborn.begin();
    reborn.wait_served(&[(1, 1), (2, 1)]);
    let plain = reborn.ctl(&["settings", "show", "sign-in.plain"]);
    assert!(plain.contains("on"), "{plain}");
    // What a program was given may have been taken back since.
    let administrators = reborn.ctl(&["administrator", "list"]);
    assert!(administrators.contains("ann"), "{administrators}");
    assert_eq!(reborn.ctl(&["token", "list", "--json"]).trim(), "[]");
    let mut alice = reborn.client("alice");
    let answer = ask(
        &mut alice,
        "g1",
        "type='get'",
        &format!("<query xmlns='{LIST}'/>"),
    );
    assert!(xml(&answer).contains("name='Bob'"), "{}", xml(&answer));
    let answer = ask(&mut alice, "g2", "type='get'", VCARD);
    assert_eq!(card(&answer), Some(("Alice".to_owned(), 1)));
    let mut bob = reborn.client("bob");
    hear(&mut bob, "unacknowledged");
    let mut carol = reborn.client("carol");
    hear(&mut carol, "stored");
    say(&mut alice, "carol", "afresh");
    hear(&mut carol, "afresh");

    // Its old twin and a witness make it a pair again; users go home.
    let twin = reborn.invite("twin", &["--replaces", "2"]);
    let _witness = reborn.invite("third", &["--witness"]);
    reborn.wait_protected();
    reborn.fall_back();
    twin.wait_served(&[(1, 1), (2, 2)]);
    carol.resume(twin.clients());
    say(&mut carol, "alice", "from home");
    hear(&mut alice, "from home");
    let verdict = reborn.ctl(&["subcluster", "verify"]);
    assert!(verdict.contains("all replicas are equal"), "{verdict}");
    // What was under way in the old cluster is still under way there.
    let old = castor.ctl(&["session", "list"]);
    assert!(old.contains("bob@localhost/desk"), "{old}");
}

#[test]
fn what_cannot_be_restored_leaves_nothing() {
    let castor = Member::first("castor");
    castor.wait_served(&[(1, 1)]);
    castor.add_user("alice");
    let made = castor.ctl(&["cluster", "backup"]);
    let whole = fs::read(made.trim()).expect("a backup");
    let member = Member::prepare("reborn");
    let backup = member.path("backup");
    let refused = |bytes: &[u8], code: i32, said: &str| {
        fs::write(&backup, bytes).expect("a file");
        let ended = member.run(&RESTORE);
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
        is_untouched(&member);
    };
    refused(b"", 66, "it is no backup of Pollux");
    refused(b"Pollux backup?\n", 66, "it is no backup of Pollux");
    refused(&whole[..whole.len() - 1], 66, "the file is cut off");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    refused(&changed, 66, "use another backup");
    fs::remove_file(&backup).expect("it was there");
    let ended = member.run(&RESTORE);
    assert!(ended.err.contains("open the backup"), "{}", ended.err);
    is_untouched(&member);
    let (own, other) = ("domain = \"localhost\"", "domain = \"example.org\"");
    member.change_setting(own, other);
    refused(&whole, 66, "the backup is of the domain localhost");
    member.change_setting(other, own);
    fs::write(&backup, &whole).expect("a file");
    member.done(&RESTORE);
    // A folder that is of a cluster is left as it is.
    let ended = member.run(&RESTORE);
    assert_eq!(ended.code, Some(73), "{}", ended.err);
    assert!(
        ended.err.contains("is of a cluster already"),
        "{}",
        ended.err
    );
    let mut member = member;
    member.begin();
    member.wait_served(&[(1, 1)]);
    member.client("alice").round_trip();
}

/// Makes a backup: its files, all in the folder of that node, and for how many milliseconds the
/// subclusters were held.
#[track_caller]
pub fn files(member: &Member) -> (Vec<PathBuf>, u64) {
    let made = member.ctl(&["cluster", "backup", "--json"]);
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let folder = member.path("data/backups");
    let folder = folder.canonicalize().expect("a folder");
    let rows = made["files"].as_array().expect("rows").iter();
    let files = rows.map(|row| {
        let path = PathBuf::from(row["path"].as_str().expect("a path"));
        assert_eq!(path.parent(), Some(&*folder), "of {}", member.name);
        assert_eq!(fs::metadata(&path).expect("a file").len(), row["bytes"]);
        path
    });
    (files.collect(), made["held_ms"].as_u64().expect("a number"))
}

#[test]
fn several_subclusters_come_back_as_they_were_at_one_moment() {
    let [mut castor, mut romulus] = two_groups();
    let mut alice = castor.client("alice");
    castor.add_user("carol");
    say(&mut alice, "bob", "stored over there");
    say(&mut alice, "carol", "stored here");
    alice.all_acknowledged();
    wait_for("the other group to have it", || {
        let users = romulus.ctl(&["user", "list", "--json"]);
        let users: Value = serde_json::from_str(&users).ok()?;
        let mut users = users.as_array()?.iter();
        let bob = users.find(|row| row["user"] == "bob@localhost")?;
        (bob["offline_count"] == 1).then_some(())
    });
    let (older, _) = files(&romulus);
    assert_eq!(older.len(), 2);
    let (files, _) = files(&castor);
    let names: Vec<&str> = { files.iter() }.filter_map(|path| path.to_str()).collect();
    assert!(names[0].ends_with("-subcluster-1.backup"), "{names:?}");
    assert!(names[1].ends_with("-subcluster-2.backup"), "{names:?}");
    // What one group does not know yet stands in the other's part.
    romulus.kill();
    let alone = castor.run(&["ctl", "--config", "pollux.toml", "cluster", "backup"]);
    let said = "no node of subcluster 2 is connected";
    assert!(alone.err.contains(said), "{}", alone.err);
    castor.stop();

    let mut reborn = Member::prepare("reborn");
    fs::copy(&files[0], reborn.path("backup")).expect("a copy");
    let out = reborn.done(&RESTORE);
    assert!(
        out.contains("restored 2 users and 1 stored messages"),
        "{out}"
    );
    assert!(out.contains("it is one of 2 subclusters"), "{out}");
    reborn.begin();
    reborn.wait_served(&[(1, 1)]);
    // While the other is not there, it is not said to be.
    let mut alice = reborn.client("alice");
    say(&mut alice, "bob", "waits for the other group");
    // What does not belong there does not use the token up.
    let invite = ["cluster", "invite", "--subcluster", "2", "--replaces", "2"];
    let token = reborn.ctl(&invite);
    let join = |file: &Path, member: &Member| {
        fs::copy(file, member.path("backup")).expect("a copy");
        let join = ["cluster", "join", token.trim(), "--config", "pollux.toml"];
        member.run(&[&join[..], &["--restore", "backup"]].concat())
    };
    let mut remus = Member::prepare("remus");
    // Nor does one that is forgotten.
    let bare = ["cluster", "join", token.trim(), "--config", "pollux.toml"];
    let refused = remus.run(&bare);
    assert_eq!(refused.code, Some(69), "{}", refused.err);
    let said = "no node of subcluster 2 is back: bring its file along with `--restore FILE`";
    assert!(refused.err.contains(said), "{}", refused.err);
    is_untouched(&remus);
    for (file, said) in [
        (
            &older[1],
            "not of the backup of which the cluster was restored",
        ),
        (
            &files[0],
            "of subcluster 1, and the token is for subcluster 2",
        ),
    ] {
        let refused = join(file, &remus);
        assert_eq!(refused.code, Some(69), "{}", refused.err);
        assert!(refused.err.contains(said), "{}", refused.err);
        is_untouched(&remus);
    }
    let joined = join(&files[1], &remus);
    assert_eq!(joined.code, Some(0), "{}", joined.err);
    let said = "restored 1 users and 1 stored messages";
    assert!(joined.out.contains(said), "{}", joined.out);
    remus.begin();
    remus.wait_served(&[(2, 2)]);
    let mut bob = remus.client("bob");
    hear(&mut bob, "stored over there");
    hear(&mut bob, "waits for the other group");
    say(&mut bob, "alice", "back");
    hear(&mut alice, "back");
    say(&mut alice, "bob", "once more");
    hear(&mut bob, "once more");
    let mut carol = reborn.client("carol");
    hear(&mut carol, "stored here");
    for client in [&alice, &bob, &carol] {
        let again = client.waiting().iter().filter(|e| e.name() == "message");
        assert_eq!(again.count(), 0, "{} heard something twice", client.account);
    }
}

#[test]
fn a_file_of_another_subcluster_does_not_begin_with_a_node_of_the_first() {
    let [castor, _romulus] = two_groups();
    let (files, _) = files(&castor);
    let mut member = Member::prepare("reborn");
    fs::copy(&files[1], member.path("backup")).expect("a copy");
    let ended = member.run(&RESTORE);
    assert_eq!(ended.code, Some(66), "{}", ended.err);
    let said = "the backup is of subcluster 2, and node.id is a node of another; its nodes were 2";
    assert!(ended.err.contains(said), "{}", ended.err);
    is_untouched(&member);
    member.change_setting("[node]\n", "[node]\nid = 2\n");
    member.done(&RESTORE);
    member.begin();
    member.wait_served(&[(2, 2)]);
    member.client("bob").round_trip();
}

#[test]
fn backups_are_made_while_people_chat() {
    let castor = Member::first("castor");
    castor.wait_served(&[(1, 1)]);
    for name in ["alice", "bob"] {
        castor.add_user(name);
    }
    let mut alice = castor.client("alice");
    // Messages are stored and handed out while rows are read.
    let mut last = String::new();
    for round in 0..8 {
        for message in 0..50 {
            say(&mut alice, "bob", &format!("r{round}m{message}"));
        }
        last = castor.ctl(&["cluster", "backup"]);
        let mut bob = castor.client("bob");
        hear(&mut bob, &format!("r{round}m0"));
        for message in 1..50 {
            hear(&mut bob, &format!("r{round}m{message}"));
        }
        bob.all_acknowledged();
        bob.close();
        wait_for("the session to end", || {
            let list = castor.ctl(&["session", "list"]);
            (!list.contains("bob@")).then_some(())
        });
    }
    let reborn = Member::prepare("reborn");
    fs::copy(last.trim(), reborn.path("backup")).expect("a copy");
    let out = reborn.done(&RESTORE);
    assert!(
        out.contains("restored 2 users and 50 stored messages"),
        "{out}"
    );
}
