//! The ring, what a contact list says of it, and the account of changes that is kept on it.

use std::rc::Rc;

use super::Lattice;
use crate::client::{Element, Event, KeyCache, Tls};
use crate::load::board::Board;
use crate::load::crowd::Ear;
use crate::load::{Target, now};
use crate::servers::Users;

/// Seven users take part, of eight.
fn lattice() -> Lattice {
    let target = Target {
        addresses: Vec::new(),
        patience: None,
        pid: None,
        other_pids: Vec::new(),
        users: Users::new(8),
        tls: Tls::Never,
        mechanism: None,
        keys: KeyCache::default(),
        recordings: None,
        progress: false,
    };
    Lattice::new(&target, 7, 4).unwrap()
}

#[test]
fn neighbours_are_mutual_and_have_places_of_their_own() {
    let ring = lattice();
    for me in 0..7 {
        let mut places: Vec<_> = (0..8).filter_map(|other| ring.place(me, other)).collect();
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2, 3], "{me}");
        for other in 0..7 {
            let (there, back) = (ring.place(me, other), ring.place(other, me));
            assert_eq!(there.is_some(), back.is_some(), "{me} {other}");
        }
    }
    assert_eq!(ring.place(0, 3), None);
}

#[test]
fn a_contact_list_tells_what_is_missing_and_what_is_too_much() {
    let ring = lattice();
    let hear = |items: &str| {
        let iq = format!(
            "<iq type='result' id='list'><query xmlns='jabber:iq:roster'>{items}</query></iq>"
        );
        ring.hear_list(0, Element::new(&iq));
        let list = &ring.lists.borrow()[0];
        let sorted = (
            Vec::from_iter(&list.watched),
            Vec::from_iter(&list.strangers),
        );
        format!("{sorted:?}")
    };
    let item = |user: usize, subscription: &str| {
        format!("<item jid='load{user}@localhost' subscription='{subscription}'/>")
    };
    let list = [
        item(1, "both"),
        item(2, "from"),
        item(6, "to"),
        item(3, "none"),
    ]
    .concat();
    assert_eq!(hear(&list), "([1, 6], [3])");
    assert_eq!(hear(&item(7, "both")), "([1, 6], [3, 7])");
    assert_eq!(
        hear(&[item(1, "none"), item(3, "remove")].concat()),
        "([6], [7])"
    );
    assert_eq!(
        hear("<item jid='else@where' subscription='both'/>"),
        "([6], [7])"
    );
    assert!(ring.missing(true).contains(&(0, 1)));
    assert!(!ring.missing(false).contains(&(0, 6)));
    assert!(
        ring.hear_request(0, "load1@localhost")
            .unwrap()
            .contains("'subscribed'")
    );
    assert_eq!(ring.hear_request(0, "load3@localhost"), None);
}

/// Announces numbers of user 0 and shows some of them to others, as (to whom, from whom, number).
fn shown(announced: usize, to: &[(usize, &str, u32)]) -> Result<(u64, u64, u64), String> {
    let board = Rc::new(Board::new(lattice(), 7, 4));
    for _ in 0..announced {
        let said = board.change(0, now());
        assert!(Element::new(&said).child("status").is_some(), "{said}");
    }
    for &(me, from, number) in to {
        let run = std::process::id();
        let text = format!(
            "<presence from='{from}@localhost/watch'><status>{run}.{number}</status></presence>"
        );
        let heard = board.hear(me, Event::Presence(Element::new(&text)));
        heard.map_err(|error| error.to_string())?;
    }
    let tally = board.tally();
    Ok((tally.deliveries, tally.superseded, board.under_way()))
}

#[test]
fn each_delivery_is_the_right_one() {
    assert_eq!(shown(1, &[(1, "load0", 1)]), Ok((1, 0, 3)));
    let everybody = [1, 2, 5, 6].map(|me| (me, "load0", 1));
    assert_eq!(shown(1, &everybody), Ok((4, 0, 0)));
    assert_eq!(shown(3, &[(1, "load0", 1), (1, "load0", 3)]), Ok((2, 1, 9)));
    assert_eq!(shown(1, &[(0, "load0", 1)]), Ok((0, 0, 4)), "one's own");
    for (announced, wrong, word) in [
        (2, &[(1, "load0", 2), (1, "load0", 1)][..], "after number 2"),
        (1, &[(1, "load0", 1), (1, "load0", 1)], "after number 1"),
        (1, &[(1, "load0", 2)], "who is at 1"),
        (1, &[(3, "load0", 1)], "no contact"),
    ] {
        let error = shown(announced, wrong).unwrap_err();
        assert!(error.contains(word), "{wrong:?}: {error}");
    }
}
