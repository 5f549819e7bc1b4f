//! What holds of every step, whatever the command: one function each, with the paragraph that it
//! comes from. What can only be seen from the clients' side is checked by the walk.

use std::collections::BTreeMap;

use pollux_domain::contract::{Command, Effect, ParcelKind, Reply, RowWrite, Stamp};
use pollux_domain::ids::{Connection, SessionId, StanzaId};
use pollux_domain::routing::{Route, Spread};
use pollux_store::codec;

use super::step::{Applied, Step, apply, left};
use crate::state::sessions::expiry;
use crate::state::{SessionState, State};

/// Applies one command and checks all of them. Returns the state before, at the same time.
pub(super) fn checked(state: &mut State, stamp: Stamp, command: &Command) -> (State, Applied) {
    // A refused command changes nothing but the time.
    let mut before = state.clone();
    before.set_stamp(stamp);
    let applied = apply(state, stamp, command);
    check(&Step {
        before: &before,
        after: state,
        command,
        reply: &applied.reply,
        effects: &applied.effects,
        rows: &applied.rows,
    });
    (before, applied)
}

fn check(step: &Step<'_>) {
    refused_changes_nothing(step);
    stale_is_refused(step);
    handled_grows_by_one(step);
    places_are_released_once(step);
    slots_are_numbered(step);
    wire_counts_increase(step);
    slots_leave_when_acknowledged(step);
    new_slots_are_told(step);
    a_session_is_ended_once(step);
    watchers_are_told_once(step);
    weights_are_sums(step);
    takeovers_are_remembered(step);
    if !step.refused() {
        subscriptions_agree(step.after);
        sessions_are_indexed(step.after);
        stored_messages_wait_for_a_reason(step.after);
    }
}

/// Design, section 5, rule 1: "a repetition is seen by one comparison". What is refused leaves the
/// state as it was, byte for byte, and says nothing but that its reservations are over.
fn refused_changes_nothing(step: &Step<'_>) {
    if !step.refused() {
        return;
    }
    assert_eq!(digest(step.before), digest(step.after), "digest");
    assert_eq!(step.rows, [] as [RowWrite; 0]);
    let silent = |effect: &Effect| matches!(effect, Effect::PlaceReleased { .. });
    assert!(step.effects.iter().all(silent), "{:?}", step.effects);
}

/// Design, section 5, rule 1: "`apply` takes it only if n = handled + 1 and epoch and connection
/// are current"; section 4: "`apply` refuses a smaller epoch".
fn stale_is_refused(step: &Step<'_>) {
    let mut stale = false;
    if let Some((home, epoch)) = step.epoch() {
        stale |= step.before.serving(home).map(|serving| serving.epoch) != Some(epoch);
    }
    if let Some(speaker) = step.speaker() {
        let session = step.before.session(speaker.id);
        stale |= session.is_none_or(|session| session.connection != speaker.connection);
        if let (Command::Stanza { n, .. }, Some(session)) = (step.command, session) {
            stale |= *n != session.handled + 1;
        }
    }
    if let Command::TakeOver { home, epoch, .. } = step.command {
        stale |= step
            .before
            .serving(*home)
            .is_some_and(|serving| *epoch <= serving.epoch);
    }
    if let Command::Resumed { session, .. } = step.command {
        let resumable = step
            .before
            .session(*session)
            .is_some_and(|s| s.managed == Some(true));
        stale |= !resumable;
    }
    assert!(!stale || step.refused(), "taken: {:?}", step.reply);
    if let (Command::Stanza { .. }, false) = (step.command, stale) {
        assert_eq!(*step.reply, Reply::Done, "the next stanza is always taken");
    }
}

