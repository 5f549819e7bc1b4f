//! What the configuration says of users: nobody who lags behind it undoes it.

use pollux_domain::contract::{Agreement, AsOf, Refusal, Reply};
use pollux_domain::ids::SubclusterId;

use super::world::{HOME, World, user};

fn version(version: u64) -> AsOf {
    AsOf {
        reforms: 0,
        version,
    }
}

/// A node that was cut off in the middle went on with the configuration that it had, and released
/// users who had come meanwhile, with all that was kept for them.
#[test]
fn an_older_configuration_takes_nobody_away() {
    let mut world = World::new(&["ann"]);
    world.done(Agreement::Begin.under(version(5)));
    let ben = || user("ben");
    let adopt = Agreement::Adopt {
        user: ben(),
        home: HOME,
    };
    world.done(adopt.under(version(5)));
    let users = vec![(user("zoe"), Some(SubclusterId(2)))];
    let stale = [
        Agreement::Begin,
        Agreement::Release { user: ben() },
        Agreement::Adopt {
            user: user("cy"),
            home: HOME,
        },
        Agreement::Foreign { users },
    ];
    for part in stale {
        let applied = world.run(&part.clone().under(version(4)));
        let refused = Reply::Refused(Refusal::StaleConfiguration);
        assert_eq!(applied.reply, refused, "{part:?}");
    }
    assert!(world.state.has_user(&ben()) && !world.state.has_user(&user("cy")));
    world.done(Agreement::Release { user: ben() }.under(version(5)));
    assert!(!world.state.has_user(&ben()));
}

/// What was decided after a forced takeover counts, though the configuration went on from an
/// earlier version.
#[test]
fn a_forced_takeover_begins_a_new_count() {
    let mut world = World::new(&["ann"]);
    world.done(Agreement::Begin.under(version(900)));
    let reformed = AsOf {
        reforms: 1,
        version: 850,
    };
    world.done(Agreement::Release { user: user("ann") }.under(reformed));
    assert!(!world.state.has_user(&user("ann")));
}
