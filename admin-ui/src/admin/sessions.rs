//! Who is signed in to the pages of this node. In memory: whoever was signed in at a node that
//! starts again signs in again. Not for proving who it is.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use pollux_domain::operations::AdministratorName;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::administration::Administrator;

/// A session ends so long after the last page that somebody asked for …
pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);
/// … and so long after the sign-in, whatever is asked for: a working day.
pub(crate) const WHOLE: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions of one node; for one more the oldest ends.
const SESSIONS_MAX: usize = 256;
/// Sessions of one administrator: so many browsers; for one more the oldest ends.
const SESSIONS_EACH_MAX: usize = 8;

/// What is said once, on the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) is_error: bool,
    pub(crate) text: String,
}

/// One signed-in browser.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) name: AdministratorName,
    pub(crate) password_version: u64,
    /// What each form of its pages says, so that nobody else's form is taken.
    pub(crate) form_token: String,
    pub(crate) notice: Option<Notice>,
    begun: Duration,
    touched: Duration,
}

impl Session {
    fn is_over(&self, now: Duration) -> bool {
        self.touched + IDLE <= now || self.begun + WHOLE <= now
    }
}

/// By the digest of what the cookie says: how long a look-up takes says nothing of it.
#[derive(Debug, Default)]
pub(crate) struct Sessions(BTreeMap<[u8; 32], Session>);

impl Sessions {
    /// What its cookie says. `secrets`: random, each for one thing.
    pub(crate) fn open(
        &mut self,
        administrator: &Administrator,
        secrets: [[u8; 32]; 2],
        now: Duration,
    ) -> String {
        self.0.retain(|_, session| !session.is_over(now));
        let name = &administrator.name;
        self.make_room(SESSIONS_EACH_MAX, |session| session.name == *name);
        self.make_room(SESSIONS_MAX, |_| true);
        let cookie = text(&secrets[0]);
        let session = Session {
            name: name.clone(),
            password_version: administrator.password_version,
            form_token: text(&secrets[1]),
            notice: None,
            begun: now,
            touched: now,
        };
        self.0.insert(digest(&cookie), session);
        cookie
    }

    /// Ends the oldest of those, as long as there are too many for one more.
    fn make_room(&mut self, most: usize, is_one: impl Fn(&Session) -> bool) {
        while most <= self.0.values().filter(|session| is_one(session)).count() {
            let ones = self.0.iter().filter(|(_, session)| is_one(session));
            let oldest = ones.min_by_key(|(_, session)| session.begun);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                return;
            };
            self.0.remove(&oldest);
        }
    }

    /// Its session, which is not left alone at the moment.
    pub(crate) fn touch(&mut self, cookie: &str, now: Duration) -> Option<&mut Session> {
        let session = self.0.get_mut(&digest(cookie))?;
        if session.is_over(now) {
            return None;
        }
        session.touched = now;
        Some(session)
    }

    /// Its session. What asks by itself does not keep it.
    pub(crate) fn look(&self, cookie: &str, now: Duration) -> Option<&Session> {
        let session = self.0.get(&digest(cookie));
        session.filter(|session| !session.is_over(now))
    }

    pub(crate) fn close(&mut self, cookie: &str) {
        self.0.remove(&digest(cookie));
    }
}

fn digest(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

/// 64 hexadecimal digits.
pub(crate) fn text(secret: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    for byte in secret {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

/// Compared so that the time says nothing.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    bool::from(one.as_bytes().ct_eq(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use pollux_domain::operations::Role;

    use super::*;

    fn administrator(name: &str) -> Administrator {
        Administrator {
            name: AdministratorName::new(name).unwrap(),
            role: Role::Viewer,
            password_version: 1,
        }
    }

    fn secrets(number: usize) -> [[u8; 32]; 2] {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&number.to_be_bytes());
        [secret, [1; 32]]
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn a_session_ends_when_it_is_left_alone_and_after_a_day_in_any_case() {
        let mut sessions = Sessions::default();
        let cookie = sessions.open(&administrator("ann"), secrets(1), minutes(0));
        assert!(sessions.touch("", minutes(0)).is_none());
        assert!(sessions.touch(&cookie, minutes(29)).is_some());
        assert!(sessions.look(&cookie, minutes(58)).is_some());
        assert!(
            sessions.look(&cookie, minutes(59)).is_none(),
            "a look keeps nothing"
        );
        assert!(sessions.touch(&cookie, minutes(59)).is_none());
        let cookie = sessions.open(&administrator("ann"), secrets(2), minutes(100));
        for turn in 1..48 {
            assert!(sessions.touch(&cookie, minutes(100 + 15 * turn)).is_some());
        }
        assert!(sessions.touch(&cookie, minutes(100 + 15 * 48)).is_none());
    }

    #[test]
    fn who_signs_out_is_out() {
        let mut sessions = Sessions::default();
        let cookie = sessions.open(&administrator("ann"), secrets(1), minutes(0));
        sessions.close(&cookie);
        assert!(sessions.look(&cookie, minutes(0)).is_none());
    }

    #[test]
    fn the_oldest_goes_for_a_new_one() {
        let mut sessions = Sessions::default();
        let first = sessions.open(&administrator("ann"), secrets(0), minutes(0));
        let others = sessions.open(&administrator("ben"), secrets(1), minutes(0));
        for number in 2..10 {
            sessions.open(&administrator("ann"), secrets(number), minutes(1));
        }
        assert!(sessions.look(&first, minutes(1)).is_none());
        assert!(sessions.look(&others, minutes(1)).is_some());
        assert_eq!(sessions.0.len(), SESSIONS_EACH_MAX + 1);
        for number in 10..600 {
            let name = format!("a{}", number / SESSIONS_EACH_MAX);
            sessions.open(&administrator(&name), secrets(number), minutes(2));
        }
        assert_eq!(sessions.0.len(), SESSIONS_MAX);
        assert!(sessions.look(&others, minutes(2)).is_none());
    }

    #[test]
    fn words_are_the_same_or_not() {
        assert!(is_same("abc", "abc"));
        for other in ["", "ab", "abd", "abcd"] {
            assert!(!is_same("abc", other));
        }
    }
}
