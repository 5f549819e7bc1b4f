//! Which of a user's sessions get a stanza (RFC 6121 section 8.5). Not for foreign domains.

use crate::contract::ParcelKind;
use crate::ids::SessionId;
use crate::stanza_error::Condition;

/// One session of the addressee, as routing sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub session: SessionId,
    pub resource: &'a str,
    /// None: not available (no presence sent yet).
    pub priority: Option<i8>,
}

/// Where a parcel goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Deliver(Vec<SessionId>),
    Store,
    Bounce(Condition),
    Drop,
}

/// Which of several available devices get a message to the bare address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Those of the highest priority (RFC 6121 section 8.5.2.1.1, "most available").
    Best,
    /// Each that does not refuse by a negative priority: forking.
    Each,
    /// The one from which the user has replied to this sender.
    Only(SessionId),
}

/// Routes to a local user that exists. `resource`: of the address, if it has one.
pub fn route<'a>(
    kind: ParcelKind,
    resource: Option<&str>,
    spread: Spread,
    mut candidates: impl Iterator<Item = Candidate<'a>> + Clone,
) -> Route {
    if let Some(resource) = resource {
        // 8.5.3.1: a match by resource, available or not (an IQ result finds a session before its
        // first presence).
        let all = candidates.clone();
        let hit = candidates.find(|candidate| candidate.resource == resource);
        if let Some(hit) = hit {
            return Route::Deliver(vec![hit.session]);
        }
        return match kind {
            // 8.5.3.2.1: chat as if to the bare address.
            ParcelKind::Chat => to_bare(kind, spread, all),
            ParcelKind::MessageError | ParcelKind::IqResponse => Route::Drop,
            ParcelKind::Normal
            | ParcelKind::Headline
            | ParcelKind::Groupchat
            | ParcelKind::IqRequest
            | ParcelKind::Subscription(_)
            | ParcelKind::Directed => Route::Bounce(Condition::ServiceUnavailable),
        };
    }
    to_bare(kind, spread, candidates)
}

/// 8.5.2: to the bare address.
fn to_bare<'a>(
    kind: ParcelKind,
    spread: Spread,
    candidates: impl Iterator<Item = Candidate<'a>> + Clone,
) -> Route {
    match kind {
        // 8.5.2.1.1 and 8.5.2.2.1
        ParcelKind::Chat | ParcelKind::Normal => {
            let sessions = match spread {
                Spread::Best => most_available(candidates),
                Spread::Each => available(candidates),
                Spread::Only(session) => vec![session],
            };
            match sessions.is_empty() {
                true => Route::Store,
                false => Route::Deliver(sessions),
            }
        }
        // All that do not refuse by a negative priority. Nobody there: "MUST silently ignore"; it
        // was for those who are there.
        ParcelKind::Headline => match available(candidates) {
            none if none.is_empty() => Route::Drop,
            sessions => Route::Deliver(sessions),
        },
        ParcelKind::Groupchat
        | ParcelKind::IqRequest
        | ParcelKind::Subscription(_)
        | ParcelKind::Directed => Route::Bounce(Condition::ServiceUnavailable),
        ParcelKind::MessageError | ParcelKind::IqResponse => Route::Drop,
    }
}

/// Sessions with a priority of zero or more.
fn available<'a>(candidates: impl Iterator<Item = Candidate<'a>> + Clone) -> Vec<SessionId> {
    let willing = candidates.filter(|candidate| 0 <= candidate.priority.unwrap_or(-1));
    willing.map(|candidate| candidate.session).collect()
}

