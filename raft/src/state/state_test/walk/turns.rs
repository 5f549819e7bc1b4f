//! What may happen next, and what follows on each side from replies and effects.

use std::sync::Arc;

use pollux_domain::contract::{
    Action, Agreement, AsOf, Command, Effect, EndReason, Parcel, ParcelKind, Place, Reply, Session,
};
use pollux_domain::ids::{Epoch, NodeId};
use pollux_domain::limits;
use pollux_domain::takeovers::TakeoverCause;

use super::stream::{Stream, Wire, parcel_of};
use super::{Walk, ledger};

impl Walk {
    /// One thing happens.
    pub(super) fn turn(&mut self) {
        let client = self.chance.index(self.clients.len());
        match self.chance.below(200) {
            0..=49 => {
                let most = if self.slow { 60 } else { 6 };
                let count = 1 + self.chance.index(most);
                if !self.slow || self.chance.one_in(12) {
                    self.commit(count);
                }
            }
            50..=96 => self.say(client),
            97..=122 => self.write(client),
            123..=147 => self.receive(client),
            148..=160 => self.acknowledge(client),
            161..=170 => self.place(client),
            171..=183 => self.connect(client),
            184..=187 => self.break_stream(client),
            188 => self.close(client),
            189 => {
                let home = *self.chance.pick(&[NodeId(1), NodeId(2)]);
                self.take_over(home);
            }
            190 => self.pass_time(),
            191..=195 => self.hostile(),
            196 => self.renew_twin(),
            197 if self.chance.one_in(4) => self.rarely(client),
            _ => self.check_custody(),
        }
    }

    /// Everything that was begun comes to its end, as far as it can.
    pub(super) fn settle(&mut self) {
        for _ in 0..4 {
            for client in 0..self.clients.len() {
                self.place(client);
                self.write(client);
                self.receive(client);
                self.acknowledge(client);
            }
            self.commit(usize::MAX);
        }
    }

    // === A client does something ===

    fn say(&mut self, client: usize) {
        if self.clients[client].is_idle() {
            let action = self.action(client);
            self.send(client, action);
        }
    }

    pub(super) fn send(&mut self, client: usize, action: Action) {
        let one = &mut self.clients[client];
        if one.managed {
            one.sent += 1;
            one.unconfirmed.push_back((one.sent, action.clone()));
        }
        self.propose_stanza(client, action);
    }

    /// The node takes a stanza from a client: the next number, and reservations where it seems
    /// wise.
    fn propose_stanza(&mut self, client: usize, action: Action) {
        let places = match &action {
            Action::Send(parcel) if self.early && parcel.kind.may_go_early() => {
                self.early_places(client, parcel)
            }
            Action::Send(parcel) => self.places(parcel),
            _ => Vec::new(),
        };
        let Some(stream) = self.clients[client].stream.as_mut() else {
            return;
        };
        stream.proposed += 1;
        let early = |place: &Place| place.early.is_some();
        let copied = match &action {
            Action::Send(parcel) => {
                let targets = self.state.early_targets(parcel);
                let id = stream.speaker.id;
                !self.state.is_between_two(id, parcel, &targets)
            }
            _ => false,
        };
        if copied || !places.iter().any(early) {
            stream.unordered = stream.proposed;
        }
        let command = Command::Stanza {
            session: stream.speaker,
            n: stream.proposed,
            places,
            action,
        };
        self.propose(command);
    }

    fn places(&mut self, parcel: &Parcel) -> Vec<Place> {
        let mut places = Vec::new();
        let user = parcel.to.to_bare();
        let wise = !self.chance.one_in(4);
        for other in &mut self.clients {
            let fits = other.user == user && wise;
            let at_random = self.chance.one_in(20);
            let stream = other.stream.as_mut().filter(|stream| stream.managed());
            if let Some(stream) = stream
                && (fits || at_random)
            {
                places.push(stream.reserve());
            }
        }
        places
    }

