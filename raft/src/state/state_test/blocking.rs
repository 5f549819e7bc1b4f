//! XEP-0191: what is said by and to those whom a user has blocked.

use bytes::Bytes;
use pollux_domain::blocking::BlockChange::{self, Block, Unblock, UnblockAll};
use pollux_domain::contract::{Action, Command, EndReason, ParcelKind, Refusal, Reply};
use pollux_domain::hints::Hints;
use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_domain::subscription::SubscriptionRequest::{Subscribe, Subscribed};

use super::groups::cluster::two;
use super::world::{World, jid};

impl World {
    pub(super) fn block(&mut self, device: &str, change: BlockChange) {
        let account = device.split('/').next().unwrap_or_default();
        let iq = super::world::parcel(device, account, ParcelKind::IqRequest, "set");
        let result = Bytes::from_static(b"result");
        self.act(
            device,
            Action::Block {
                iq: iq.into(),
                result,
                change,
            },
        );
    }

    fn ask_blocks(&mut self, device: &str) {
        let request = Bytes::from_static(b"blocks");
        self.act(device, Action::AskBlockList { request });
    }
}

fn jids(names: &[&str]) -> Vec<Jid> {
    names.iter().map(|name| jid(name)).collect()
}

/// Ann and ben see each other, and each has a device; nothing waits.
fn begun() -> World {
    let mut world = World::new(&["ann", "ben", "cid"]);
    world.befriend("ann", "ben");
    for device in ["ann/desk", "ben/desk", "ben/phone", "cid/desk"] {
        world.online(device);
    }
    for device in ["ben/desk", "ben/phone"] {
        world.read(device);
    }
    world.heard();
    world
}

/// Section 3.3: each seems to the other to have gone, and to have come back when it is over.
#[test]
fn who_is_blocked_sees_the_user_go_and_come_back() {
    let mut world = begun();
    world.block("ann/desk", Block(jids(&["ben"])));
    world.hears(&[
        "ann/desk: result",
        "ben/desk: ann/desk is gone",
        "ben/phone: ann/desk is gone",
        "ann/desk: ben/desk is gone",
        "ann/desk: ben/phone is gone",
    ]);
    world.available("ann/desk", 1);
    world.available("ben/desk", 1);
    world.hears(&[
        "ann/desk: ann/desk is here 1",
        "ben/desk: ben/desk is here 1",
        "ben/phone: ben/desk is here 1",
    ]);
    // Nor is one told who comes or resumes.
    world.managed("ben/web");
    world.available("ben/web", 0);
    let told = world.heard();
    assert!(told.iter().all(|line| !line.contains("ann")), "{told:?}");
    world.detach("ben/web");
    world.end("ann/desk", EndReason::Closed);
    let news = world.state.news_for(world.id("ben/web"));
    let of_ann = news
        .iter()
        .filter(|news| news.from.bare_str() == "ann@example.org");
    assert_eq!(of_ann.count(), 0, "{news:?}");
    world.end("ben/web", EndReason::Closed);
    world.online("ann/desk");
    world.heard();
    world.block("ann/desk", Unblock(jids(&["ben"])));
    world.hears(&[
        "ann/desk: result",
        "ben/desk: ann/desk is here 0",
        "ben/phone: ann/desk is here 0",
        "ann/desk: ben/desk is here 1",
        "ann/desk: ben/phone is here 0",
    ]);
    assert_eq!(world.contacts("ann"), ["ben both"]);
}

/// Section 3.3: errors for messages and requests, silence for the rest.
#[test]
fn what_the_blocked_say_does_not_arrive() {
    let mut world = begun();
    world.block("ann/desk", Block(jids(&["ben"])));
    world.read("ann/desk");
    world.heard();
    world.chat("ben/desk", "ann", "one");
    world.say("ben/desk", "ann/desk", ParcelKind::IqRequest, "two");
    world.say("ben/desk", "ann/desk", ParcelKind::IqResponse, "three");
    world.say("ben/desk", "ann/desk", ParcelKind::MessageError, "four");
    world.direct("ben/desk", "ann/desk", true);
    world.hears(&[
        "ben/desk: one refused, ServiceUnavailable",
        "ben/desk: two refused, ServiceUnavailable",
    ]);
    assert_eq!(world.stored("ann"), 0);
    assert_eq!(world.waits("ann/desk"), [""; 0]);
}

/// Section 3.3, "outbound stanza": nothing goes out, and the user gets to know why.
#[test]
fn nothing_is_said_to_the_blocked() {
    let mut world = begun();
    world.block("ann/desk", Block(jids(&["ben"])));
    world.read("ann/desk");
    world.heard();
    world.chat("ann/desk", "ben", "one");
    world.say("ann/desk", "ben/desk", ParcelKind::IqRequest, "two");
    world.direct("ann/desk", "ben/desk", true);
    world.subscription("ann/desk", Subscribe, "ben");
    world.hears(&[
        "ann/desk: one refused, Blocked",
        "ann/desk: two refused, Blocked",
        "ann/desk: hello refused, Blocked",
        "ann/desk: subscribe from ann refused, Blocked",
    ]);
}