/// Design, section 4: `serving` changes with a takeover alone, and each leaves its row, with who
/// served before and why it came.
fn takeovers_are_remembered(step: &Step<'_>) {
    let row = step.after.takeovers().newest_first().next();
    let Command::TakeOver {
        home, to, cause, ..
    } = step.command
    else {
        assert_eq!(step.before.takeovers(), step.after.takeovers());
        return;
    };
    if step.refused() {
        return;
    }
    let row = row.expect("a takeover leaves a row");
    let before = step.before.serving(*home).map(|serving| serving.node);
    assert_eq!(row.from.map(|from| from.node), before);
    assert_eq!((row.home, row.to.node, row.cause), (*home, *to, *cause));
    assert_eq!(row.at.group, step.after.group_time());
    let last = step.after.takeovers().last_move(*home);
    assert_eq!(last.map(|last| last.to.node), Some(*to), "who serves");
}

/// Design, section 5, rule 1: a stanza is committed with "`handled = n`", and nothing else moves
/// that count but `<enable/>`, which begins it (XEP-0198 section 3).
fn handled_grows_by_one(step: &Step<'_>) {
    for (id, before, after) in step.lasting() {
        let want = match step.command {
            _ if step.refused() => before.handled,
            Command::Stanza { session, n, .. } if session.id == id => *n,
            Command::Enable { session, .. } if session.id == id => 0,
            _ => before.handled,
        };
        assert_eq!(after.handled, want, "handled of {id}");
    }
    let told: Vec<_> = step.effects.iter().filter_map(handled).collect();
    let want = match (step.command, step.reply) {
        // An answer that has no place ends its session instead of being counted.
        (Command::Stanza { session, .. }, Reply::Done)
            if told.is_empty() && step.after.session(session.id).is_none() =>
        {
            Vec::new()
        }
        (Command::Stanza { session, n, .. }, Reply::Done) => {
            vec![(session.id, session.connection, *n)]
        }
        _ => Vec::new(),
    };
    assert_eq!(told, want);
}

fn handled(effect: &Effect) -> Option<(SessionId, Connection, u64)> {
    match effect {
        Effect::Handled {
            session,
            connection,
            n,
        } => Some((*session, *connection, *n)),
        _ => None,
    }
}

/// `domain::contract::Place`: "nothing volatile is written until the command is decided". Every
/// reservation ends, once, whatever became of the command, and after the slots that stand on it.
fn places_are_released_once(step: &Step<'_>) {
    let mut open: Vec<(SessionId, Connection)> = match step.command {
        Command::Stanza { places, .. } => places
            .iter()
            .filter(|place| place.early.is_none())
            .map(|place| (place.session, place.connection))
            .collect(),
        _ => Vec::new(),
    };
    let mut released = 0;
    for effect in step.effects {
        match effect {
            Effect::PlaceReleased {
                session,
                connection,
            } => {
                let of_this = open
                    .iter()
                    .position(|place| *place == (*session, *connection));
                open.remove(of_this.expect("a place that was held"));
                released += 1;
            }
            Effect::Slot { .. } => assert_eq!(released, 0, "a slot after a release"),
            _ => {}
        }
    }
    assert_eq!(open, [], "places that nobody released");
}

/// Design, section 5, rule 3: "A slot is the session's next `seq`". What went early stands behind
/// the slot before it.
fn slots_are_numbered(step: &Step<'_>) {
    for (id, session) in step.changed() {
        let positions = session.slots.iter().map(|slot| slot.position());
        let by_seq = positions.clone().is_sorted_by(|a, b| a.seq <= b.seq);
        assert!(by_seq, "slots of {id}: {:?}", session.slots);
        if session.managed.is_some() {
            let mut seqs: Vec<u64> = positions.map(|at| at.seq.0).collect();
            seqs.dedup();
            let first = session.last_seq.0 + 1 - seqs.len() as u64;
            assert!(
                seqs.into_iter().eq(first..=session.last_seq.0),
                "slots of {id}"
            );
        }
    }
}

/// Design, section 5, rule 3: "Wire count of a placed slot = base + seq + v". No two slots have one
/// count, and the count that the client has told already covers none.
fn wire_counts_increase(step: &Step<'_>) {
    for (id, session) in step.changed() {
        let mut last = session.acked;
        if session.managed.is_none() {
            continue;
        }
        for slot in &session.slots {
            let Some(wire) = session.wire_count(slot) else {
                continue;
            };
            assert!(last < wire, "wire counts of {id}: {last}, then {wire}");
            last = wire;
        }
    }
}

