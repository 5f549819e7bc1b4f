//! What must be true when all has come to its end: where each message is, and that what groups and
//! clients believe of each other agrees.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pollux_domain::contract::{Command, Copied, OutboxLine, Parcel, ParcelKind, SlotBody};
use pollux_domain::jid::{BareJid, Jid};

use super::super::cluster::id;
use super::{Walk, ledger};
use crate::state::State;

impl Walk {
    pub(super) fn check_messages(&self) {
        let mut kept = BTreeSet::new();
        for group in &self.groups {
            let slots = group
                .state
                .sessions
                .values()
                .flat_map(|session| &session.slots);
            for slot in slots {
                match &slot.body {
                    SlotBody::Parcel(parcel)
                    | SlotBody::Carbon(parcel, Copied::Received)
                    | SlotBody::Bounce(parcel, _) => {
                        kept.extend(ledger::number(parcel));
                    }
                    SlotBody::Stored { .. } => {
                        kept.extend(ledger::number(&group.table[&slot.stanza]));
                    }
                    _ => {}
                }
            }
            kept.extend(group.table.values().filter_map(|row| ledger::number(row)));
            assert_eq!(
                group.state.rows(),
                group.table.keys().copied().collect::<Vec<_>>()
            );
            for row in group.state.outbox_rows() {
                assert_eq!((row.lines, row.bytes, row.owed), (0, 0, 0), "{row:?}");
            }
        }
        let there = |(group, session): ledger::Place| {
            self.groups[group].state.sessions.contains_key(&session)
        };
        self.ledger.check(&kept, there);
    }

    /// A group knows of the users of others what their groups say: who is shown them, and which of
    /// their devices are available.
    pub(super) fn check_views(&self) {
        for (source, one) in self.groups.iter().enumerate() {
            for (target, other) in self.groups.iter().enumerate() {
                if source == target {
                    continue;
                }
                for user in one.state.users() {
                    let OutboxLine::View {
                        watchers, devices, ..
                    } = one.state.view_of(&user, id(target + 1))
                    else {
                        panic!("no view");
                    };
                    let watched = other.state.watched.get(&user);
                    let told: Vec<BareJid> = watched
                        .map(|watched| watched.watchers.iter().cloned().collect())
                        .unwrap_or_default();
                    assert_eq!(told, watchers, "who sees {user} in group {}", target + 1);
                    let Some(watched) = watched else { continue };
                    let devices: BTreeMap<Jid, Bytes> = devices.into_iter().collect();
                    let known: Vec<&Jid> = watched.devices.keys().collect();
                    assert_eq!(
                        known,
                        devices.keys().collect::<Vec<_>>(),
                        "devices of {user}"
                    );
                    for (device, bytes) in &watched.devices {
                        let kept = bytes.as_ref().is_none_or(|bytes| *bytes == devices[device]);
                        assert!(kept, "{device} says something else");
                    }
                }
                let sum: usize = other.state.watched.values().map(|w| w.weight()).sum();
                assert_eq!(other.state.watched_bytes, sum);
            }
        }
    }

    /// "Contacts see the truth": each client believes of each device what is so.
    pub(super) fn check_availability(&self) {
        for client in &self.clients {
            let state = &self.groups[client.group].state;
            let session = client.session.and_then(|session| state.session(session.id));
            if session.is_none_or(|session| session.availability.is_none()) {
                continue;
            }
            for group in &self.groups {
                for user in group.state.users() {
                    if self.directed.contains(&(user.clone(), client.user.clone())) {
                        continue;
                    }
                    let allowed = group.state.relation(&user, &client.user).0.from;
                    let wanted = state.relation(&client.user, &user).0.to;
                    let sees = user == client.user || (allowed && wanted);
                    let truth: BTreeMap<Jid, Bytes> = group
                        .state
                        .devices_of(&user)
                        .into_iter()
                        .filter(|_| sees)
                        .collect();
                    let believed = client.view.iter().filter(|(jid, _)| jid.to_bare() == user);
                    let believed: BTreeMap<Jid, Bytes> = believed
                        .map(|(jid, bytes)| (jid.clone(), bytes.clone()))
                        .collect();
                    assert_eq!(believed, truth, "{} of {user}", client.jid);
                }
            }
        }
    }

