//! What the walks have met. A walk that never meets a case proves nothing of it.

use std::collections::BTreeMap;

use pollux_domain::contract::{Command, Copied, Effect, Reply, RowWrite, SlotBody};

use super::super::step::Applied;

#[derive(Debug, Default)]
pub(super) struct Coverage(BTreeMap<String, u64>);

/// Each must have been met at least so often in a run of all seeds.
const WANTED: [(&str, u64); 27] = [
    ("announced unavailable", 1_000),
    ("done Enable", 1_000),
    ("done Placed", 1_000),
    ("done Release", 20),
    ("done Resumed", 1_000),
    ("done TakeOver", 500),
    ("done Written", 500),
    ("early slot parcel", 500),
    ("ended Conflict", 300),
    ("ended Expired", 500),
    ("ended TooMuchWaiting", 1),
    ("ended UserDisabled", 20),
    ("ended UserRemoved", 20),
    ("moved", 100),
    ("placed slot bounce", 500),
    ("placed slot stored", 500),
    ("refused AheadOfSent", 100),
    ("refused OutOfTurn", 500),
    ("refused StaleConnection", 500),
    ("refused StaleEpoch", 500),
    ("unplaced slot copy of what was received", 500),
    ("unplaced slot copy of what was sent", 500),
    ("unplaced slot parcel", 1_000),
    ("unplaced slot push", 1_000),
    ("unplaced slot stored", 1_000),
    ("row deleted", 1_000),
    ("row kept", 300),
];

impl Coverage {
    pub(super) fn count(&mut self, command: &Command, applied: &Applied) {
        match &applied.reply {
            Reply::Refused(refusal) => self.met(format!("refused {refusal:?}")),
            Reply::Done | Reply::Session { .. } | Reply::Taken { .. } => {
                self.met(format!("done {}", name(command)))
            }
        }
        for effect in &applied.effects {
            self.met(match effect {
                Effect::Slot { slot, session, .. } => {
                    let placed = if slot.placed.is_some() {
                        "placed"
                    } else {
                        "unplaced"
                    };
                    let placed = match command {
                        Command::Stanza { places, .. }
                            if places.iter().any(|place| {
                                place.session == *session && place.early == Some(slot.seq)
                            }) =>
                        {
                            "early"
                        }
                        _ => placed,
                    };
                    format!("{placed} slot {}", body(&slot.body))
                }
                Effect::Ended { reason, .. } => format!("ended {reason:?}"),
                Effect::Announce { announcement, .. } if announcement.bytes.is_none() => {
                    "announced unavailable".to_owned()
                }
                Effect::Announce { .. } => "announced available".to_owned(),
                Effect::PlaceReleased { .. } => "released".to_owned(),
                Effect::Placed { .. } => "placed".to_owned(),
                Effect::Moved { .. } => "moved".to_owned(),
                Effect::Handled { .. } => "handled".to_owned(),
                Effect::Serving { .. } => "serving".to_owned(),
                Effect::OutboxGrew { .. } => "told another group".to_owned(),
                Effect::Inquired { .. } => "asked by another group".to_owned(),
            });
        }
        for row in &applied.rows {
            self.met(match row {
                RowWrite::Put { .. } => "row put".to_owned(),
                RowWrite::Keep { .. } => "row kept".to_owned(),
                RowWrite::Delete { .. } => "row deleted".to_owned(),
            });
        }
    }

    fn met(&mut self, case: String) {
        *self.0.entry(case).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Coverage) {
        for (case, times) in &other.0 {
            *self.0.entry(case.clone()).or_default() += times;
        }
    }

    pub(super) fn check(&self) {
        for (case, times) in WANTED {
            let met = self.0.get(case).copied().unwrap_or_default();
            assert!(
                times <= met,
                "met {met} times only: {case}; all: {:#?}",
                self.0
            );
        }
    }
}

fn name(command: &Command) -> String {
    let text = match command {
        Command::Agree { part, .. } => format!("{part:?}"),
        command => format!("{command:?}"),
    };
    let end = text
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len());
    text[..end].to_owned()
}

fn body(body: &SlotBody) -> &'static str {
    match body {
        SlotBody::Parcel(_) => "parcel",
        SlotBody::Carbon(_, Copied::Sent) => "copy of what was sent",
        SlotBody::Carbon(_, Copied::Received) => "copy of what was received",
        SlotBody::Stored { .. } => "stored",
        SlotBody::Ask(_) => "ask",
        SlotBody::Push(..) => "push",
        SlotBody::BlockPush(_) => "block push",
        SlotBody::Answer(_) => "answer",
        SlotBody::Bounce(..) => "bounce",
    }
}