    /// Writes at once to each session that the message would go to now, and makes a reservation
    /// where that may not be.
    fn early_places(&mut self, client: usize, parcel: &Arc<Parcel>) -> Vec<Place> {
        let sender = self.clients[client].stream.as_ref();
        let in_order = sender.is_some_and(|stream| stream.unordered <= stream.handled);
        let mut places = Vec::new();
        let mut all = true;
        for target in self.state.early_targets(parcel) {
            let owner = self.owners.get(&target.session);
            let stream = owner.and_then(|owner| self.clients[*owner].stream.as_mut());
            let current = |stream: &&mut Stream| stream.speaker.connection == target.connection;
            let Some(stream) = stream.filter(current) else {
                all = false;
                continue;
            };
            let early = match in_order && target.has_room {
                true => stream.early(target.last_seq, parcel),
                false => None,
            };
            places.push(early.unwrap_or_else(|| stream.reserve()));
        }
        // As if nobody had been written to: the rest of the rules does not depend on it.
        if !all && let Some(stream) = self.clients[client].stream.as_mut() {
            stream.unordered = stream.proposed + 1;
        }
        places
    }

    fn connect(&mut self, client: usize) {
        let one = &self.clients[client];
        let epoch = self.epochs[&one.home];
        if one.waits {
            return;
        }
        match (&one.stream, one.session) {
            (None, Some(session)) if !self.chance.one_in(6) => {
                let h = one.received as u32;
                self.ask_elsewhere(client, Command::Resumed { session, epoch, h });
            }
            (None, _) => {
                if let Some(session) = one.session {
                    self.owners.remove(&session);
                }
                let (user, jid) = (one.user.clone(), one.jid.clone());
                self.clients[client].forget();
                let sign_in = Command::SignIn {
                    user,
                    resource: jid.resource().unwrap_or_default().to_owned(),
                    epoch,
                    token: [7; 16],
                    carbons: false,
                };
                self.ask(client, sign_in);
            }
            (Some(stream), _) if !stream.managed() && !self.chance.one_in(4) => {
                self.enable(client);
            }
            _ => {}
        }
    }

    fn enable(&mut self, client: usize) {
        let Some(stream) = &self.clients[client].stream else {
            return;
        };
        let enable = Command::Enable {
            session: stream.speaker,
            resumable: !self.chance.one_in(6),
            written: stream.written_to,
        };
        self.ask(client, enable);
    }

    fn receive(&mut self, client: usize) {
        let count = 1 + self.chance.index(8);
        self.receive_some(client, count);
    }

    fn receive_some(&mut self, client: usize, count: usize) {
        for _ in 0..count {
            let one = &mut self.clients[client];
            let Some(stream) = one.stream.as_mut() else {
                return;
            };
            let session = stream.speaker.id;
            let Some(wire) = stream.pipe.pop_front() else {
                return;
            };
            one.received += u64::from(stream.managed());
            if let Wire::Early(parcel) = &wire {
                one.seen_early.extend(ledger::number(parcel));
                self.ledger.received_early(session, parcel);
            }
            let Wire::Slot {
                stanza,
                parcel,
                refusal,
            } = wire
            else {
                continue;
            };
            assert!(
                one.seen.insert(stanza),
                "{} sees {stanza} twice",
                one.jid.as_str()
            );
            let Some(parcel) = parcel else { continue };
            if refusal {
                self.ledger.refused(&parcel);
                continue;
            }
            if parcel.kind == ParcelKind::IqRequest && parcel.to == one.jid {
                one.asked.push(parcel.from.clone());
            }
            self.ledger.received(session, &parcel);
        }
    }

    fn acknowledge(&mut self, client: usize) {
        let one = &self.clients[client];
        let (Some(stream), false) = (&one.stream, one.waits) else {
            return;
        };
        let session = stream.speaker;
        let (managed, handled, through) = (stream.managed(), stream.handled, stream.written_to);
        if managed {
            assert!(one.received <= stream.count());
            let h = one.received as u32;
            self.propose(Command::Acked { session, h });
            self.clients[client].confirmed(handled);
        } else {
            self.propose(Command::Written { session, through });
        }
    }

    /// A stream breaks: some of what was on its way arrives. Its node may notice, or not.
    fn break_stream(&mut self, client: usize) {
        let arrive = self.chance.index(6);
        self.receive_some(client, arrive);
        let noticed = !self.chance.one_in(5);
        self.drop_stream(client, noticed);
    }