/// Of those the ones with the highest priority.
fn most_available<'a>(candidates: impl Iterator<Item = Candidate<'a>> + Clone) -> Vec<SessionId> {
    let best = candidates
        .clone()
        .filter_map(|candidate| candidate.priority)
        .max();
    let best = match best {
        Some(best) if 0 <= best => best,
        _ => return Vec::new(),
    };
    let chosen = candidates.filter(|candidate| candidate.priority == Some(best));
    chosen.map(|candidate| candidate.session).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        kind: ParcelKind,
        resource: Option<&str>,
        sessions: &[(u64, Option<i8>)],
        want: Route,
    ) {
        let names = ["a", "b", "c"];
        let candidates: Vec<_> = sessions
            .iter()
            .zip(names)
            .map(|(&(id, priority), resource)| Candidate {
                session: SessionId(id),
                resource,
                priority,
            })
            .collect();
        assert_eq!(
            route(kind, resource, Spread::Best, candidates.iter().copied()),
            want,
            "{kind:?} to {resource:?} of {sessions:?}"
        );
    }

    fn to(ids: &[u64]) -> Route {
        Route::Deliver(ids.iter().copied().map(SessionId).collect())
    }

    #[test]
    fn a_message_is_forked_to_all_who_do_not_refuse_it_or_goes_to_one() {
        let candidate = |session, resource, priority| Candidate {
            session: SessionId(session),
            resource,
            priority,
        };
        let all = [
            candidate(1, "a", Some(0)),
            candidate(2, "b", Some(5)),
            candidate(3, "c", Some(-1)),
            candidate(4, "d", None),
        ];
        let routed = |kind, resource, spread| route(kind, resource, spread, all.iter().copied());
        for kind in [ParcelKind::Chat, ParcelKind::Normal] {
            assert_eq!(routed(kind, None, Spread::Each), to(&[1, 2]));
            assert_eq!(routed(kind, None, Spread::Only(SessionId(1))), to(&[1]));
            // Who names a device means it.
            assert_eq!(routed(kind, Some("b"), Spread::Each), to(&[2]));
        }
        let shy = all[2..].iter().copied();
        assert_eq!(
            route(ParcelKind::Chat, None, Spread::Each, shy),
            Route::Store
        );
        assert_eq!(
            routed(ParcelKind::Headline, None, Spread::Only(SessionId(1))),
            to(&[1, 2])
        );
    }

    #[test]
    fn messages_go_where_rfc_6121_says() {
        let unavailable = Route::Bounce(Condition::ServiceUnavailable);
        check(
            ParcelKind::Chat,
            None,
            &[(1, Some(0)), (2, Some(5))],
            to(&[2]),
        );
        check(
            ParcelKind::Chat,
            None,
            &[(1, Some(5)), (2, Some(5))],
            to(&[1, 2]),
        );
        check(
            ParcelKind::Chat,
            None,
            &[(1, Some(-1)), (2, None)],
            Route::Store,
        );
        check(ParcelKind::Chat, None, &[], Route::Store);
        check(ParcelKind::Normal, None, &[(1, Some(-1))], Route::Store);
        check(
            ParcelKind::Chat,
            Some("b"),
            &[(1, Some(9)), (2, Some(-1))],
            to(&[2]),
        );
        check(ParcelKind::Chat, Some("x"), &[(1, Some(9))], to(&[1]));
        check(ParcelKind::Chat, Some("x"), &[], Route::Store);
        check(
            ParcelKind::Normal,
            Some("x"),
            &[(1, Some(9))],
            unavailable.clone(),
        );
        check(
            ParcelKind::Headline,
            None,
            &[(1, Some(0)), (2, Some(5)), (3, Some(-1))],
            to(&[1, 2]),
        );
        check(ParcelKind::Headline, None, &[], Route::Drop);
        check(
            ParcelKind::Groupchat,
            None,
            &[(1, Some(0))],
            unavailable.clone(),
        );
        check(ParcelKind::MessageError, None, &[(1, Some(0))], Route::Drop);
        check(ParcelKind::IqRequest, Some("a"), &[(1, None)], to(&[1]));
        check(
            ParcelKind::IqRequest,
            Some("x"),
            &[(1, Some(0))],
            unavailable,
        );
        check(ParcelKind::IqResponse, Some("x"), &[], Route::Drop);
    }

    /// Section 8.5.4, table 1: each row and column for users that exist. Where the table leaves a
    /// choice this is ours: stored before refused, refused before ignored, and of several devices
    /// all (forking) or those of the highest priority.
    #[test]
    fn table_1_of_rfc_6121() {
        const O: Route = Route::Store;
        const E: Route = Route::Bounce(Condition::ServiceUnavailable);
        const S: Route = Route::Drop;
        let d = |ids: &[u64]| to(ids);
        let none: &[(u64, Option<i8>)] = &[];
        let negative = &[(1, Some(-1)), (2, None)];
        let one = &[(1, Some(0)), (2, Some(-1))];
        let several = &[(1, Some(3)), (2, Some(0)), (3, Some(3))];
        let matching = Some("a");
        let other = Some("x");
        let kinds = [
            ParcelKind::Normal,
            ParcelKind::Chat,
            ParcelKind::Groupchat,
            ParcelKind::Headline,
        ];
        type Devices<'a> = &'a [(u64, Option<i8>)];
        let rows: [(Devices<'_>, Option<&str>, [Route; 4]); 11] = [
            // No active resources.
            (none, None, [O, O, E, S]),
            (none, other, [E, O, E, E]),
            // None that does not refuse.
            (negative, None, [O, O, E, S]),
            (negative, matching, [d(&[1]), d(&[1]), d(&[1]), d(&[1])]),
            (negative, other, [E, O, E, E]),
            // One.
            (one, None, [d(&[1]), d(&[1]), E, d(&[1])]),
            (one, matching, [d(&[1]), d(&[1]), d(&[1]), d(&[1])]),
            (one, other, [E, d(&[1]), E, E]),
            // Several, without forking.
            (several, None, [d(&[1, 3]), d(&[1, 3]), E, d(&[1, 2, 3])]),
            (several, matching, [d(&[1]), d(&[1]), d(&[1]), d(&[1])]),
            (several, other, [E, d(&[1, 3]), E, E]),
        ];
        for (devices, resource, cells) in rows {
            for (kind, cell) in kinds.into_iter().zip(cells) {
                check(kind, resource, devices, cell);
            }
        }
    }
}
