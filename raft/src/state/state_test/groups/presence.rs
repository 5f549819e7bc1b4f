//! Availability between groups (RFC 6121 section 4): one line for each group and change; who
//! watches is told there.

use pollux_domain::contact::Contact;
use pollux_domain::contract::{Agreement, AsOf, Command, OutboxLine};
use pollux_domain::limits;

use super::super::world::{CLOSED, user};
use super::cluster::{Cluster, id, two};

/// Sections 4.2, 4.4, 4.5: one line, and everybody there who sees the device hears of it; its end
/// once.
#[test]
fn a_change_is_one_line_and_told_to_all_who_watch() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.befriend("ann", "bob");
    cluster.of("ann").managed("ann/phone");
    cluster.of("ann").available("ann/phone", 1);
    assert_eq!(cluster.shipment(1, 2).unwrap().lines.len(), 1);
    cluster.carry();
    cluster.of("ben").hears(&[
        "ben/desk: ann/phone is here 1",
        "bob/desk: ann/phone is here 1",
    ]);
    cluster.of("ann").end("ann/phone", CLOSED);
    assert_eq!(cluster.shipment(1, 2).unwrap().lines.len(), 1);
    cluster.carry();
    cluster
        .of("ben")
        .hears(&["ben/desk: ann/phone is gone", "bob/desk: ann/phone is gone"]);
    // Nobody watches abe: nothing to tell.
    cluster.of("abe").available("abe/desk", 3);
    assert_eq!(cluster.shipment(1, 2), None);
}

/// Section 4.3: a device that comes hears of contacts in other groups at once: their groups have
/// told already.
#[test]
fn a_device_that_comes_is_told_of_contacts_in_other_groups() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ben").managed("ben/phone");
    cluster.of("ben").available("ben/phone", 1);
    let told = cluster.of("ben").heard();
    assert!(
        told.contains(&"ben/phone: ann/desk is here 0".to_owned()),
        "{told:?}"
    );
}

/// Presence that there was no room to keep is asked for.
#[test]
fn presence_that_was_not_kept_is_asked_for() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    for device in ["ann/phone", "ann/web"] {
        cluster.of("ann").managed(device);
        cluster.of("ann").available(device, 0);
    }
    cluster.silence();
    let watched = &cluster.group(2).state.watched[&user("ann")];
    assert!(watched.devices.values().any(Option::is_none));
    cluster.of("ben").managed("ben/phone");
    cluster.of("ben").available("ben/phone", 1);
    cluster.carry();
    let told = cluster.of("ben").heard();
    for device in ["desk", "phone", "web"] {
        let line = format!("ben/phone: ann/{device} is here 0");
        assert!(told.contains(&line), "{line} of {told:?}");
    }
}

/// A session that resumes hears what it missed: who went, and who is there.
#[test]
fn a_session_that_resumes_is_told_what_it_missed() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ben").detach("ben/desk");
    cluster.of("ann").end("ann/desk", CLOSED);
    cluster.silence();
    let handled = {
        let world = cluster.of("ben");
        world.state.session(world.id("ben/desk")).unwrap().acked
    };
    cluster.of("ben").resume("ben/desk", handled as u32);
    let world = cluster.of("ben");
    let news = world.state.news_for(world.id("ben/desk"));
    let gone = news
        .iter()
        .find(|news| news.from == super::super::world::jid("ann/desk"));
    assert_eq!(gone.map(|news| news.bytes.clone()), Some(None));
}

/// Section 4.6: directed presence crosses, and ends with its device: told once to each device for
/// all reasons.
#[test]
fn directed_presence_crosses_and_ends_once() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ann").direct("ann/desk", "bob", true);
    cluster.of("ann").direct("ann/desk", "ben/desk", true);
    cluster.carry();
    cluster
        .of("ben")
        .hears(&["bob/desk: ann/desk is hello", "ben/desk: ann/desk is hello"]);
    cluster.of("ann").end("ann/desk", CLOSED);
    cluster.carry();
    cluster
        .of("ben")
        .hears(&["ben/desk: ann/desk is gone", "bob/desk: ann/desk is gone"]);
}

/// A list that claims to see a user is not enough: the user's own group decides.
#[test]
fn who_is_shown_a_user_is_decided_by_the_users_own_group() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    // bob's own list says that he sees ann, ann's does not.
    let state = &mut cluster.group(2).state;
    state.user_mut(user("bob").as_str(), |bob| {
        let mut contact = Contact::new(user("ann"));
        contact.relation.to = true;
        bob.contacts.insert(user("ann"), contact);
    });
    let line = OutboxLine::Availability {
        from: super::super::world::jid("ann/desk"),
        available: true,
        bytes: Some(bytes::Bytes::from_static(b"here 7")),
        watchers: true,
        directed: Vec::new(),
    };
    let (incarnation, through) = cluster.group(2).state.taken_through(id(1)).unwrap();
    let take = Command::Take {
        source: super::cluster::name(1, incarnation.0),
        told: 0,
        first: through + 1,
        lines: vec![std::sync::Arc::new(line)],
    };
    cluster.group(2).done(take);
    cluster.of("ben").hears(&["ben/desk: ann/desk is here 7"]);
}

/// Only so many departures are remembered.
#[test]
fn the_oldest_departure_of_another_group_is_forgotten() {
    let mut cluster = Cluster::new(&[&["ann"], &["ben"]]);
    cluster.befriend("ann", "ben");
    for n in 0..limits::DEPARTURES_MAX + 4 {
        let device = format!("ann/{n}");
        cluster.of("ann").online(&device);
        cluster.of("ann").end(&device, CLOSED);
        cluster.silence();
    }
    let departures = &cluster.group(2).state.watched[&user("ann")].departures;
    assert_eq!(departures.len(), limits::DEPARTURES_MAX);
}

/// "Contacts see the truth": a takeover within one group is not seen in another, nor is a stream
/// that waits for its client.
#[test]
fn a_takeover_is_not_seen_in_another_group() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ann").detach("ann/desk");
    cluster.of("ann").take_over(2);
    assert_eq!(cluster.shipment(1, 2), None);
    cluster.of("ann").expire("ann/desk");
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: ann/desk is gone"]);
}

/// A user whom the configuration does not know any more is shown to nobody, whatever its group
/// says.
#[test]
fn a_user_who_is_nowhere_is_not_shown() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    let users = vec![(user("ann"), None)];
    cluster
        .group(2)
        .done(Agreement::Foreign { users }.under(AsOf::default()));
    cluster.of("ben").hears(&["ben/desk: ann/desk is gone"]);
    cluster.of("ann").available("ann/desk", 3);
    cluster.carry();
    cluster.of("ben").hears(&[]);
    assert!(cluster.group(2).state.watched.is_empty());
}
