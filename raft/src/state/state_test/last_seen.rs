//! Since when a user is gone, and who may know it (XEP-0012 section 3).

use bytes::Bytes;
use pollux_domain::contract::{Action, EndReason};
use pollux_domain::ids::{GroupMs, WallMs};
use pollux_domain::limits;

use super::world::{World, user};
use crate::state::{Activity, LastSeen};

fn activity(world: &World, observer: &str, of: &str) -> Option<Activity> {
    world.state.activity(&user(observer), &user(of))
}

fn gone(at: u64, words: Option<&'static str>) -> Option<Activity> {
    Some(Activity::Gone(LastSeen {
        at: Some(WallMs(at)),
        words: words.map(|words| Bytes::from_static(words.as_bytes())),
    }))
}

#[test]
fn those_who_see_a_user_know_since_when_it_is_gone() {
    let mut world = World::new(&["ann", "ben", "cid"]);
    let never = Some(Activity::Gone(LastSeen::default()));
    assert_eq!(activity(&world, "ann", "ann"), never);
    world.befriend("ann", "ben");
    world.online("ann/desk");
    world.online("ann/phone");
    assert_eq!(activity(&world, "ben", "ann"), Some(Activity::Here));
    world.unavailable("ann/desk");
    world.now = GroupMs(7_000);
    world.end("ann/desk", EndReason::Closed);
    assert_eq!(activity(&world, "ben", "ann"), Some(Activity::Here));
    world.unavailable("ann/phone");
    world.now = GroupMs(9_000);
    world.end("ann/phone", EndReason::Closed);
    world.now = GroupMs(20_000);
    assert_eq!(activity(&world, "ben", "ann"), gone(9_000, Some("bye")));
    assert_eq!(activity(&world, "cid", "ann"), None);
    assert_eq!(activity(&world, "cid", "nobody"), None);
}

/// Who is lost says nothing; and a session that waits for its client is there.
#[test]
fn who_is_lost_leaves_no_words() {
    let mut world = World::new(&["ann"]);
    world.online("ann/desk");
    world.unavailable("ann/desk");
    world.available("ann/desk", 0);
    world.detach("ann/desk");
    assert_eq!(activity(&world, "ann", "ann"), Some(Activity::Here));
    world.now = GroupMs(limits::RESUMPTION_MS);
    world.expire("ann/desk");
    assert_eq!(
        activity(&world, "ann", "ann"),
        gone(limits::RESUMPTION_MS, None)
    );
}

#[test]
fn long_words_are_not_kept() {
    let mut world = World::new(&["ann"]);
    for (octets, kept) in [
        (limits::LAST_WORDS_BYTES_MAX, true),
        (limits::LAST_WORDS_BYTES_MAX + 1, false),
    ] {
        world.online("ann/desk");
        let bytes = Bytes::from(vec![b'x'; octets]);
        let device = None;
        world.act("ann/desk", Action::Availability { device, bytes });
        world.end("ann/desk", EndReason::Closed);
        let Some(Activity::Gone(last)) = activity(&world, "ann", "ann") else {
            panic!("gone");
        };
        assert_eq!(last.words.is_some(), kept, "{octets}");
    }
}
