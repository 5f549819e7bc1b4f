//! A small world for plays: named users with named devices, and what is said to each as one line of
//! text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::availability::{DeviceAvailability, Show};
use pollux_domain::contact::Contact;
use pollux_domain::contract::{
    Action, Agreement, AsOf, Command, ContactChange, Effect, EndReason, Parcel, ParcelKind, Reply,
    RowWrite, Session, Slot, SlotBody, Stamp,
};
use pollux_domain::hints::Hints;
use pollux_domain::ids::{Epoch, GroupMs, NodeId, SessionId, StanzaId, WallMs};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::settings::Rules;
use pollux_domain::subscription::SubscriptionRequest;
use pollux_domain::takeovers::TakeoverCause;

use super::invariants;
use super::step::Applied;
use crate::state::State;

pub(super) const HOME: NodeId = NodeId(1);
pub(super) const CLOSED: EndReason = EndReason::Closed;

/// See the module. Every step of a play is checked by all invariants.
pub(super) struct World {
    pub(super) state: State,
    pub(super) rows: BTreeMap<StanzaId, Arc<Parcel>>,
    pub(super) documents: BTreeMap<StanzaId, Bytes>,
    pub(super) now: GroupMs,
    sessions: BTreeMap<String, SessionId>,
    /// Who had which session, those that ended too.
    names: BTreeMap<SessionId, String>,
    heard: Vec<String>,
}

impl World {
    pub(super) fn new(users: &[&str]) -> World {
        let mut world = World {
            state: State::default(),
            rows: BTreeMap::new(),
            documents: BTreeMap::new(),
            now: GroupMs(0),
            sessions: BTreeMap::new(),
            names: BTreeMap::new(),
            heard: Vec::new(),
        };
        world.take_over(1);
        for name in users {
            let user = user(name);
            world.done(Agreement::Adopt { user, home: HOME }.under(AsOf::default()));
        }
        // Most plays are about users who are asked.
        world.rules(|rules| rules.auto_authorise = false);
        world
    }

    /// What was set for the cluster.
    pub(super) fn rules(&mut self, change: impl FnOnce(&mut Rules)) {
        let mut rules = self.state.rules().clone();
        change(&mut rules);
        self.done(Agreement::Rules(rules).under(AsOf::default()));
    }

    pub(super) fn take_over(&mut self, epoch: u64) {
        self.done(Command::TakeOver {
            home: HOME,
            to: NodeId(epoch as u16),
            life: pollux_domain::ids::Life(1),
            epoch: Epoch(epoch),
            cause: TakeoverCause::Silent,
        });
    }

    pub(super) fn run(&mut self, command: &Command) -> Applied {
        let stamp = Stamp {
            group: self.now,
            wall: WallMs(self.now.0),
        };
        let (_, applied) = invariants::checked(&mut self.state, stamp, command);
        for row in &applied.rows {
            match row {
                RowWrite::Put { row, parcel } => {
                    self.rows.insert(*row, parcel.clone());
                }
                RowWrite::Keep { row, document } => {
                    self.documents.insert(*row, document.clone());
                }
                RowWrite::Delete { row } => {
                    let parcel = self.rows.remove(row).is_some();
                    let document = self.documents.remove(row).is_some();
                    assert!(parcel != document, "{row} is no row");
                }
            };
        }
        let rows = self.rows.keys().chain(self.documents.keys()).copied();
        let rows: BTreeSet<StanzaId> = rows.collect();
        assert!(self.state.rows().into_iter().eq(rows));
        for effect in &applied.effects {
            if let Some(line) = self.line(effect) {
                self.heard.push(line);
            }
        }
        applied
    }

    pub(super) fn done(&mut self, command: Command) -> Reply {
        let reply = self.run(&command).reply;
        assert!(
            !matches!(reply, Reply::Refused(_)),
            "{command:?}: {reply:?}"
        );
        reply
    }

