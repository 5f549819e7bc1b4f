//! Which stream may take up a session: never one that came to this node earlier than the one that
//! has it, or is about to. A client that has given up a stream may still be heard in it, where a
//! connection between nodes was slow; its newer stream is the one that counts. Not for who may sign
//! in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pollux_domain::ids::SessionId;

/// When a stream came to this node, as a place in the order of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(u64);

/// See the module. Holds one number for each session that is being taken up.
#[derive(Debug, Default)]
pub struct Claims {
    arrived: AtomicU64,
    newest: Mutex<BTreeMap<SessionId, Arrival>>,
}

/// The right to take up a session, until another stream claims it or this is dropped.
#[derive(Debug)]
pub struct Claim {
    claims: Arc<Claims>,
    session: SessionId,
    arrival: Arrival,
}

impl Claims {
    /// A stream comes.
    pub fn arrive(&self) -> Arrival {
        Arrival(self.arrived.fetch_add(1, Ordering::Relaxed))
    }

    /// `held`: when the stream came that has the session, if one has it. None for an older stream.
    pub fn claim(
        self: &Arc<Claims>,
        session: SessionId,
        arrival: Arrival,
        held: impl FnOnce() -> Option<Arrival>,
    ) -> Option<Claim> {
        let mut newest = self.newest();
        // Under the lock: whoever has taken it up has it before the claim is dropped.
        let held = held().max(newest.get(&session).copied());
        if held.is_some_and(|held| arrival < held) {
            return None;
        }
        newest.insert(session, arrival);
        Some(Claim {
            claims: self.clone(),
            session,
            arrival,
        })
    }

    fn newest(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arrival>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut newest = self.claims.newest();
        if newest.get(&self.session) == Some(&self.arrival) {
            newest.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(4);

    #[test]
    fn an_older_stream_takes_up_nothing_that_a_newer_one_has_or_is_about_to_have() {
        let claims = Arc::new(Claims::default());
        let [older, newer, newest] = [(); 3].map(|()| claims.arrive());
        let claim = |arrival, held: Option<Arrival>| claims.claim(SESSION, arrival, || held);
        let first = claim(older, None).unwrap();
        let second = claim(newer, None).unwrap();
        drop(first);
        assert!(claim(older, None).is_none(), "the newer one is about to");
        drop(second);
        assert!(claim(older, Some(newer)).is_none(), "the newer one has it");
        assert!(claim(newest, Some(newer)).is_some());
        assert!(claim(older, None).is_some(), "nobody has it any more");
        assert_eq!(claims.newest().len(), 0);
    }
}