/// Design, section 5, rules 3 and 4: placed slots with a wire count up to h leave, "all others"
/// stay; "a slot that is not placed has not been written", so that no count of a client covers it.
fn slots_leave_when_acknowledged(step: &Step<'_>) {
    for (id, before, after) in step.lasting() {
        if std::ptr::eq(before, after) {
            continue;
        }
        let gone = left(before, after);
        match step.command {
            Command::Acked { session, h } if session.id == id => {
                assert!(
                    gone.iter()
                        .all(|slot| wire(before, slot) <= Some(u64::from(*h)))
                );
                covers(after, u64::from(*h));
            }
            Command::Resumed { session, h, .. } if *session == id => {
                assert!(
                    gone.iter()
                        .all(|slot| wire(before, slot) <= Some(u64::from(*h)))
                );
                assert_eq!(after.base, u64::from(*h));
            }
            Command::Written { session, through } if session.id == id => {
                assert!(gone.iter().all(|slot| slot.position() <= *through));
            }
            Command::Enable {
                session, written, ..
            } if session.id == id => {
                assert!(gone.iter().all(|slot| slot.position() <= *written));
            }
            _ => assert!(gone.is_empty(), "slots left {id}: {gone:?}"),
        }
        assert!(
            gone.iter().all(|slot| slot.placed.is_some()),
            "without a place: {gone:?}"
        );
    }
}

fn wire(session: &SessionState, slot: &pollux_domain::contract::Slot) -> Option<u64> {
    session.wire_count(slot)
}

fn covers(session: &SessionState, h: u64) {
    let first = session
        .slots
        .front()
        .and_then(|slot| session.wire_count(slot));
    assert!(
        first.is_none_or(|first| h < first),
        "an acknowledged slot stays"
    );
}

/// Design, section 5, rule 3: the writer learns of every slot from an effect, once, and of no
/// other. A new connection learns of what waits from the state.
fn new_slots_are_told(step: &Step<'_>) {
    let mut told: BTreeMap<(SessionId, StanzaId), usize> = BTreeMap::new();
    for effect in step.effects {
        if let Effect::Slot { session, slot, .. } = effect {
            *told.entry((*session, slot.stanza)).or_default() += 1;
        }
    }
    assert!(
        told.values().all(|times| *times == 1),
        "told twice: {told:?}"
    );
    for (id, session) in step.changed() {
        let Some(before) = step.before.session(id) else {
            continue;
        };
        if before.connection != session.connection {
            continue;
        }
        let new = session
            .slots
            .iter()
            .filter(|slot| before.last_seq < slot.seq);
        for slot in new {
            let effect = Effect::Slot {
                session: id,
                connection: session.connection,
                slot: slot.clone(),
            };
            // The other holders of a shared stanza may have taken their duty over since.
            let told = step.effects.iter().any(|other| {
                *other == effect
                    || matches!(other, Effect::Slot { session, slot: told, .. }
                        if *session == id && told.seq == slot.seq && told.duty != slot.duty)
            });
            assert!(told, "nobody was told of {slot:?}");
        }
    }
}

/// `Effect::Ended` is said of each session that ended, once, and of no other.
fn a_session_is_ended_once(step: &Step<'_>) {
    let mut said: Vec<SessionId> = step
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ended { session, .. } => Some(*session),
            _ => None,
        })
        .collect();
    said.sort_unstable();
    let mut gone: Vec<SessionId> = step.ended().map(|(id, _)| id).collect();
    gone.sort_unstable();
    assert_eq!(said, gone);
}

/// RFC 6121 section 4.5.2: whoever sees the device (contacts, the user's other devices, and those
/// of directed presence, 4.6.3) is told that it is gone when its session ends: once, and nobody
/// else is.
fn watchers_are_told_once(step: &Step<'_>) {
    for (ended, gone) in step.ended() {
        for (id, before, after) in step.lasting() {
            if before.availability.is_some() != after.availability.is_some() {
                continue;
            }
            let told = step.effects.iter().filter(|effect| {
                matches!(effect, Effect::Announce { session, announcement }
                    if *session == id
                        && announcement.from == gone.jid
                        && announcement.bytes.is_none())
            });
            let want = usize::from(sees(step.before, gone, before));
            assert_eq!(told.count(), want, "session {id} of the end of {ended}");
        }
    }
}

