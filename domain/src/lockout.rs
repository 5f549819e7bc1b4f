//! Who has failed to sign in too often, and how long nothing more is tried: by account, and by
//! address. Not for what a failure is, nor for how it is said.
//!
//! The network from which a user has last signed in has a tally of its own, so that strangers who
//! guess do not keep out the user whose account it is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::jid::BareJid;
use crate::limits;

/// Failures count together for so long after the first of them …
const WINDOW: Duration = Duration::from_secs(limits::LOCKOUT_WINDOW_SECONDS);
/// … and lock out for this time.
const PERIOD: Duration = Duration::from_secs(limits::LOCKOUT_SECONDS);

/// How many failures lock out; none: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub account: Option<u64>,
    pub address: Option<u64>,
}

/// Who is locked out by the failure that was noted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked {
    pub account: bool,
    pub address: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Lockouts {
    /// By account, and whether from where its user signs in.
    accounts: Tallies<(BareJid, bool)>,
    addresses: Tallies<IpAddr>,
    /// Where each user has last signed in from. When it is full all are forgotten.
    known: BTreeMap<BareJid, IpAddr>,
}

impl Lockouts {
    fn key(&self, account: &BareJid, network: IpAddr) -> (BareJid, bool) {
        let is_known = self.known.get(account) == Some(&network);
        (account.clone(), is_known)
    }

    /// For how much longer nothing is tried of this account from this address.
    pub fn left(
        &self,
        policy: Policy,
        account: &BareJid,
        address: IpAddr,
        now: Duration,
    ) -> Option<Duration> {
        let network = network(address);
        let account = policy.account.and_then(|_| {
            let key = self.key(account, network);
            self.accounts.left(&key, now)
        });
        let address = policy.address;
        account.max(address.and_then(|_| self.addresses.left(&network, now)))
    }

    /// Somebody there has not proved to be the user.
    pub fn failed(
        &mut self,
        policy: Policy,
        account: &BareJid,
        address: IpAddr,
        now: Duration,
    ) -> Locked {
        let network = network(address);
        let account = self.key(account, network);
        Locked {
            account: self.accounts.failed(policy.account, account, now),
            address: self.addresses.failed(policy.address, network, now),
        }
    }

    /// The user has signed in from there. What the address has failed elsewhere stays: an account
    /// of one's own does not buy more guesses at others.
    pub fn succeeded(&mut self, account: &BareJid, address: IpAddr) {
        let network = network(address);
        for is_known in [true, false] {
            self.accounts.forget(&(account.clone(), is_known));
        }
        if self.known.get(account) == Some(&network) {
            return;
        }
        if limits::LOCKOUT_ENTRIES_MAX <= self.known.len() {
            self.known.clear();
        }
        self.known.insert(account.clone(), network);
    }
}

/// One customer of a provider: an address of version 4, and of version 6 the first half.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        address => address,
    }
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    failures: u64,
    since: Duration,
    until: Option<Duration>,
}

impl Tally {
    fn counts(&self, now: Duration) -> bool {
        now < self.until.unwrap_or(self.since + WINDOW)
    }
}

#[derive(Debug, Clone)]
struct Tallies<K>(BTreeMap<K, Tally>);

