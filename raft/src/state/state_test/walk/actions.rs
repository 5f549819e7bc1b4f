//! What a client may say next.

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::availability::{DeviceAvailability, Show};
use pollux_domain::contract::{Action, ContactChange, Parcel, ParcelKind};
use pollux_domain::document::{DocumentName, PrivateName};
use pollux_domain::hints::Hints;
use pollux_domain::ids::WallMs;
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::subscription::SubscriptionRequest::{
    Subscribe, Subscribed, Unsubscribe, Unsubscribed,
};

use super::{USERS, Walk, user};

const WORDS: Bytes = Bytes::from_static(b"words");

impl Walk {
    pub(super) fn action(&mut self, client: usize) -> Action {
        match self.chance.below(24) {
            0 => Action::Nothing,
            1..=4 => self.availability(5),
            5 => Action::Directed {
                to: self.address(),
                available: !self.chance.one_in(4),
                bytes: WORDS,
            },
            6 => {
                let from = self.clients[client].jid.clone();
                let copies = vec![(self.address(), WORDS), (self.address(), WORDS)];
                Action::DirectedToSeveral {
                    outer: Arc::new(Parcel {
                        to: from.clone(),
                        from,
                        kind: ParcelKind::Directed,
                        bytes: WORDS,
                        sent: WallMs(self.stamp.wall.0),
                        hints: Hints::default(),
                    }),
                    available: !self.chance.one_in(4),
                    copies,
                }
            }
            7..=8 => self.subscription(client),
            9 => self.question(client),
            10 => self.contact(client),
            11 if self.chance.one_in(2) => Action::Carbons {
                on: self.chance.one_in(2),
                result: WORDS,
            },
            11 if self.chance.one_in(2) => self.keep(client),
            11 => Action::Answer(WORDS),
            12 => self.response(client),
            _ => {
                let kind = *self.chance.pick(&[
                    ParcelKind::Chat,
                    ParcelKind::Chat,
                    ParcelKind::Chat,
                    ParcelKind::Chat,
                    ParcelKind::Normal,
                    ParcelKind::Headline,
                    ParcelKind::IqRequest,
                ]);
                let to = self.address();
                Action::Send(self.message(client, to, kind))
            }
        }
    }

    /// A message with a number of its own.
    pub(super) fn message(&mut self, client: usize, to: Jid, kind: ParcelKind) -> Arc<Parcel> {
        self.numbers += 1;
        Arc::new(Parcel {
            from: self.clients[client].jid.clone(),
            to,
            kind,
            bytes: Bytes::from(self.numbers.to_string()),
            sent: WallMs(self.stamp.wall.0),
            hints: Hints {
                speaks: true,
                ..Hints::default()
            },
        })
    }

    /// Unavailable once in so many times.
    pub(super) fn availability(&mut self, times: u64) -> Action {
        let priority = *self.chance.pick(&[0, 0, 0, 5, -1]);
        let show = Show::Available;
        let device = DeviceAvailability { show, priority };
        Action::Availability {
            device: (!self.chance.one_in(times)).then_some(device),
            bytes: WORDS,
        }
    }

    /// Answers a request that waits, or makes or ends something.
    fn subscription(&mut self, client: usize) -> Action {
        let own = &self.clients[client].user;
        let waiting = self
            .state
            .users
            .get(own)
            .and_then(|user| user.requests.keys().next().cloned());
        let (to, request) = match waiting {
            Some(asker) if !self.chance.one_in(4) => (asker, Subscribed),
            _ => {
                let requests = [
                    Subscribe,
                    Subscribe,
                    Subscribe,
                    Subscribe,
                    Subscribed,
                    Unsubscribe,
                    Unsubscribed,
                ];
                (self.anybody(), *self.chance.pick(&requests))
            }
        };
        Action::Subscription {
            to,
            request,
            bytes: WORDS,
        }
    }

    fn contact(&mut self, client: usize) -> Action {
        let jid = self.anybody();
        let change = if self.chance.one_in(4) {
            ContactChange::Remove { jid }
        } else {
            ContactChange::Set {
                jid,
                name: Some("name".to_owned()),
                groups: vec!["group".to_owned()],
            }
        };
        let own = self.clients[client].user.to_jid();
        Action::Contact {
            iq: Arc::new(self.parcel(client, own)),
            result: WORDS,
            change,
        }
    }

    fn question(&mut self, client: usize) -> Action {
        let user = self.clients[client].user.clone();
        match self.chance.below(4) {
            0 => Action::Ask { request: WORDS },
            1 => {
                let about = self.anybody().to_jid();
                Action::Inquire(Arc::new(self.parcel(client, about)))
            }
            _ => {
                let now = self.state.list_version(&user);
                let known = self.lists.insert(user, now);
                let known = known.filter(|_| !self.chance.one_in(4));
                Action::AskList {
                    request: WORDS,
                    known,
                }
            }
        }
    }

    fn keep(&mut self, client: usize) -> Action {
        let own = self.clients[client].user.to_jid();
        let mut names = vec![DocumentName::VCard];
        for element in ["a", "b", "c"] {
            names.push(DocumentName::Private(PrivateName {
                namespace: "x".to_owned(),
                element: element.to_owned(),
            }));
        }
        let first = self.chance.index(names.len());
        let count = 1 + self.chance.index(2);
        let names = names.into_iter().skip(first).take(count);
        Action::Keep {
            iq: Arc::new(self.parcel(client, own)),
            result: WORDS,
            documents: names.map(|name| (name, WORDS)).collect(),
        }
    }

    /// A request without a number: nobody keeps an account of it.
    fn parcel(&self, client: usize, to: Jid) -> Parcel {
        Parcel {
            from: self.clients[client].jid.clone(),
            to,
            kind: ParcelKind::IqRequest,
            bytes: WORDS,
            sent: self.stamp.wall,
            hints: Default::default(),
        }
    }

    /// Answers a request, if one waits.
    fn response(&mut self, client: usize) -> Action {
        match self.clients[client].asked.pop() {
            Some(to) => {
                let kind = ParcelKind::IqResponse;
                Action::Send(self.message(client, to, kind))
            }
            None => Action::Nothing,
        }
    }

    /// A user, or nobody.
    fn anybody(&mut self) -> BareJid {
        if self.chance.one_in(12) {
            return user("nobody");
        }
        user(self.chance.pick(&USERS).0)
    }

    /// The address of a user or of a device that may be there.
    fn address(&mut self) -> Jid {
        let user = self.anybody();
        match self.chance.below(5) {
            0 => user.with_resource("phone").unwrap(),
            1 => user.with_resource("desk").unwrap(),
            _ => user.to_jid(),
        }
    }
}
