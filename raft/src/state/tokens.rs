//! Tokens of users (XEP-0484): kept with the user, so that both nodes of a pair know the same ones,
//! and gone with the user. The rules stand in `pollux_domain::tokens`.

use pollux_domain::contract::Refusal;
use pollux_domain::jid::BareJid;
use pollux_domain::tokens::{Token, TokenAct};

use super::State;

impl State {
    pub(super) fn token(
        &mut self,
        user: &BareJid,
        client: &str,
        act: &TokenAct,
    ) -> Result<(), Refusal> {
        let now = self.stamp.wall;
        let done = self.user_mut(user.as_str(), |user| user.tokens.act(client, act, now));
        match done {
            None => Err(Refusal::NoSuchUser),
            Some(false) => Err(Refusal::NoSuchToken),
            Some(true) => Ok(()),
        }
    }

    /// Those that a client of a user may use, the newer first.
    pub fn tokens(&self, user: &BareJid, client: &str) -> Vec<Token> {
        let user = self.users.get(user);
        user.map(|user| user.tokens.of(client).copied().collect())
            .unwrap_or_default()
    }
}
