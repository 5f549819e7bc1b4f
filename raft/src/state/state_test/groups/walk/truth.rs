//! What must be true when all has come to its end: where each message is, and that what groups and
//! clients believe of each other agrees.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pollux_domain::contract::{OutboxLine, SlotBody};
use pollux_domain::jid::{BareJid, Jid};

use super::super::cluster::id;
use super::{Walk, ledger};

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
                    SlotBody::Parcel(parcel) | SlotBody::Bounce(parcel, _) => {
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

    /// RFC 6121 appendix A: the two halves agree, but for a request that crossed its own
    /// withdrawal: then the one who was asked has still to answer.
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
                        let crossed = own.to && !back.from && asked;
                        assert!(crossed || own.to == back.from, "{user} sees {contact}");
                        let asks = crossed || own.pending_out == asked;
                        assert!(asks, "{user} asks {contact}: {own:?}, {asked}");
                    }
                }
            }
        }
    }
}