/// A request of the blocked is neither shown nor answered before the block ends; what was asked of
/// them may be granted.
#[test]
fn subscriptions_of_the_blocked_wait_in_silence() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.online("ben/desk");
    world.subscription("ann/desk", Subscribe, "ben");
    world.block("ann/desk", Block(jids(&["ben"])));
    world.heard();
    world.subscription("ben/desk", Subscribe, "ann");
    world.subscription("ben/desk", Subscribed, "ann");
    world.online("ann/phone");
    let told = world.heard();
    let shown = told
        .iter()
        .any(|line| line.contains("subscri") && line.starts_with("ann"));
    assert!(!shown, "{told:?}");
    assert_eq!(world.contacts("ann"), ["ben to"]);
    world.block("ann/desk", UnblockAll);
    let told = world.heard();
    for device in ["ann/desk", "ann/phone"] {
        let line = format!("{device}: subscribe from ben");
        assert!(told.contains(&line), "{told:?}");
    }
}

/// Section 3.3: directed presence ends for who is blocked.
#[test]
fn directed_presence_ends_for_the_blocked() {
    let mut world = begun();
    world.direct("ann/desk", "cid/desk", true);
    world.heard();
    world.block("ann/desk", Block(jids(&["cid"])));
    world.hears(&["ann/desk: result", "cid/desk: ann/desk is gone"]);
    world.unavailable("ann/desk");
    let told = world.heard();
    assert!(told.iter().all(|line| !line.starts_with("cid")), "{told:?}");
}

/// Section 6: an entry for one device leaves the others alone.
#[test]
fn one_device_can_be_blocked_alone() {
    let mut world = begun();
    world.block("ann/desk", Block(jids(&["ben/desk"])));
    world.read("ann/desk");
    world.heard();
    world.chat("ben/desk", "ann", "one");
    world.chat("ben/phone", "ann", "two");
    world.available("ben/desk", 3);
    world.available("ben/phone", 3);
    world.hears(&[
        "ben/desk: one refused, ServiceUnavailable",
        "ann/desk: two",
        "ben/desk: ben/desk is here 3",
        "ben/phone: ben/desk is here 3",
        "ann/desk: ben/phone is here 3",
        "ben/desk: ben/phone is here 3",
        "ben/phone: ben/phone is here 3",
    ]);
}

/// Section 5, note 1: not even by the own domain.
#[test]
fn own_devices_are_never_blocked() {
    let mut world = begun();
    let domain = Jid::parse("example.org").unwrap();
    world.block("ben/desk", Block(vec![domain]));
    world.read("ben/desk");
    world.heard();
    world.chat("ben/desk", "ben/phone", "note");
    world.chat("ann/desk", "ben", "hello");
    world.available("ben/desk", 2);
    world.hears(&[
        "ben/phone: note",
        "ann/desk: hello refused, ServiceUnavailable",
        "ben/desk: ben/desk is here 2",
        "ben/phone: ben/desk is here 2",
    ]);
}

/// Sections 3.2 and 3.3: those who have asked for the list are told of changes.
#[test]
fn devices_that_know_the_list_are_told_of_changes() {
    let mut world = begun();
    world.ask_blocks("ben/phone");
    world.heard();
    world.block("ben/desk", Block(jids(&["cid"])));
    world.block("ben/desk", UnblockAll);
    let told = world.heard();
    let pushes: Vec<&String> = told.iter().filter(|line| line.contains("push")).collect();
    let [block, unblock] = pushes.as_slice() else {
        panic!("{told:?}");
    };
    assert!(block.starts_with("ben/phone: push Block"), "{block}");
    assert_eq!(*unblock, "ben/phone: push UnblockAll");
    assert_eq!(world.state.block_list(&super::world::user("ben")), []);
}

#[test]
fn a_list_at_its_limit_refuses_all_of_a_change() {
    let mut world = begun();
    let many = |count: usize| Block((0..count).map(|n| jid(&format!("u{n}"))).collect());
    world.block("ann/desk", many(limits::BLOCKED_MAX));
    world.heard();
    world.block("ann/desk", Block(jids(&["u1", "ben"])));
    world.hears(&["ann/desk: set refused, ResourceConstraint"]);
    let list = world.state.block_list(&super::world::user("ann"));
    assert_eq!(list.len(), limits::BLOCKED_MAX);
    assert!(!list.contains(&jid("ben")));
}

/// What was kept before the block was accepted, and is delivered.
#[test]
fn what_was_accepted_before_is_delivered() {
    let mut world = begun();
    world.unavailable("ann/desk");
    world.chat("ben/desk", "ann", "one");
    world.block("ann/desk", Block(jids(&["ben"])));
    world.read("ann/desk");
    world.available("ann/desk", 0);
    assert_eq!(world.waits("ann/desk"), ["stored one"]);
    let fleeting = Hints {
        fleeting: true,
        ..Hints::default()
    };
    world.hinted("ben/desk", "ann", "types", fleeting);
    assert_eq!(world.waits("ann/desk"), ["stored one"]);
}