    fn drop_stream(&mut self, client: usize, noticed: bool) {
        let Some(stream) = &self.clients[client].stream else {
            return;
        };
        let session = stream.speaker;
        if noticed {
            self.propose(Command::Detached { session });
        }
        let one = &mut self.clients[client];
        if one.managed {
            one.cut();
        } else {
            one.forget();
            self.owners.remove(&session.id);
        }
    }

    fn close(&mut self, client: usize) {
        let Some(stream) = &self.clients[client].stream else {
            return;
        };
        let session = stream.speaker;
        let reason = EndReason::Closed;
        self.propose(Command::End { session, reason });
        self.clients[client].forget();
        self.owners.remove(&session.id);
    }

    // === A node does something ===

    fn place(&mut self, client: usize) {
        let Some(stream) = &mut self.clients[client].stream else {
            return;
        };
        let session = stream.speaker;
        while let Some((through, v)) = self.clients[client]
            .stream
            .as_mut()
            .and_then(Stream::next_place)
        {
            self.propose(Command::Placed {
                session,
                through,
                v,
            });
        }
    }

    fn write(&mut self, client: usize) {
        if self.clients[client].waits {
            return;
        }
        let count = 1 + self.chance.index(12);
        let table = &self.table;
        let Some(stream) = &mut self.clients[client].stream else {
            return;
        };
        for _ in 0..count {
            if !stream.write(|slot| parcel_of(slot, table)) {
                break;
            }
        }
        if !stream.managed() {
            // Without stream management, what is written counts as received.
            let all = stream.pipe.len();
            self.receive_some(client, all);
        }
    }

    /// The node of a home dies, or is given up: what it proposed may be committed before, refused
    /// after, or lost.
    pub(super) fn take_over(&mut self, home: NodeId) {
        for client in 0..self.clients.len() {
            if self.clients[client].home != home {
                continue;
            }
            let arrive = self.chance.index(6);
            self.receive_some(client, arrive);
            let session = self.clients[client].session;
            if self.clients[client].managed {
                self.clients[client].cut();
            } else {
                self.clients[client].forget();
                session.map(|session| self.owners.remove(&session));
            }
        }
        let epoch = self.epochs.entry(home).or_insert(Epoch(0));
        *epoch = epoch.next();
        let take_over = Command::TakeOver {
            home,
            to: NodeId(3 - home.0),
            life: pollux_domain::ids::Life(1),
            epoch: *epoch,
            cause: TakeoverCause::ALL[epoch.0 as usize % TakeoverCause::ALL.len()],
        };
        let cut = self.chance.index(self.proposals.len() + 1);
        let late = self.proposals.split_off(cut);
        self.propose(take_over);
        let keep = self.chance.one_in(2);
        // The other home's proposals are not touched by this.
        let others = late
            .into_iter()
            .filter(|late| keep || self.home_of(&late.command) != Some(home));
        let others: Vec<_> = others.collect();
        self.proposals.extend(others);
    }

    fn home_of(&self, command: &Command) -> Option<NodeId> {
        let of_client = |id| self.owners.get(&id).map(|owner| self.clients[*owner].home);
        let of_state = |id| self.state.session(id).map(|session| session.home);
        match command {
            Command::SignIn { user, .. } => self
                .clients
                .iter()
                .find(|client| client.user == *user)
                .map(|client| client.home),
            Command::Resumed { session, .. } => of_client(*session).or(of_state(*session)),
            Command::Enable { session, .. }
            | Command::Stanza { session, .. }
            | Command::Acked { session, .. }
            | Command::Written { session, .. }
            | Command::Unwritten { session, .. }
            | Command::Placed { session, .. }
            | Command::Detached { session }
            | Command::End { session, .. }
            | Command::Expired { session } => of_client(session.id).or(of_state(session.id)),
            _ => None,
        }
    }

    fn pass_time(&mut self) {
        self.stamp.group.0 += self.chance.below(limits::RESUMPTION_MS);
        let now = self.stamp.group;
        let due = self.state.expired(now);
        let mut ids: Vec<_> = due.iter().map(|session| session.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, self.due(now));
        for session in due {
            self.propose(Command::Expired { session });
        }
    }

