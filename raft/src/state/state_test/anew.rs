//! What is left of a database in another cluster: what users have, and what waited for them.

use pollux_domain::contract::RowWrite;

use super::world::{HOME, World, user};
use crate::state::State;

/// A database that counts on one row.
pub(crate) fn with_row() -> State {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.chat("ann/desk", "ben", "stored");
    world.state
}

#[test]
fn what_waits_for_a_client_is_stored() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.chat("ann/desk", "ben", "one");
    world.managed("ben/phone");
    world.available("ben/phone", 0);
    for words in ["two", "three"] {
        world.chat("ann/desk", "ben", words);
    }
    // One on its way from the store, two that were never stored.
    assert_eq!(world.waits("ben/phone"), ["stored one", "two", "three"]);
    let rows = world.state.begin_anew();
    for row in &rows {
        let RowWrite::Put { row, parcel } = row else {
            panic!("{row:?}")
        };
        world.rows.insert(*row, parcel.clone());
    }
    assert_eq!(world.state.statistics().sessions, 0);
    assert_eq!(world.state.statistics().users, 2);
    assert_eq!(world.state.offline_count(&user("ben")), 3);
    assert_eq!(world.state.serving(HOME), None);
    assert!(world.state.takeovers().newest_first().next().is_none());
    assert!(
        world
            .state
            .rows()
            .into_iter()
            .eq(world.rows.keys().copied())
    );
    // It begins as any other does.
    world.take_over(1);
    world.managed("ben/phone");
    world.available("ben/phone", 0);
    let order = ["stored one", "stored two", "stored three"];
    assert_eq!(world.waits("ben/phone"), order);
}
