//! The life of a session: who takes it over, how often it may be resumed, when it is given up
//! (XEP-0198, RFC 6120 section 7).

use pollux_domain::contract::{Command, Effect, Refusal, Reply};
use pollux_domain::ids::{Connection, Epoch, GroupMs, NodeId};
use pollux_domain::limits;
use pollux_domain::settings::Conflict;
use pollux_domain::takeovers::TakeoverCause;

use super::world::{HOME, World, user};

fn refused(world: &mut World, command: &Command, refusal: Refusal) {
    assert_eq!(
        world.run(command).reply,
        Reply::Refused(refusal),
        "{command:?}"
    );
}

/// RFC 6120 section 7.7.2.2, third way: the new client gets the resource, and what waited for the
/// old one.
#[test]
fn a_resource_in_use_goes_to_the_newcomer() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.online("ben/desk");
    world.chat("ann/desk", "ben", "one");
    let old = world.id("ben/desk");
    world.online("ben/desk");
    assert!(world.state.session(old).is_none());
    assert_eq!(world.stored("ben"), 0);
    assert_eq!(world.state.session_rows(Some(&user("ben"))).len(), 1);
}

#[test]
fn a_user_has_only_so_many_sessions() {
    let mut world = World::new(&["ann"]);
    for n in 0..limits::SESSIONS_PER_USER_MAX {
        world.sign_in(&format!("ann/{n}"));
    }
    let more = |resource: &str| Command::SignIn {
        user: user("ann"),
        resource: resource.to_owned(),
        epoch: Epoch(1),
        token: [0; 16],
        carbons: false,
    };
    refused(&mut world, &more("more"), Refusal::TooManySessions);
    // One that takes the place of another is none more.
    world.done(more("0"));
}

/// Design, section 5, rule 4: what is acknowledged goes, what is not waits in order, placed before
/// anything volatile; the client's count is the base of the next.
#[test]
fn a_resumption_keeps_what_is_not_acknowledged() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.managed("ben/desk");
    world.available("ben/desk", 0);
    for words in ["one", "two", "three"] {
        world.chat("ann/desk", "ben", words);
    }
    let session = world.session("ben/desk");
    let through = world.state.session(session.id).unwrap().last_seq;
    // One announcement was written before the three.
    world.done(Command::Placed {
        session,
        through,
        v: 1,
    });
    world.take_over(2);
    assert_eq!(
        world.state.session(session.id).unwrap().detached,
        Some(GroupMs(0))
    );
    let reply = world.resume("ben/desk", 2);
    let Reply::Session { session, handled } = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(
        (session.connection, session.epoch, handled),
        (Connection(2), Epoch(2), 1)
    );
    assert_eq!(world.waits("ben/desk"), ["two", "three"]);
    let state = world.state.session(session.id).unwrap();
    let wires: Vec<_> = state
        .slots
        .iter()
        .map(|slot| state.wire_count(slot))
        .collect();
    assert_eq!((state.base, wires), (2, vec![Some(3), Some(4)]));
}

/// A client that comes back before its node has noticed takes the session with it.
#[test]
fn a_session_moves_to_its_newest_stream() {
    let mut world = World::new(&["ann"]);
    world.online("ann/desk");
    let old = world.session("ann/desk");
    let h = world.state.session(old.id).unwrap().acked as u32;
    let resumed = Command::Resumed {
        session: old.id,
        epoch: old.epoch,
        h,
    };
    let applied = world.run(&resumed);
    let moved = Effect::Moved {
        session: old.id,
        connection: old.connection,
    };
    assert_eq!(applied.effects, [moved]);
    refused(
        &mut world,
        &Command::Detached { session: old },
        Refusal::StaleConnection,
    );
    assert_eq!(world.state.session(old.id).unwrap().detached, None);
}

