//! Tokens of users: they outlive takeovers and snapshots, and end with the user. Their own rules
//! are proved in `pollux_domain::tokens`.

use pollux_domain::contract::{Agreement, AsOf, Command, Refusal, Reply};
use pollux_domain::ids::{GroupMs, WallMs};
use pollux_domain::tokens::{Token, TokenAct, TokenBinding};
use pollux_store::codec;

use super::world::{HOME, World, user};
use crate::state::State;

fn token(nonce: u8) -> Token {
    Token {
        nonce: [nonce; 16],
        binding: TokenBinding::Exporter,
        given: WallMs(0),
        expires: WallMs(1_000),
        password_version: 1,
    }
}

fn acts(client: &str, act: TokenAct) -> Command {
    Command::Token {
        user: user("ann"),
        client: client.to_owned(),
        act,
    }
}

fn uses(nonce: u8, count: u64) -> Command {
    let (nonce, count) = ([nonce; 16], Some(count));
    acts("phone", TokenAct::Use { nonce, count })
}

fn known(state: &State) -> Vec<u8> {
    let tokens = state.tokens(&user("ann"), "phone").into_iter();
    tokens.map(|token| token.nonce[0]).collect()
}

#[test]
fn a_use_counts_once_whoever_serves_and_whatever_is_restored() {
    let mut world = World::new(&["ann"]);
    world.done(acts("phone", TokenAct::Give(token(1))));
    world.done(uses(1, 1));
    world.take_over(2);
    let image = codec::encode(1, &world.state).unwrap();
    world.state = codec::decode(1, &image).unwrap();
    assert_eq!(known(&world.state), [1]);
    let refused = Reply::Refused(Refusal::NoSuchToken);
    assert_eq!(world.run(&uses(1, 1)).reply, refused);
    assert_eq!(world.run(&uses(2, 2)).reply, refused);
    world.done(uses(1, 2));
    world.hears(&[]);
}

#[test]
fn what_has_expired_goes_when_another_is_given() {
    let mut world = World::new(&["ann"]);
    world.done(acts("phone", TokenAct::Give(token(1))));
    world.now = GroupMs(1_000);
    assert_eq!(
        known(&world.state),
        [1],
        "whoever judges it looks at its time"
    );
    world.done(acts("desk", TokenAct::Give(token(2))));
    assert_eq!(known(&world.state), []);
}

#[test]
fn a_user_who_goes_takes_them_along() {
    let mut world = World::new(&["ann"]);
    world.done(acts("phone", TokenAct::Give(token(1))));
    let (name, home) = (user("ann"), HOME);
    world.done(Agreement::Release { user: name.clone() }.under(AsOf::default()));
    assert_eq!(
        world.run(&uses(1, 1)).reply,
        Reply::Refused(Refusal::NoSuchUser)
    );
    world.done(Agreement::Adopt { user: name, home }.under(AsOf::default()));
    assert_eq!(known(&world.state), []);
    assert_eq!(
        world.run(&uses(1, 1)).reply,
        Reply::Refused(Refusal::NoSuchToken)
    );
}
