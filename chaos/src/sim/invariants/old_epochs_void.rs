//! "`apply` takes it only if … epoch and connection are current." (design, section 5, rule 1) Who
//! spoke for a session under an older epoch of its home speaks for it no more: until it is resumed,
//! nothing more is handled for its client, and nothing more is acknowledged by it. Judged by what
//! each replica has, not by what it has refused; what a replica applies within one step of the
//! world together with the takeover is not seen.

use std::collections::BTreeMap;

use pollux_domain::ids::{Connection, NodeId, SessionId};

use crate::sim::history::{Fact, History, SessionAt};

/// A session's name alone is not enough: each group gives them out for itself.
type Stream = (NodeId, SessionId, Connection);

pub fn check(history: &History) -> Result<(), String> {
    let began = first_epochs(history);
    let mut known: BTreeMap<(NodeId, u64, Stream), SessionAt> = BTreeMap::new();
    for entry in &history.entries {
        let Fact::Session(now) = &entry.fact else {
            continue;
        };
        let stream = stream(now);
        let Some(before) = known.insert((now.replica, now.life, stream), *now) else {
            continue;
        };
        let changed = (before.handled, before.acked) != (now.handled, now.acked);
        if changed
            && began
                .get(&stream)
                .is_some_and(|began| *began < before.epoch)
        {
            return Err(format!(
                "session {} changed from {before:?} by what was said under an older epoch, at \
                 node {}: {now:?}, at {:?}",
                now.session, now.replica, entry.at
            ));
        }
    }
    Ok(())
}

/// Under which epoch each connection began, as far as any replica was seen to have it.
fn first_epochs(history: &History) -> BTreeMap<Stream, u64> {
    let mut first = BTreeMap::new();
    for entry in &history.entries {
        if let Fact::Session(now) = &entry.fact {
            let epoch = first.entry(stream(now)).or_insert(now.epoch);
            *epoch = now.epoch.min(*epoch);
        }
    }
    first
}

fn stream(at: &SessionAt) -> Stream {
    (at.home, at.session, at.connection)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Replica, life, epoch, connection, handled, acked.
    type Seen = (u16, u64, u64, u32, u64, u64);

    fn history(seen: &[Seen]) -> History {
        let mut history = History::default();
        for (replica, life, epoch, connection, handled, acked) in seen {
            let at = SessionAt {
                replica: NodeId(*replica),
                life: *life,
                home: NodeId(1),
                epoch: *epoch,
                session: SessionId(1),
                connection: Connection(*connection),
                handled: *handled,
                acked: *acked,
            };
            history.add_at(Duration::ZERO, Fact::Session(at));
        }
        history
    }

    #[test]
    fn planted_histories_are_judged() {
        let cases: [(&str, &[Seen], bool); 8] = [
            (
                "all is said",
                &[(1, 1, 1, 1, 4, 0), (1, 1, 1, 1, 5, 2)],
                true,
            ),
            (
                "with the takeover",
                &[
                    (1, 1, 1, 1, 4, 0),
                    (1, 1, 2, 1, 5, 0),
                    (1, 1, 2, 2, 5, 0),
                    (1, 1, 2, 2, 6, 1),
                ],
                true,
            ),
            (
                "a stanza that comes late",
                &[(1, 1, 1, 1, 4, 0), (1, 1, 2, 1, 4, 0), (1, 1, 2, 1, 5, 0)],
                false,
            ),
            (
                "an acknowledgement that comes late",
                &[(1, 1, 1, 1, 4, 0), (1, 1, 2, 1, 4, 0), (1, 1, 2, 1, 4, 1)],
                false,
            ),
            (
                "behind two takeovers",
                &[
                    (1, 1, 1, 1, 4, 0),
                    (1, 1, 3, 1, 4, 0),
                    (1, 1, 4, 1, 4, 0),
                    (1, 1, 4, 1, 5, 0),
                ],
                false,
            ),
            (
                "another replica saw it begin",
                &[(2, 1, 1, 1, 4, 0), (1, 1, 2, 1, 4, 0), (1, 1, 2, 1, 5, 0)],
                false,
            ),
            (
                "a replica reads its log again",
                &[
                    (1, 1, 1, 1, 4, 0),
                    (1, 1, 2, 1, 5, 0),
                    (1, 2, 1, 1, 3, 0),
                    (1, 2, 1, 1, 5, 0),
                ],
                true,
            ),
            (
                "a new session",
                &[(1, 1, 3, 0, 0, 0), (1, 1, 3, 0, 2, 0)],
                true,
            ),
        ];
        for (name, seen, good) in cases {
            assert_eq!(check(&history(seen)).is_ok(), good, "{name}");
        }
    }
}
