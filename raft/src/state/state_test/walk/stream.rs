//! The serving node's side of one stream, as design, section 5, rule 3 wants it: slots wait for
//! their place, volatile stanzas are counted, a reservation holds back what is volatile.

use std::collections::VecDeque;
use std::sync::Arc;

use pollux_domain::contract::{Copied, Parcel, Place, Position, Session, Slot, SlotBody};
use pollux_domain::ids::{Seq, StanzaId};

/// See the module.
pub(super) struct Stream {
    pub(super) speaker: Session,
    managed: bool,
    base: u64,
    /// Stanzas written to this stream, and the volatile ones among them.
    written: u64,
    volatile_written: u64,
    /// Volatile stanzas written or in the queue: the place of a slot that comes next.
    volatile: u64,
    queue: VecDeque<Item>,
    reservations: u32,
    /// Volatile stanzas that wait for the end of all reservations.
    held: u64,
    /// Written, and on its way to the client.
    pub(super) pipe: VecDeque<Wire>,
    /// The last stanza of the client that was proposed, and the last that was committed.
    pub(super) proposed: u64,
    pub(super) handled: u64,
    /// How far it is written, and the last slot that has come.
    pub(super) written_to: Position,
    last_seq: Seq,
    /// The last stanza of the client for which no reservation was made.
    pub(super) unordered: u64,
}

enum Item {
    Volatile,
    /// Written before its commit (`deliver = early`).
    Early {
        at: Position,
        parcel: Arc<Parcel>,
    },
    Slot {
        slot: Slot,
        /// The volatile stanzas before it.
        place: u64,
        proposed: bool,
    },
}

/// What the client receives.
pub(super) enum Wire {
    Volatile,
    Early(Arc<Parcel>),
    Slot {
        stanza: StanzaId,
        parcel: Option<Arc<Parcel>>,
        /// Says that the parcel was refused.
        refusal: bool,
    },
}

impl Stream {
    pub(super) fn new(speaker: Session, managed: bool, base: u64, handled: u64) -> Stream {
        Stream {
            speaker,
            managed,
            base,
            written: 0,
            volatile_written: 0,
            volatile: 0,
            queue: VecDeque::new(),
            reservations: 0,
            held: 0,
            pipe: VecDeque::new(),
            proposed: handled,
            handled,
            written_to: Position::default(),
            last_seq: Seq(0),
            unordered: 0,
        }
    }

    pub(super) fn slot(&mut self, slot: Slot) {
        if slot.seq <= self.last_seq {
            // It went early.
            return;
        }
        self.last_seq = slot.seq;
        let place = self.volatile;
        if let (Some(placed), true) = (slot.placed, self.managed) {
            assert_eq!(placed, place, "placed elsewhere than promised");
        }
        self.queue.push_back(Item::Slot {
            slot,
            place,
            proposed: false,
        });
    }

    pub(super) fn announce(&mut self) {
        if self.reservations != 0 {
            self.held += 1;
            return;
        }
        self.volatile += 1;
        self.queue.push_back(Item::Volatile);
    }

    pub(super) fn reserve(&mut self) -> Place {
        self.reservations += 1;
        Place {
            session: self.speaker.id,
            connection: self.speaker.connection,
            v: self.volatile,
            early: None,
        }
    }

    /// Writes to this stream before the commit, where it overtakes no slot. `last_seq`: the newest
    /// slot that the group has made for it.
    pub(super) fn early(&mut self, last_seq: Seq, parcel: &Arc<Parcel>) -> Option<Place> {
        let unplaced =
            |item: &Item| matches!(item, Item::Slot { slot, .. } if slot.placed.is_none());
        let waits = self.reservations != 0 || self.queue.iter().any(unplaced);
        if waits || self.last_seq != last_seq {
            return None;
        }
        self.volatile += 1;
        let at = Position {
            seq: last_seq,
            v: self.volatile,
        };
        let parcel = parcel.clone();
        self.queue.push_back(Item::Early { at, parcel });
        Some(Place {
            session: self.speaker.id,
            connection: self.speaker.connection,
            v: at.v,
            early: Some(at.seq),
        })
    }