    /// What has been said to the devices since the last call.
    pub(super) fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard)
    }

    /// Nothing else was said than these lines, in this order.
    pub(super) fn hears(&mut self, lines: &[&str]) {
        assert_eq!(self.heard(), lines);
    }

    // === Devices, named "ann/phone" ===

    /// Signs in, without anything more.
    pub(super) fn sign_in(&mut self, device: &str) -> Session {
        let jid = jid(device);
        let epoch = self.state.serving(HOME).unwrap().epoch;
        let reply = self.done(Command::SignIn {
            user: jid.to_bare(),
            resource: jid.resource().unwrap().to_owned(),
            epoch,
            token: [1; 16],
            carbons: false,
        });
        let Reply::Session { session, .. } = reply else {
            panic!("{reply:?}");
        };
        self.sessions.insert(device.to_owned(), session.id);
        self.names.insert(session.id, device.to_owned());
        session
    }

    /// Signs in and turns stream management with resumption on.
    pub(super) fn managed(&mut self, device: &str) {
        let session = self.sign_in(device);
        self.done(Command::Enable {
            session,
            resumable: true,
            written: Default::default(),
        });
    }

    /// The usual start of a client: stream management, contact list, presence. What it hears of
    /// that is not kept.
    pub(super) fn online(&mut self, device: &str) {
        self.managed(device);
        self.act(device, list());
        self.available(device, 0);
        self.read(device);
        self.heard();
    }

    pub(super) fn id(&self, device: &str) -> SessionId {
        self.sessions[device]
    }

    pub(super) fn is_signed_in(&self, device: &str) -> bool {
        let id = self.sessions.get(device);
        id.is_some_and(|id| self.state.session(*id).is_some())
    }

    pub(super) fn session(&self, device: &str) -> Session {
        self.state.speaker(self.id(device)).expect("a session")
    }

    pub(super) fn act(&mut self, device: &str, action: Action) {
        let session = self.session(device);
        let n = self.state.session(session.id).unwrap().handled + 1;
        self.done(Command::Stanza {
            session,
            n,
            places: Vec::new(),
            action,
        });
    }

    pub(super) fn available(&mut self, device: &str, priority: i8) {
        let show = Show::Available;
        self.act(
            device,
            Action::Availability {
                device: Some(DeviceAvailability { show, priority }),
                bytes: Bytes::from(format!("here {priority}")),
            },
        );
    }

    pub(super) fn unavailable(&mut self, device: &str) {
        let bytes = Bytes::from_static(b"bye");
        self.act(
            device,
            Action::Availability {
                device: None,
                bytes,
            },
        );
    }

    pub(super) fn direct(&mut self, device: &str, to: &str, available: bool) {
        self.act(
            device,
            Action::Directed {
                to: jid(to),
                available,
                bytes: Bytes::from_static(if available { b"hello" } else { b"bye" }),
            },
        );
    }

    pub(super) fn say(&mut self, device: &str, to: &str, kind: ParcelKind, words: &str) {
        let parcel = parcel(device, to, kind, words);
        self.act(device, Action::Send(Arc::new(parcel)));
    }

    /// A message that says so much of itself.
    pub(super) fn hinted(&mut self, device: &str, to: &str, words: &str, hints: Hints) {
        let parcel = Parcel {
            hints,
            ..parcel(device, to, ParcelKind::Chat, words)
        };
        self.act(device, Action::Send(Arc::new(parcel)));
    }

    pub(super) fn chat(&mut self, device: &str, to: &str, words: &str) {
        self.say(device, to, ParcelKind::Chat, words);
    }

    pub(super) fn subscription(&mut self, device: &str, request: SubscriptionRequest, to: &str) {
        self.act(
            device,
            Action::Subscription {
                to: user(to),
                request,
                bytes: Bytes::from(format!("{request:?}").to_lowercase()),
            },
        );
    }

    /// The two see each other.
    pub(super) fn befriend(&mut self, one: &str, other: &str) {
        use SubscriptionRequest::{Subscribe, Subscribed};
        for (asker, asked) in [(one, other), (other, one)] {
            self.managed(&format!("{asker}/maker"));
            self.managed(&format!("{asked}/maker"));
            self.subscription(&format!("{asker}/maker"), Subscribe, asked);
            self.subscription(&format!("{asked}/maker"), Subscribed, asker);
            self.end(&format!("{asker}/maker"), EndReason::Closed);
            self.end(&format!("{asked}/maker"), EndReason::Closed);
        }
        self.heard();
    }

    /// A set of a contact, with all that follows from it.
    pub(super) fn contact_effects(&mut self, device: &str, change: ContactChange) -> Vec<Effect> {
        let session = self.session(device);
        let n = self.state.session(session.id).unwrap().handled + 1;
        let iq = parcel(device, "ann", ParcelKind::IqRequest, "set");
        let command = Command::Stanza {
            session,
            n,
            places: Vec::new(),
            action: Action::Contact {
                iq: Arc::new(iq),
                result: Bytes::from_static(b"result"),
                change,
            },
        };
        self.run(&command).effects
    }

    pub(super) fn contact(&mut self, device: &str, change: ContactChange) {
        let iq = parcel(device, "ann", ParcelKind::IqRequest, "set");
        let result = Bytes::from_static(b"result");
        self.act(
            device,
            Action::Contact {
                iq: Arc::new(iq),
                result,
                change,
            },
        );
    }

    pub(super) fn detach(&mut self, device: &str) {
        let session = self.session(device);
        self.done(Command::Detached { session });
    }

    pub(super) fn end(&mut self, device: &str, reason: EndReason) {
        let session = self.session(device);
        self.done(Command::End { session, reason });
    }

    pub(super) fn expire(&mut self, device: &str) {
        let session = self.session(device);
        self.done(Command::Expired { session });
    }

    pub(super) fn resume(&mut self, device: &str, h: u32) -> Reply {
        let epoch = self.state.serving(HOME).unwrap().epoch;
        self.done(Command::Resumed {
            session: self.id(device),
            epoch,
            h,
        })
    }

    /// The client has all that waits for it, and says so.
    pub(super) fn read(&mut self, device: &str) {
        let session = self.session(device);
        let state = self.state.session(session.id).unwrap();
        let last = state.slots.back().map(|slot| slot.seq);
        let Some(through) = last else { return };
        let v = state
            .slots
            .iter()
            .rev()
            .find_map(|slot| slot.placed)
            .unwrap_or_default();
        let h = (state.base + through.0 + v) as u32;
        self.done(Command::Placed {
            session,
            through,
            v,
        });
        self.done(Command::Acked { session, h });
    }

    /// What waits for a device, as lines.
    pub(super) fn waits(&self, device: &str) -> Vec<String> {
        let session = self.state.session(self.id(device)).expect("a session");
        session.slots.iter().map(|slot| self.slot(slot)).collect()
    }

    /// A user's contact list, as lines.
    pub(super) fn contacts(&self, name: &str) -> Vec<String> {
        self.state.contacts(&user(name)).iter().map(entry).collect()
    }

    pub(super) fn stored(&self, name: &str) -> usize {
        self.state.users[&user(name)].offline.len()
    }

    // === Text ===

    fn line(&self, effect: &Effect) -> Option<String> {
        let name = effect.session().and_then(|id| self.names.get(&id));
        let name = name.map_or("?", String::as_str);
        let said = match effect {
            Effect::Slot { slot, .. } => self.slot(slot),
            Effect::Announce { announcement, .. } => {
                let words = announcement.bytes.as_deref().unwrap_or(b"gone");
                let from = short(&announcement.from);
                format!("{from} is {}", String::from_utf8_lossy(words))
            }
            Effect::Ended { reason, .. } => format!("ended, {reason:?}"),
            Effect::Moved { .. } => "moved".to_owned(),
            Effect::Placed { .. }
            | Effect::PlaceReleased { .. }
            | Effect::Handled { .. }
            | Effect::Serving { .. }
            | Effect::OutboxGrew { .. }
            | Effect::Inquired { .. } => return None,
        };
        Some(format!("{name}: {said}"))
    }

    fn slot(&self, slot: &Slot) -> String {
        match &slot.body {
            SlotBody::Parcel(parcel) => words(parcel),
            SlotBody::Carbon(parcel, copied) => {
                format!(
                    "copy of {} {}",
                    format!("{copied:?}").to_lowercase(),
                    words(parcel)
                )
            }
            SlotBody::Stored { .. } => format!("stored {}", words(&self.rows[&slot.stanza])),
            SlotBody::Ask(request) => format!("answer to {}", String::from_utf8_lossy(request)),
            SlotBody::Push(contact, _) => format!("push {}", entry(contact)),
            SlotBody::BlockPush(change) => format!("push {change:?}"),
            SlotBody::Answer(answer) => String::from_utf8_lossy(answer).into_owned(),
            SlotBody::Bounce(parcel, condition) => {
                format!("{} refused, {condition:?}", words(parcel))
            }
        }
    }
}