    /// Two users may contradict each other before either has heard the other; what then stands is
    /// as RFC 6121 appendix A leaves it between two servers, and the halves may differ.
    pub(super) fn note_crossings(&mut self, group: usize, before: &State) {
        let state = &self.groups[group].state;
        for (target, outbox) in &state.outboxes {
            let known = before.outboxes.get(target).map_or(0, |outbox| outbox.last);
            let new = outbox
                .lines
                .iter()
                .rev()
                .take_while(|line| known < line.number);
            let Some(other) = self.groups.get(target.0 as usize - 1) else {
                continue;
            };
            let other = &other.state;
            let taken = state.taken_through(*target).unwrap_or_default();
            let taken_before = before.taken_through(*target).unwrap_or_default();
            let coming = other.outboxes.get(&id(group + 1));
            for line in new {
                if let OutboxLine::Bounce(parcel, _) = line.line.as_ref() {
                    self.crossed.extend(said(parcel));
                }
                let OutboxLine::Parcel(parcel) = line.line.as_ref() else {
                    continue;
                };
                let Some(pair) = said(parcel) else { continue };
                let coming = coming.iter().flat_map(|outbox| &outbox.lines);
                let of_the_two = coming.filter(|line| {
                    matches!(line.line.as_ref(), OutboxLine::Parcel(parcel)
                        if said(parcel) == Some(pair.clone()))
                });
                let numbers = of_the_two.map(|line| (line.incarnation, line.number));
                let numbers: Vec<_> = numbers.filter(|number| taken_before < *number).collect();
                // The server's own answer to one line crosses those that were taken with it.
                if 1 < numbers.len() || numbers.iter().any(|number| taken < *number) {
                    self.crossed.insert(pair);
                }
            }
        }
    }

    /// A target refuses a line, or an operator gives it up.
    pub(super) fn note_refused(&mut self, group: usize, command: &Command) {
        let (target, numbers) = match command {
            Command::Told {
                target, refused, ..
            } => (target, refused.as_slice()),
            Command::DropLine { target, number, .. } => (target, std::slice::from_ref(number)),
            _ => return,
        };
        let Some(outbox) = self.groups[group].state.outboxes.get(target) else {
            return;
        };
        for line in outbox
            .lines
            .iter()
            .filter(|line| numbers.contains(&line.number))
        {
            if let OutboxLine::Parcel(parcel) = line.line.as_ref() {
                self.crossed.extend(said(parcel));
                self.ledger.returned(parcel);
            }
        }
    }

    /// RFC 6121 appendix A: the two halves agree.
    pub(super) fn check_subscriptions(&self) {
        for (at, one) in self.groups.iter().enumerate() {
            for (other_at, other) in self.groups.iter().enumerate() {
                if at == other_at {
                    continue;
                }
                for user in one.state.users() {
                    for contact in other.state.users() {
                        let (own, _) = one.state.relation(&user, &contact);
                        let (back, asked) = other.state.relation(&contact, &user);
                        if self.crossed.contains(&pair(&user, &contact)) {
                            continue;
                        }
                        assert_eq!(own.to, back.from, "{user} sees {contact}");
                        assert_eq!(own.pending_out, asked, "{user} asks {contact}");
                    }
                }
            }
        }
    }
}

/// The two whom a subscription stanza concerns.
fn said(parcel: &Parcel) -> Option<(BareJid, BareJid)> {
    let about = matches!(parcel.kind, ParcelKind::Subscription(_));
    about.then(|| pair(&parcel.from.to_bare(), &parcel.to.to_bare()))
}

fn pair(one: &BareJid, other: &BareJid) -> (BareJid, BareJid) {
    let (one, other) = (one.clone(), other.clone());
    if one < other {
        (one, other)
    } else {
        (other, one)
    }
}
