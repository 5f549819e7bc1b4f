//! Tokens by which a client signs in again without its password (XEP-0484): for each client the one
//! that it uses and the one that it was given last. Not for how a token is made or proved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::WallMs;
use crate::limits;

/// What a proof by a token is bound to. A token is good for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TokenBinding {
    /// The TLS that it goes through.
    Exporter,
    /// The server's certificate.
    EndPoint,
    None,
}

/// What is kept of a token: not itself, but what it is derived from together with a secret that is
/// kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub nonce: [u8; 16],
    pub binding: TokenBinding,
    pub given: WallMs,
    pub expires: WallMs,
    /// As of which password of the account it was given: with another it is worth nothing.
    pub password_version: u64,
}

impl Token {
    pub fn is_expired(&self, now: WallMs) -> bool {
        self.expires <= now
    }

    /// A tenth of its life is over: its client is given another.
    pub fn is_due(&self, now: WallMs) -> bool {
        let life = self.expires.0.saturating_sub(self.given.0);
        life / 10 <= now.0.saturating_sub(self.given.0)
    }
}

/// What happens to the tokens of one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenAct {
    Give(Token),
    /// It has proved the token; `count`: how often it says that it has tried to.
    Use {
        nonce: [u8; 16],
        count: Option<u64>,
    },
    /// As `Use`, for the last time: it leaves.
    Invalidate {
        nonce: [u8; 16],
        count: Option<u64>,
    },
}

/// The tokens of one user, by the name that each client gives itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens(BTreeMap<String, Pair>);

/// XEP-0484 section 5.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    /// Not used yet.
    new: Option<Token>,
    current: Option<Token>,
    /// The last count of the current one.
    count: u64,
    /// When either was given or used.
    touched: WallMs,
}

impl Tokens {
    /// Those that a client may use, the newer first.
    pub fn of(&self, client: &str) -> impl Iterator<Item = &Token> {
        let pair = self.0.get(client);
        pair.into_iter()
            .flat_map(|pair| pair.new.iter().chain(&pair.current))
    }

    /// How many clients have any.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// False: there is no such token, or its count was there before.
    pub fn act(&mut self, client: &str, act: &TokenAct, now: WallMs) -> bool {
        match act {
            TokenAct::Give(token) => {
                self.give(client, *token, now);
                true
            }
            TokenAct::Use { nonce, count } => self.take(client, nonce, *count, now),
            TokenAct::Invalidate { nonce, count } => {
                let taken = self.take(client, nonce, *count, now);
                if taken {
                    self.0.remove(client);
                }
                taken
            }
        }
    }

