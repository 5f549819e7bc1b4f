//! Looks at all nodes after each step of the world and notes what changed: who leads, what was
//! applied, whom the log lets serve, who spoke. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use pollux_actors::node::Node;
use pollux_domain::ids::{GroupId, NodeId, SessionId};
use pollux_domain::takeovers::Takeover;
use pollux_raft::group::Group;
use pollux_raft::log::SimulatedDisk;
use pollux_raft::machine::Kind;

use super::plan;
use super::seat::{Acts, Seat};
use crate::sim::history::{Fact, History, SessionAt};

/// See the module.
#[derive(Default)]
pub struct Watch {
    leaders: BTreeSet<(GroupId, u64, NodeId)>,
    applied: BTreeMap<(GroupId, NodeId), u64>,
    states: BTreeMap<(GroupId, NodeId), u64>,
    serving: BTreeMap<NodeId, (NodeId, u64, u64)>,
    served_at: BTreeMap<(NodeId, NodeId), (u64, u64)>,
    sessions: BTreeMap<(NodeId, SessionId), SessionAt>,
    /// How far a replica had applied when its sessions were looked at.
    looked: BTreeMap<NodeId, (u64, u64)>,
    acted: BTreeMap<NodeId, (NodeId, u64, Option<u64>)>,
    /// Nodes with a critical service that is down.
    ailing: BTreeSet<NodeId>,
}

impl Watch {
    pub fn look(&mut self, at: Duration, seats: &[Rc<Seat>], acts: &Acts, history: &mut History) {
        for seat in seats {
            let Some(node) = seat.node() else { continue };
            self.look_at_group(at, seat.id, &node.subcluster, &seat.subcluster, history);
            self.look_at_group(
                at,
                seat.id,
                &node.configuration,
                &seat.configuration,
                history,
            );
            self.look_at_serving(at, &node, history);
            self.look_at_sessions(at, seat.id, &node, history);
            self.look_at_services(at, seat.id, &node, history);
        }
        let mut spoken = acts.take();
        spoken.sort_by_key(|(at, _)| *at);
        for (at, act) in spoken {
            let epoch = act.epoch.map(|epoch| epoch.0);
            let now = (act.node, act.life.0, epoch);
            if self.acted.insert(act.home, now) != Some(now) {
                let fact = Fact::Acted {
                    home: act.home,
                    node: act.node,
                    life: act.life.0,
                    epoch,
                };
                history.add_at(at, fact);
            }
        }
    }

    fn look_at_group<G: Kind>(
        &mut self,
        at: Duration,
        node: NodeId,
        group: &Group<G>,
        disk: &SimulatedDisk,
        history: &mut History,
    ) {
        let name = group.group();
        let term = group.term();
        if group.is_leading() && self.leaders.insert((name, term, node)) {
            history.add_at(
                at,
                Fact::Leads {
                    group: name,
                    term,
                    node,
                },
            );
        }
        let (_, applied, _) = group.indexes();
        // A snapshot that was just taken stands for entries that are about to leave the disk.
        if disk.last_index() < applied {
            return;
        }
        let seen = self.applied.entry((name, node)).or_default();
        while *seen < applied {
            *seen += 1;
            // What is in a snapshot was seen elsewhere.
            let Some(bytes) = disk.entry(*seen) else {
                continue;
            };
            let fact = Fact::Applied {
                group: name,
                node,
                index: *seen,
                digest: digest(&bytes),
            };
            history.add_at(at, fact);
        }
    }

    fn look_at_serving(&mut self, at: Duration, node: &Node, history: &mut History) {
        for home in plan::homes(node.settings.subcluster) {
            let Some(serving) = node.subcluster.read(|state| state.serving(home)) else {
                continue;
            };
            let now = (serving.node, serving.life.0, serving.epoch.0);
            self.note_served_at(at, node, home, now.2, history);
            let known = self.serving.get(&home).map_or(0, |known| known.2);
            if known < now.2 {
                self.serving.insert(home, now);
                let fact = Fact::Serves {
                    home,
                    node: now.0,
                    life: now.1,
                    epoch: now.2,
                };
                history.add_at(at, fact);
                for row in takeovers_since(node, home, known) {
                    history.add_at(at, Fact::TookOver(row));
                }
            }
        }
    }

    fn look_at_services(&mut self, at: Duration, seat: NodeId, node: &Node, history: &mut History) {
        let down = node.services.down(node.ambient.clock.now());
        let changed = match down {
            Some(_) => self.ailing.insert(seat),
            None => self.ailing.remove(&seat),
        };
        if changed {
            let fact = Fact::Services {
                node: seat,
                down: down.map(|down| down.lasts),
            };
            history.add_at(at, fact);
        }
    }

    fn note_served_at(
        &mut self,
        at: Duration,
        node: &Node,
        home: NodeId,
        epoch: u64,
        history: &mut History,
    ) {
        let (replica, life) = (node.settings.node, node.life.0);
        let now = (life, epoch);
        if self.served_at.insert((replica, home), now) != Some(now) {
            let fact = Fact::ServedAt {
                replica,
                life,
                home,
                epoch,
            };
            history.add_at(at, fact);
        }
    }

    fn look_at_sessions(
        &mut self,
        at: Duration,
        replica: NodeId,
        node: &Node,
        history: &mut History,
    ) {
        let (life, (_, applied, _)) = (node.life.0, node.subcluster.indexes());
        if self.looked.insert(replica, (life, applied)) == Some((life, applied)) {
            return;
        }
        let sessions = node.subcluster.read(|state| {
            let rows = state.session_rows(None).into_iter();
            let sessions = rows.filter_map(|row| {
                let session = state.session(row.id)?;
                Some(SessionAt {
                    replica,
                    life,
                    home: session.home,
                    epoch: state.serving(session.home)?.epoch.0,
                    session: row.id,
                    connection: session.connection,
                    handled: session.handled,
                    acked: session.acked,
                })
            });
            sessions.collect::<Vec<_>>()
        });
        for session in sessions {
            let known = self.sessions.insert((replica, session.session), session);
            if known != Some(session) {
                history.add_at(at, Fact::Session(session));
            }
        }
    }

    /// Notes the state of each replica that has applied something since the last time.
    pub fn digest(&mut self, at: Duration, seats: &[Rc<Seat>], history: &mut History) {
        for seat in seats {
            let Some(node) = seat.node() else { continue };
            self.digest_of(at, seat.id, &node.subcluster, history);
            self.digest_of(at, seat.id, &node.configuration, history);
        }
    }

    fn digest_of<G: Kind>(
        &mut self,
        at: Duration,
        node: NodeId,
        group: &Group<G>,
        history: &mut History,
    ) {
        let (_, index, _) = group.indexes();
        let known = self.states.insert((group.group(), node), index);
        if known == Some(index) {
            return;
        }
        if let Ok(digest) = group.digest() {
            let fact = Fact::State {
                group: group.group(),
                node,
                index,
                digest,
            };
            history.add_at(at, fact);
        }
    }
}

/// Those of a home after an epoch, in their order.
fn takeovers_since(node: &Node, home: NodeId, epoch: u64) -> Vec<Takeover> {
    node.subcluster.read(|state| {
        let rows = state.takeovers().newest_first();
        let new = rows.filter(|row| row.home == home && epoch < row.epoch.0);
        let mut new: Vec<Takeover> = new.copied().collect();
        new.reverse();
        new
    })
}

/// Enough to tell two entries apart.
fn digest(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}