    /// Floods, which reach the limits; a user who is removed and comes back, or disabled and
    /// enabled.
    fn rarely(&mut self, client: usize) {
        if self.chance.one_in(5) {
            let user = self.clients[client].user.clone();
            let home = self.clients[client].home;
            self.propose(Agreement::Release { user: user.clone() }.under(AsOf::default()));
            self.propose(Agreement::Adopt { user, home }.under(AsOf::default()));
            return;
        }
        if self.chance.one_in(5) {
            for disabled in [true, false] {
                let user = self.clients[client].user.clone();
                self.propose(Agreement::Disabled { user, disabled }.under(AsOf::default()));
            }
            return;
        }
        if !self.clients[client].is_idle() {
            return;
        }
        let to = self.clients[self.chance.index(self.clients.len())]
            .user
            .to_jid();
        let asks = self.chance.one_in(3);
        for _ in 0..1 + self.chance.index(1_700) {
            let action = if asks {
                Action::Answer(bytes::Bytes::from_static(b"answer"))
            } else {
                Action::Send(self.message(client, to.clone(), ParcelKind::Chat))
            };
            self.send(client, action);
        }
        self.commit(usize::MAX);
    }

    // === What follows ===

    pub(super) fn replied(&mut self, client: usize, command: &Command, reply: &Reply) {
        let Reply::Session { session, handled } = reply else {
            // Nothing is left of the session, or the group took no more of the user's.
            if let Some(session) = self.clients[client].session {
                self.owners.remove(&session);
            }
            self.clients[client].forget();
            return;
        };
        match command {
            Command::SignIn { .. } => {
                self.clients[client].session = Some(session.id);
                self.owners.insert(session.id, client);
                self.clients[client].stream = Some(Stream::new(*session, false, 0, 0));
                if !self.chance.one_in(4) {
                    self.enable(client);
                }
            }
            Command::Enable { .. } => {
                let one = &mut self.clients[client];
                one.managed = true;
                one.begin_counts();
                self.begin_stream(client, *session, 0, 0);
                if !self.chance.one_in(4) {
                    let request = bytes::Bytes::from_static(b"list");
                    let known = None;
                    self.send(client, Action::AskList { request, known });
                    let present = self.availability(6);
                    self.send(client, present);
                }
            }
            _ => {
                let one = &mut self.clients[client];
                one.confirmed(*handled);
                let base = one.received;
                self.begin_stream(client, *session, base, *handled);
                let again: Vec<_> = self.clients[client].unconfirmed.iter().cloned().collect();
                for (_, action) in again {
                    self.propose_stanza(client, action);
                }
            }
        }
    }

    /// A stream begins with what waits (all placed before anything volatile), then what is news.
    fn begin_stream(&mut self, client: usize, session: Session, base: u64, handled: u64) {
        let mut stream = Stream::new(session, true, base, handled);
        let state = self
            .state
            .session(session.id)
            .expect("the session that replied");
        assert_eq!((state.base, state.connection), (base, session.connection));
        for slot in &state.slots {
            assert_eq!(slot.placed, Some(0));
            stream.slot(slot.clone());
        }
        for _ in self.state.news_for(session.id) {
            stream.announce();
        }
        self.clients[client].stream = Some(stream);
    }

    pub(super) fn effect(&mut self, effect: &Effect) {
        let owner = effect.session().and_then(|id| self.owners.get(&id));
        let Some(owner) = owner.copied() else {
            return;
        };
        if let Effect::Ended { session, .. } = effect {
            self.owners.remove(session);
            self.clients[owner].forget();
            return;
        }
        let Some(stream) = &mut self.clients[owner].stream else {
            return;
        };
        let current = stream.speaker.connection;
        match effect {
            Effect::Slot {
                connection, slot, ..
            } if *connection == current => stream.slot(slot.clone()),
            Effect::PlaceReleased { connection, .. } if *connection == current => stream.released(),
            Effect::Placed {
                connection,
                through,
                ..
            } if *connection == current => stream.placed(*through),
            Effect::Handled { connection, n, .. } if *connection == current => {
                assert_eq!(*n, stream.handled + 1, "handled runs ahead");
                stream.handled = *n;
            }
            Effect::Announce { .. } => stream.announce(),
            _ => {}
        }
    }
}