    /// One that was given before and was not used is worth nothing any more. The one that the
    /// client uses stays where it has expired, too: until the client uses the new one, it is told
    /// that its token is too old, and not that it is wrong.
    fn give(&mut self, client: &str, token: Token, now: WallMs) {
        self.forget_expired(client, now);
        if !self.0.contains_key(client) && limits::TOKEN_CLIENTS_MAX <= self.0.len() {
            let oldest = self.0.iter().min_by_key(|(_, pair)| pair.touched);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.0.remove(&oldest);
            }
        }
        let pair = self.0.entry(client.to_owned()).or_insert(Pair {
            new: None,
            current: None,
            count: 0,
            touched: now,
        });
        pair.new = Some(token);
        pair.touched = now;
    }

    /// One that is used takes the place of what was used before it.
    fn take(&mut self, client: &str, nonce: &[u8; 16], count: Option<u64>, now: WallMs) -> bool {
        let Some(pair) = self.0.get_mut(client) else {
            return false;
        };
        let is_it = |token: &Option<Token>| token.is_some_and(|token| token.nonce == *nonce);
        let last = match (is_it(&pair.new), is_it(&pair.current)) {
            (true, _) => 0,
            (false, true) => pair.count,
            (false, false) => return false,
        };
        if count.is_some_and(|count| count <= last) {
            return false;
        }
        if is_it(&pair.new) {
            pair.current = pair.new.take();
        }
        pair.count = count.unwrap_or(last);
        pair.touched = now;
        true
    }

    /// Clients that have nothing that is good, but for the one that is given something.
    fn forget_expired(&mut self, receiver: &str, now: WallMs) {
        let is_good = |token: &Token| !token.is_expired(now);
        self.0.retain(|client, pair| {
            client == receiver || pair.new.iter().chain(&pair.current).any(is_good)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallMs = WallMs(1_000);

    fn token(nonce: u8) -> Token {
        Token {
            nonce: [nonce; 16],
            binding: TokenBinding::None,
            given: NOW,
            expires: WallMs(2_000),
            password_version: 1,
        }
    }

    fn give(tokens: &mut Tokens, client: &str, nonce: u8, now: u64) {
        assert!(tokens.act(client, &TokenAct::Give(token(nonce)), WallMs(now)));
    }

    fn use_it(tokens: &mut Tokens, nonce: u8, count: Option<u64>) -> bool {
        let nonce = [nonce; 16];
        tokens.act("phone", &TokenAct::Use { nonce, count }, NOW)
    }

    fn known(tokens: &Tokens) -> Vec<u8> {
        tokens.of("phone").map(|token| token.nonce[0]).collect()
    }

    #[test]
    fn the_earlier_token_is_good_until_the_later_one_is_used() {
        let mut tokens = Tokens::default();
        give(&mut tokens, "phone", 1, 1_000);
        assert!(use_it(&mut tokens, 1, None));
        give(&mut tokens, "phone", 2, 1_000);
        assert_eq!(known(&tokens), [2, 1]);
        // Its client has not heard of the second one.
        assert!(use_it(&mut tokens, 1, None));
        give(&mut tokens, "phone", 3, 1_000);
        assert_eq!(known(&tokens), [3, 1], "what was never used is replaced");
        assert!(!use_it(&mut tokens, 2, None));
        assert!(use_it(&mut tokens, 3, None));
        assert_eq!(known(&tokens), [3]);
        assert!(!use_it(&mut tokens, 1, None));
        assert!(!tokens.act(
            "desk",
            &TokenAct::Use {
                nonce: [3; 16],
                count: None
            },
            NOW
        ));
    }

    #[test]
    fn a_count_is_taken_once_and_begins_again_with_each_token() {
        let mut tokens = Tokens::default();
        give(&mut tokens, "phone", 1, 1_000);
        assert!(!use_it(&mut tokens, 1, Some(0)), "a count is positive");
        assert!(use_it(&mut tokens, 1, Some(5)));
        for count in [5, 4, 0] {
            assert!(!use_it(&mut tokens, 1, Some(count)), "{count}");
        }
        assert!(use_it(&mut tokens, 1, None));
        assert!(!use_it(&mut tokens, 1, Some(5)), "it is remembered");
        assert!(use_it(&mut tokens, 1, Some(6)));
        give(&mut tokens, "phone", 2, 1_000);
        assert!(use_it(&mut tokens, 2, Some(1)));
        assert!(!use_it(&mut tokens, 2, Some(1)));
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let mut tokens = Tokens::default();
        give(&mut tokens, "phone", 1, 1_000);
        assert!(use_it(&mut tokens, 1, Some(1)));
        give(&mut tokens, "phone", 2, 1_000);
        let leave = |count| TokenAct::Invalidate {
            nonce: [1; 16],
            count,
        };
        assert!(!tokens.act("phone", &leave(Some(1)), NOW), "a repetition");
        assert!(tokens.act("phone", &leave(Some(2)), NOW));
        assert!(tokens.is_empty());
        assert!(!tokens.act("phone", &leave(Some(3)), NOW));
    }

    #[test]
    fn what_has_expired_makes_room_and_then_the_client_that_was_not_seen_for_longest() {
        let mut tokens = Tokens::default();
        give(&mut tokens, "phone", 1, 1_000);
        give(&mut tokens, "desk", 1, 2_000);
        assert_eq!(tokens.len(), 1, "the first has expired");
        let mut tokens = Tokens::default();
        for number in 0..limits::TOKEN_CLIENTS_MAX as u64 {
            give(&mut tokens, &format!("client {number}"), 1, 1_000 + number);
        }
        give(&mut tokens, "phone", 1, 1_900);
        assert_eq!(tokens.len(), limits::TOKEN_CLIENTS_MAX);
        assert_eq!(tokens.of("client 0").count(), 0);
        assert_eq!(tokens.of("client 1").count(), 1);
        assert_eq!(tokens.of("phone").count(), 1);
    }

    /// A token that was good when its client proved it may expire before the next one is given.
    #[test]
    fn a_token_that_has_expired_is_known_until_the_next_one_is_used() {
        let mut tokens = Tokens::default();
        give(&mut tokens, "phone", 1, 1_000);
        assert!(use_it(&mut tokens, 1, None));
        for nonce in [2, 3] {
            give(&mut tokens, "phone", nonce, 2_000);
            assert_eq!(known(&tokens), [nonce, 1]);
        }
        // Also where another client is given one.
        give(&mut tokens, "desk", 1, 1_999);
        assert_eq!(known(&tokens), [3, 1]);
        assert!(use_it(&mut tokens, 3, None));
        assert_eq!(known(&tokens), [3]);
    }

    #[test]
    fn a_token_is_due_after_a_tenth_of_its_life() {
        let token = token(1);
        for (now, due, expired) in [
            (900, false, false),
            (1_099, false, false),
            (1_100, true, false),
            (1_999, true, false),
            (2_000, true, true),
        ] {
            assert_eq!(token.is_due(WallMs(now)), due, "{now}");
            assert_eq!(token.is_expired(WallMs(now)), expired, "{now}");
        }
    }
}
