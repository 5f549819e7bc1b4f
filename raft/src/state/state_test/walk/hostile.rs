//! Commands that must change nothing: repeated, gapped, of an older or newer epoch, of another
//! connection, of nobody.

use pollux_domain::contract::{Action, Command, Place, Reply, Session};
use pollux_domain::ids::{Connection, Epoch, SessionId};
use pollux_domain::takeovers::TakeoverCause;

use super::Walk;

impl Walk {
    pub(super) fn hostile(&mut self) {
        let ids: Vec<SessionId> = {
            let mut ids: Vec<_> = self.state.sessions.keys().copied().collect();
            ids.sort_unstable();
            ids
        };
        if ids.is_empty() {
            return;
        }
        let id = *self.chance.pick(&ids);
        let Some(present) = self.state.speaker(id) else {
            return;
        };
        let handled = self.state.sessions[&id].handled;
        let acked = self.state.sessions[&id].acked;
        let right = handled + 1;
        let command = match self.chance.below(12) {
            0 => self.stanza(present, handled),
            1 => self.stanza(present, right + 1),
            2 => self.stanza(older(present), right),
            3 => self.stanza(newer(present), right),
            4 => self.stanza(another(present), right),
            5 => Command::Detached {
                session: another(present),
            },
            6 => Command::Enable {
                session: another(present),
                resumable: true,
                written: Default::default(),
            },
            7 => Command::Acked {
                session: older(present),
                h: acked as u32 + 1,
            },
            8 if 0 < acked => Command::Acked {
                session: present,
                h: acked as u32 - 1,
            },
            9 if 0 < acked => Command::Resumed {
                session: id,
                epoch: present.epoch,
                h: acked as u32 - 1,
            },
            10 => Command::TakeOver {
                home: self.state.sessions[&id].home,
                to: pollux_domain::ids::NodeId(9),
                life: pollux_domain::ids::Life(1),
                epoch: present.epoch,
                cause: TakeoverCause::Silent,
            },
            _ => Command::Resumed {
                session: SessionId(u64::MAX),
                epoch: present.epoch,
                h: 0,
            },
        };
        let reply = self.apply(&command);
        assert!(matches!(reply, Reply::Refused(_)), "{command:?}: {reply:?}");
    }

    fn stanza(&mut self, session: Session, n: u64) -> Command {
        let client = 0;
        let to = self.clients[self.chance.index(self.clients.len())]
            .jid
            .clone();
        let place = Place {
            session: SessionId(u64::MAX),
            connection: Connection(0),
            v: 3,
            early: None,
        };
        let kind = pollux_domain::contract::ParcelKind::Chat;
        Command::Stanza {
            session,
            n,
            places: vec![place; self.chance.index(3)],
            action: Action::Send(self.message(client, to, kind)),
        }
    }
}

fn older(session: Session) -> Session {
    let epoch = Epoch(session.epoch.0.wrapping_sub(1));
    Session { epoch, ..session }
}

fn newer(session: Session) -> Session {
    let epoch = session.epoch.next();
    Session { epoch, ..session }
}

fn another(session: Session) -> Session {
    let connection = Connection(session.connection.0.wrapping_sub(1));
    Session {
        connection,
        ..session
    }
}