/// XEP-0198 section 4: the count wraps at 2^32, and does not go back.
#[test]
fn the_clients_count_wraps_and_does_not_go_back() {
    let mut world = World::new(&["ann"]);
    world.managed("ann/desk");
    let session = world.session("ann/desk");
    for h in [1 << 30, 1 << 31, 3 << 30, u32::MAX] {
        world
            .state
            .session_mut(session.id, |session| session.slots.clear());
        world.done(Command::Acked { session, h });
    }
    refused(
        &mut world,
        &Command::Acked {
            session,
            h: u32::MAX - 1,
        },
        Refusal::AheadOfSent,
    );
    let wrapped = super::step::apply(
        &mut world.state,
        Default::default(),
        &Command::Acked { session, h: 4 },
    );
    assert_eq!(wrapped.reply, Reply::Done);
    assert_eq!(
        world.state.session(session.id).unwrap().acked,
        (1 << 32) + 4
    );
}

#[test]
fn only_an_enabled_session_is_resumed() {
    let mut world = World::new(&["ann"]);
    let plain = world.sign_in("ann/desk");
    let resume = |session, epoch| Command::Resumed {
        session,
        epoch,
        h: 0,
    };
    refused(
        &mut world,
        &resume(plain.id, Epoch(1)),
        Refusal::NotResumable,
    );
    let enable = Command::Enable {
        session: plain,
        resumable: false,
        written: Default::default(),
    };
    world.done(enable);
    refused(
        &mut world,
        &resume(plain.id, Epoch(1)),
        Refusal::NotResumable,
    );
    refused(&mut world, &resume(plain.id, Epoch(2)), Refusal::StaleEpoch);
    // Its stream breaks: nobody could come back to it.
    world.detach("ann/desk");
    refused(
        &mut world,
        &resume(plain.id, Epoch(1)),
        Refusal::NoSuchSession,
    );
}

/// Only a session that waits is given up, after the resumption time, counted by the group's own
/// time.
#[test]
fn a_session_is_given_up_after_its_time() {
    let mut world = World::new(&["ann"]);
    world.online("ann/desk");
    let attached = world.session("ann/desk");
    refused(
        &mut world,
        &Command::Expired { session: attached },
        Refusal::StaleConnection,
    );
    world.now = GroupMs(1_000);
    world.detach("ann/desk");
    let end = GroupMs(1_000 + limits::RESUMPTION_MS);
    assert_eq!(world.state.expired(GroupMs(end.0 - 1)), []);
    assert_eq!(world.state.expired(end), [attached]);
    // A takeover does not begin the time again.
    world.now = GroupMs(2_000);
    world.take_over(2);
    assert_eq!(world.state.expired(end).len(), 1);
    let h = world.state.session(attached.id).unwrap().acked as u32;
    world.resume("ann/desk", h);
    assert_eq!(world.state.expired(GroupMs(u64::MAX)), []);
}

/// Time enters as a stamp, and never goes back.
#[test]
fn time_does_not_go_back() {
    let mut world = World::new(&["ann"]);
    world.now = GroupMs(5_000);
    world.take_over(2);
    world.now = GroupMs(10);
    world.take_over(3);
    assert_eq!(world.state.group_time(), GroupMs(5_000));
}

#[test]
fn an_epoch_is_taken_once() {
    let mut world = World::new(&["ann"]);
    world.take_over(7);
    for epoch in [1, 6, 7] {
        let again = Command::TakeOver {
            home: HOME,
            to: NodeId(3),
            life: pollux_domain::ids::Life(1),
            epoch: Epoch(epoch),
            cause: TakeoverCause::Silent,
        };
        refused(&mut world, &again, Refusal::StaleEpoch);
    }
    assert_eq!(world.state.serving(HOME).unwrap().node, NodeId(7));
}

/// RFC 6120 section 7.7.2.2, the second way; how many sessions there are is a setting.
#[test]
fn what_is_set_decides_who_may_sign_in() {
    let mut world = World::new(&["ann"]);
    world.rules(|rules| {
        rules.conflict = Conflict::Refuse;
        rules.sessions_max = 2;
    });
    let sign_in = |resource: &str| Command::SignIn {
        user: user("ann"),
        resource: resource.to_owned(),
        epoch: Epoch(1),
        token: [0; 16],
        carbons: false,
    };
    world.sign_in("ann/desk");
    refused(&mut world, &sign_in("desk"), Refusal::Conflict);
    world.sign_in("ann/phone");
    refused(&mut world, &sign_in("web"), Refusal::TooManySessions);
    world.rules(|rules| rules.conflict = Conflict::Replace);
    world.done(sign_in("desk"));
}
