//! A disabled account (RFC 6120 section 6.5.2): its sessions end, contacts see it go, what is said
//! to it is kept, and it gets no session before it is enabled, whoever serves.

use pollux_domain::contract::{Agreement, AsOf, Command, Refusal, Reply};
use pollux_domain::ids::Epoch;
use pollux_store::codec;

use super::groups::cluster::two;
use super::world::{World, user};

fn disabled(name: &str, disabled: bool) -> Command {
    let user = user(name);
    Agreement::Disabled { user, disabled }.under(AsOf::default())
}

/// What a sign-in of ann comes to.
fn signs_in(world: &mut World, epoch: u64) -> Reply {
    let sign_in = Command::SignIn {
        user: user("ann"),
        resource: "web".to_owned(),
        epoch: Epoch(epoch),
        token: [1; 16],
        carbons: false,
    };
    world.run(&sign_in).reply
}

#[test]
fn sessions_end_contacts_are_told_and_messages_wait() {
    let mut world = World::new(&["ann", "ben"]);
    world.befriend("ann", "ben");
    for device in ["ben/desk", "ann/phone", "ann/desk"] {
        world.online(device);
    }
    world.detach("ann/desk");
    world.chat("ben/desk", "ann/phone", "on its way");
    world.heard();
    world.done(disabled("ann", true));
    let told = world.heard();
    for line in [
        "ben/desk: ann/phone is gone",
        "ben/desk: ann/desk is gone",
        "ann/phone: ended, UserDisabled",
        "ann/desk: ended, UserDisabled",
    ] {
        assert!(told.iter().any(|one| one == line), "{line}: {told:?}");
    }
    assert!(!world.is_signed_in("ann/phone") && !world.is_signed_in("ann/desk"));
    world.chat("ben/desk", "ann", "said later");
    assert_eq!(world.stored("ann"), 2);
    assert_eq!(
        world.contacts("ben"),
        ["ann both"],
        "they are contacts still"
    );

    world.done(disabled("ann", false));
    world.heard();
    world.managed("ann/phone");
    world.available("ann/phone", 0);
    let told = world.heard();
    for line in [
        "ann/phone: stored on its way",
        "ann/phone: stored said later",
        "ben/desk: ann/phone is here 0",
    ] {
        assert!(told.iter().any(|one| one == line), "{line}: {told:?}");
    }
}

#[test]
fn there_is_no_session_before_it_is_enabled_whoever_serves_and_whatever_is_restored() {
    let mut world = World::new(&["ann"]);
    let refused = Reply::Refused(Refusal::UserDisabled);
    world.done(disabled("ann", true));
    assert_eq!(signs_in(&mut world, 1), refused);
    world.take_over(2);
    let image = codec::encode(1, &world.state).unwrap();
    world.state = codec::decode(1, &image).unwrap();
    assert_eq!(signs_in(&mut world, 2), refused);
    world.done(disabled("ann", true));
    world.done(disabled("ann", false));
    assert!(matches!(signs_in(&mut world, 2), Reply::Session { .. }));
    world.done(disabled("ann", false));
    assert_eq!(world.state.session_rows(Some(&user("ann"))).len(), 1);
    assert_eq!(world.state.is_disabled(&user("ann")), Some(false));
    assert_eq!(
        world.run(&disabled("ben", true)).reply,
        Reply::Refused(Refusal::NoSuchUser)
    );
}

#[test]
fn users_of_another_group_see_it_go_and_write_to_one_who_is_away() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ann").done(disabled("ann", true));
    cluster.carry();
    let told = cluster.of("ben").heard();
    assert!(
        told.contains(&"ben/desk: ann/desk is gone".to_owned()),
        "{told:?}"
    );
    cluster.of("ben").chat("ben/desk", "ann", "kept");
    cluster.carry();
    assert_eq!(cluster.of("ann").stored("ann"), 1);
}