impl<K> Default for Tallies<K> {
    fn default() -> Tallies<K> {
        Tallies(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Tallies<K> {
    fn left(&self, key: &K, now: Duration) -> Option<Duration> {
        let until = self.0.get(key)?.until?;
        until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// Whether it is locked out by this one.
    fn failed(&mut self, failures_max: Option<u64>, key: K, now: Duration) -> bool {
        let Some(failures_max) = failures_max else {
            return false;
        };
        let fresh = Tally {
            failures: 0,
            since: now,
            until: None,
        };
        if !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let tally = self.0.entry(key).or_insert(fresh);
        if !tally.counts(now) {
            *tally = fresh;
        }
        tally.failures += 1;
        let locks = tally.until.is_none() && failures_max <= tally.failures;
        if locks {
            tally.until = Some(now + PERIOD);
        }
        locks
    }

    fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// What no longer counts goes first, then what began first of those that lock nobody out yet.
    fn make_room(&mut self, now: Duration) {
        if self.0.len() < limits::LOCKOUT_ENTRIES_MAX {
            return;
        }
        self.0.retain(|_, tally| tally.counts(now));
        if self.0.len() < limits::LOCKOUT_ENTRIES_MAX {
            return;
        }
        let order = |tally: &Tally| (tally.until.is_some(), tally.since);
        let first = self.0.iter().min_by_key(|(_, tally)| order(tally));
        if let Some(first) = first.map(|(key, _)| key.clone()) {
            self.0.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        account: Some(3),
        address: Some(5),
    };
    const HOME: &str = "192.0.2.1";
    const AWAY: &str = "198.51.100.7";

    fn user(name: &str) -> BareJid {
        BareJid::from_parts(Some(name), "example.org").unwrap()
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fail(lockouts: &mut Lockouts, name: &str, address: &str, now: u64) -> (bool, bool) {
        let locked = lockouts.failed(POLICY, &user(name), at(address), seconds(now));
        (locked.account, locked.address)
    }

    fn left(lockouts: &Lockouts, name: &str, address: &str, now: u64) -> Option<Duration> {
        lockouts.left(POLICY, &user(name), at(address), seconds(now))
    }

    #[test]
    fn an_account_is_locked_from_everywhere_until_the_time_is_over() {
        let mut lockouts = Lockouts::default();
        assert_eq!(fail(&mut lockouts, "ann", HOME, 0), (false, false));
        assert_eq!(fail(&mut lockouts, "ann", AWAY, 1), (false, false));
        assert_eq!(left(&lockouts, "ann", HOME, 2), None);
        assert_eq!(fail(&mut lockouts, "ann", HOME, 2), (true, false));
        assert_eq!(left(&lockouts, "ann", AWAY, 2), Some(PERIOD));
        assert_eq!(left(&lockouts, "ben", AWAY, 2), None);
        let end = 2 + PERIOD.as_secs();
        assert_eq!(left(&lockouts, "ann", HOME, end - 1), Some(seconds(1)));
        assert_eq!(left(&lockouts, "ann", HOME, end), None);
        assert_eq!(fail(&mut lockouts, "ann", HOME, end), (false, false));
    }

    #[test]
    fn failures_that_lie_far_apart_do_not_add_up_and_a_success_ends_the_count() {
        let mut lockouts = Lockouts::default();
        let window = WINDOW.as_secs();
        for turn in 0..9 {
            let failed = fail(&mut lockouts, "ann", HOME, turn * window / 2);
            assert_eq!(failed, (false, false), "turn {turn}");
        }
        let mut lockouts = Lockouts::default();
        for turn in 0..4 {
            assert_eq!(fail(&mut lockouts, "ann", HOME, turn), (false, false));
            lockouts.succeeded(&user("ann"), at(HOME));
        }
        assert_eq!(fail(&mut lockouts, "ben", HOME, 5), (false, true));
        assert_eq!(left(&lockouts, "eve", HOME, 5), Some(PERIOD));
        assert_eq!(left(&lockouts, "eve", AWAY, 5), None);
    }

    #[test]
    fn strangers_who_guess_do_not_keep_the_user_out() {
        let mut lockouts = Lockouts::default();
        lockouts.succeeded(&user("ann"), at(HOME));
        for turn in 0..3 {
            fail(&mut lockouts, "ann", AWAY, turn);
        }
        assert!(left(&lockouts, "ann", AWAY, 3).is_some());
        assert_eq!(left(&lockouts, "ann", HOME, 3), None);
        // Somebody who guesses from there is locked out as well.
        for turn in 3..6 {
            fail(&mut lockouts, "ann", HOME, turn);
        }
        assert!(left(&lockouts, "ann", HOME, 6).is_some());
    }

    #[test]
    fn a_provider_gives_one_customer_half_of_an_address_of_version_6() {
        let mut lockouts = Lockouts::default();
        for turn in 0..5 {
            let address = format!("2001:db8:0:1::{turn}");
            fail(&mut lockouts, &format!("user{turn}"), &address, turn);
        }
        assert!(left(&lockouts, "ann", "2001:db8:0:1::ffff", 5).is_some());
        assert_eq!(left(&lockouts, "ann", "2001:db8:0:2::1", 5), None);
        assert_eq!(network(at("::ffff:192.0.2.1")), at(HOME));
    }

    #[test]
    fn without_a_policy_nobody_is_locked_out_any_more() {
        let mut lockouts = Lockouts::default();
        for turn in 0..5 {
            fail(&mut lockouts, "ann", HOME, turn);
        }
        assert!(left(&lockouts, "ann", HOME, 5).is_some());
        let none = Policy {
            account: None,
            address: None,
        };
        let (ann, home) = (user("ann"), at(HOME));
        assert_eq!(lockouts.left(none, &ann, home, seconds(5)), None);
        let mut lockouts = Lockouts::default();
        for turn in 0..100 {
            let locked = lockouts.failed(none, &ann, home, seconds(turn));
            assert!(!locked.account && !locked.address);
        }
        assert!(lockouts.accounts.0.is_empty());
    }

    #[test]
    fn a_full_table_forgets_what_is_over_and_then_what_began_first_and_locks_nobody() {
        let most = limits::LOCKOUT_ENTRIES_MAX as u64;
        let mut tallies = Tallies::default();
        let most_failures = Some(2);
        tallies.failed(most_failures, 0, seconds(0));
        tallies.failed(most_failures, 0, seconds(0));
        for key in 1..=most {
            tallies.failed(most_failures, key, Duration::from_millis(key));
        }
        assert_eq!(tallies.0.len() as u64, most);
        assert!(
            tallies.left(&0, seconds(1)).is_some(),
            "who is locked out stays"
        );
        assert!(!tallies.0.contains_key(&1));
        tallies.failed(most_failures, 0, WINDOW + PERIOD + seconds(most));
        tallies.failed(most_failures, most + 1, WINDOW + PERIOD + seconds(most));
        assert_eq!(tallies.0.len(), 2, "all others are over");
    }
}