/// Whether `observer` was told that `device` is available.
fn sees(state: &State, device: &SessionState, observer: &SessionState) -> bool {
    let (user, watcher) = (device.user(), observer.user());
    let shown = || state.shows(&user, &watcher) && !state.blocks_account(&watcher, &user);
    let broadcast = device.availability.is_some()
        && observer.availability.is_some()
        && (user == watcher || shown());
    let directed = device.directed.contains(&observer.jid)
        || (observer.availability.is_some() && device.directed.contains(&watcher.to_jid()));
    broadcast || directed
}

/// RFC 6121 appendix A: what one user's list says of a pair, the other's says too.
fn subscriptions_agree(state: &State) {
    for (user, record) in &state.users {
        for (jid, contact) in &record.contacts {
            if is_abroad(state, jid) {
                continue;
            }
            let Some(other) = state.users.get(jid) else {
                assert!(
                    !contact.relation.to && !contact.relation.pending_out,
                    "{user}, {jid}"
                );
                continue;
            };
            let back = other.contacts.get(user).map(|contact| contact.relation);
            let back = back.unwrap_or_default();
            let relation = contact.relation;
            assert_eq!(relation.to, back.from, "{user} sees {jid}");
            assert_eq!(relation.from, back.to, "{jid} sees {user}");
            assert_eq!(
                relation.pending_out,
                other.requests.contains_key(user),
                "{user} asks {jid}"
            );
            assert!(
                !(relation.to && relation.pending_out),
                "{user} asks what it has: {jid}"
            );
        }
        for asker in record.requests.keys() {
            if is_abroad(state, asker) {
                continue;
            }
            let asks = state
                .users
                .get(asker)
                .and_then(|asker| asker.contacts.get(user));
            assert!(
                asks.is_some_and(|contact| contact.relation.pending_out),
                "{asker}, {user}"
            );
        }
    }
}

/// The other half is in another group, and changes when a line is taken there: see the walk between
/// groups.
fn is_abroad(state: &State, user: &pollux_domain::jid::BareJid) -> bool {
    state.name.is_some() && !state.users.contains_key(user)
}

/// What is derived is what it is derived from: sessions of users, the order of expiry.
fn sessions_are_indexed(state: &State) {
    let mut listed = 0;
    for (jid, user) in &state.users {
        assert!(user.sessions.is_sorted(), "sign-ins of {jid} out of order");
        for id in &user.sessions {
            assert_eq!(&state.sessions[id].user(), jid);
            listed += 1;
        }
    }
    assert_eq!(listed, state.sessions.len());
    let detached = state.sessions.iter().filter_map(|(id, session)| {
        let since = session.detached?;
        Some((expiry(since), *id))
    });
    assert_eq!(state.expiring, detached.collect());
}

/// XEP-0160 section 3: what is stored is delivered when a session can take it. It waits only while
/// none that is available with a priority of zero or more has room.
fn stored_messages_wait_for_a_reason(state: &State) {
    let waiting = state
        .users
        .iter()
        .filter(|(_, user)| !user.offline.is_empty());
    for (user, _) in waiting {
        if let Route::Deliver(sessions) =
            state.route(user.as_str(), ParcelKind::Chat, None, Spread::Best)
        {
            let idle = sessions.iter().find(|id| state.has_room(**id));
            assert_eq!(idle, None, "stored messages of {user} wait for nothing");
        }
    }
}

/// The limits of a session are judged by a sum that is kept along.
fn weights_are_sums(step: &Step<'_>) {
    for (id, session) in step.changed() {
        let sum: usize = session.slots.iter().map(|slot| slot.body.weight()).sum();
        assert_eq!(session.weight, sum, "weight of {id}");
    }
}

pub(super) fn digest(state: &State) -> u32 {
    codec::digest(state).unwrap()
}