/// Between groups each keeps its own users' lists.
#[test]
fn a_block_holds_between_groups() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ann").block("ann/desk", Block(jids(&["ben"])));
    cluster.carry();
    let told = cluster.of("ann").heard();
    assert!(
        told.contains(&"ann/desk: ben/desk is gone".to_owned()),
        "{told:?}"
    );
    cluster.of("ben").hears(&["ben/desk: ann/desk is gone"]);
    cluster.of("ann").available("ann/desk", 4);
    cluster.of("ben").available("ben/desk", 4);
    cluster.of("ben").chat("ben/desk", "ann", "one");
    cluster.carry();
    cluster.of("ann").hears(&["ann/desk: ann/desk is here 4"]);
    cluster.of("ben").hears(&[
        "ben/desk: ben/desk is here 4",
        "ben/desk: one refused, ServiceUnavailable",
    ]);
    cluster.of("ann").block("ann/desk", UnblockAll);
    cluster.carry();
    let told = cluster.of("ann").heard();
    assert!(
        told.contains(&"ann/desk: ben/desk is here 4".to_owned()),
        "{told:?}"
    );
    cluster.of("ben").hears(&["ben/desk: ann/desk is here 4"]);
}

impl World {
    fn decides(&mut self, name: &str, settings: &[(&str, &str)]) {
        let settings = settings.iter();
        let settings =
            settings.map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())));
        self.done(Command::Privacy {
            user: super::world::user(name),
            settings: settings.collect(),
        });
    }
}

/// Cisco's "Block", with its contact-list rule: strangers reach nobody, contacts stay.
#[test]
fn a_policy_blocks_whom_the_user_does_not_know() {
    let mut world = begun();
    world.decides("ann", &[("internal", "block")]);
    world.hears(&[]);
    world.chat("cid/desk", "ann", "one");
    world.chat("ben/desk", "ann", "two");
    world.subscription("cid/desk", Subscribe, "ann");
    let told = world.heard();
    let refused = "cid/desk: one refused, ServiceUnavailable".to_owned();
    assert!(told.contains(&refused), "{told:?}");
    assert!(told.contains(&"ann/desk: two".to_owned()), "{told:?}");
    assert!(
        !told.contains(&"ann/desk: subscribe".to_owned()),
        "{told:?}"
    );
    // An exception, and its end.
    world.decides("ann", &[("allowed", "cid@example.org")]);
    world.chat("cid/desk", "ann", "three");
    world.hears(&["ann/desk: subscribe from cid", "ann/desk: three"]);
    world.decides("ann", &[("internal", "default"), ("allowed", "none")]);
    world.chat("cid/desk", "ann", "four");
    world.hears(&["ann/desk: four"]);
}

/// Whom an administrator blocks for a user is in the list that clients know.
#[test]
fn blocking_by_policy_and_by_client_is_one_list() {
    let mut world = begun();
    world.ask_blocks("ann/desk");
    world.heard();
    world.decides("ann", &[("blocked", "ben@example.org,cid@example.org")]);
    let told = world.heard();
    assert!(told[0].starts_with("ann/desk: push Block"), "{told:?}");
    assert!(
        told.contains(&"ben/desk: ann/desk is gone".to_owned()),
        "{told:?}"
    );
    world.decides("ann", &[("blocked", "cid@example.org")]);
    let told = world.heard();
    assert!(told[0].starts_with("ann/desk: push Unblock"), "{told:?}");
    assert!(
        told.contains(&"ben/desk: ann/desk is here 0".to_owned()),
        "{told:?}"
    );
    let user = super::world::user("ann");
    assert_eq!(world.state.block_list(&user), jids(&["cid"]));
    let wrong = Command::Privacy {
        user: user.clone(),
        settings: vec![
            ("blocked".to_owned(), None),
            ("internal".to_owned(), Some("maybe".to_owned())),
        ],
    };
    assert_eq!(world.run(&wrong).reply, Reply::Refused(Refusal::Invalid));
    assert_eq!(world.state.block_list(&user), jids(&["cid"]));
}

/// Cisco's "Allow" and "Ask me": what a user has decided goes before what is set for all.
#[test]
fn a_policy_says_who_is_let_in_unasked() {
    let mut world = begun();
    for (auto, internal, expected) in [
        (true, "default", true),
        (true, "ask", false),
        (false, "default", false),
        (false, "allow", true),
    ] {
        world.rules(|rules| rules.auto_authorise = auto);
        world.decides("ann", &[("internal", internal)]);
        let authorises = world
            .state
            .authorises(&super::world::user("ann"), &super::world::user("cid"));
        assert_eq!(authorises, expected, "{auto} {internal}");
    }
}