    pub(super) fn released(&mut self) {
        self.reservations = self
            .reservations
            .checked_sub(1)
            .expect("a reservation to end");
        if self.reservations == 0 {
            for _ in 0..std::mem::take(&mut self.held) {
                self.announce();
            }
        }
    }

    pub(super) fn placed(&mut self, through: Seq) {
        for item in &mut self.queue {
            if let Item::Slot { slot, place, .. } = item
                && slot.seq <= through
                && slot.placed.is_none()
            {
                slot.placed = Some(*place);
            }
        }
    }

    /// The slots to propose a place for: through which, and how many volatile stanzas stand before
    /// them.
    pub(super) fn next_place(&mut self) -> Option<(Seq, u64)> {
        let mut found: Option<(Seq, u64)> = None;
        for item in &mut self.queue {
            let Item::Slot {
                slot,
                place,
                proposed,
            } = item
            else {
                continue;
            };
            if slot.placed.is_some() || *proposed {
                continue;
            }
            if found.is_some_and(|(_, v)| v != *place) {
                break;
            }
            *proposed = true;
            found = Some((slot.seq, *place));
        }
        found
    }

    /// Writes the next stanza of the queue, unless it has no place yet. `parcel` finds that of a
    /// slot.
    pub(super) fn write(&mut self, parcel: impl Fn(&Slot) -> Option<Arc<Parcel>>) -> bool {
        match self.queue.front() {
            None => return false,
            Some(Item::Slot { slot, .. }) if slot.placed.is_none() => return false,
            Some(_) => {}
        }
        self.written += 1;
        match self.queue.pop_front() {
            Some(Item::Slot { slot, .. }) => {
                if self.managed {
                    let v = slot.placed.expect("a slot without a place is not written");
                    assert_eq!(v, self.volatile_written, "{slot:?}");
                    assert_eq!(self.written, slot.seq.0 + v, "wire count of {slot:?}");
                }
                self.written_to = Position {
                    seq: slot.seq,
                    v: 0,
                };
                let parcel = parcel(&slot);
                self.pipe.push_back(Wire::Slot {
                    stanza: slot.stanza,
                    parcel,
                    refusal: matches!(slot.body, SlotBody::Bounce(..)),
                });
            }
            Some(Item::Early { at, parcel }) => {
                self.volatile_written += 1;
                if self.managed {
                    assert_eq!(self.written, at.seq.0 + at.v, "wire count of {at:?}");
                }
                self.written_to = at;
                self.pipe.push_back(Wire::Early(parcel));
            }
            _ => {
                self.volatile_written += 1;
                self.pipe.push_back(Wire::Volatile);
            }
        }
        true
    }

    /// The client's count after all that was written.
    pub(super) fn count(&self) -> u64 {
        self.base + self.written
    }

    pub(super) fn managed(&self) -> bool {
        self.managed
    }
}

/// The parcel of a slot that says somebody's words.
pub(super) fn parcel_of(slot: &Slot, table: &super::Table) -> Option<Arc<Parcel>> {
    match &slot.body {
        SlotBody::Parcel(parcel)
        | SlotBody::Carbon(parcel, Copied::Received)
        | SlotBody::Bounce(parcel, _) => Some(parcel.clone()),
        SlotBody::Stored { .. } => Some(
            table
                .get(&slot.stanza)
                .expect("the row of a slot that waits")
                .clone(),
        ),
        SlotBody::Carbon(_, Copied::Sent)
        | SlotBody::Ask(_)
        | SlotBody::Push(..)
        | SlotBody::BlockPush(_)
        | SlotBody::Answer(_) => None,
    }
}