/// Asks for the contact list.
pub(super) fn list() -> Action {
    Action::AskList {
        request: Bytes::from_static(b"list"),
        known: None,
    }
}

pub(super) fn user(name: &str) -> BareJid {
    BareJid::parse(&format!("{name}@example.org")).unwrap()
}

/// "ann" or "ann/phone".
pub(super) fn jid(name: &str) -> Jid {
    let (local, resource) = match name.split_once('/') {
        Some((local, resource)) => (local, Some(resource)),
        None => (name, None),
    };
    let bare = user(local);
    resource.map_or(bare.to_jid(), |resource| {
        bare.with_resource(resource).unwrap()
    })
}

pub(super) fn parcel(from: &str, to: &str, kind: ParcelKind, words: &str) -> Parcel {
    Parcel {
        from: jid(from),
        to: jid(to),
        kind,
        bytes: Bytes::copy_from_slice(words.as_bytes()),
        sent: WallMs(1),
        hints: Hints {
            speaks: true,
            ..Hints::default()
        },
    }
}

fn short(jid: &Jid) -> String {
    jid.as_str().replace("@example.org", "")
}

fn words(parcel: &Parcel) -> String {
    match parcel.kind {
        ParcelKind::Subscription(request) => format!(
            "{request:?} from {}",
            short(&parcel.from.to_bare().to_jid())
        )
        .to_lowercase(),
        _ => String::from_utf8_lossy(&parcel.bytes).into_owned(),
    }
}

fn entry(contact: &Contact) -> String {
    let mut line = contact.jid.local().unwrap_or_default().to_owned();
    if !contact.listed {
        return format!("{line} removed");
    }
    line += &format!(" {:?}", contact.relation.subscription()).to_lowercase();
    if contact.relation.pending_out {
        line += " ask";
    }
    if contact.relation.approved {
        line += " approved";
    }
    for word in contact.name.iter().chain(&contact.groups) {
        line += " ";
        line += word;
    }
    line
}
