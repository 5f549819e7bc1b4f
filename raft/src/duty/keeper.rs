//! The leader's side: answers renewals after it has confirmed that it leads, and proposes the
//! takeovers that the rules decide on.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::contract::Command;
use pollux_domain::ids::{GroupMs, NodeId};
use pollux_domain::limits;
use pollux_domain::seams::Clock;
use pollux_links::peers::Desk;
use pollux_store::codec;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::View;
use crate::election::Timing;
use crate::group::Group;
use crate::lease::{Calm, Granted, Grants, Outlook, Renewal, ServedBy, TakeOver, Wisher, World};
use crate::machine::Subcluster;
use crate::unread::Unread;

// 2: wishes say whose they are, and grants what the leader sees. 3: of services, too. 4: how long a
// node has been well.
pub(super) const VERSION: u16 = 4;

/// What a node asks of the leader.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Question {
    Renew(Renewal),
    /// A witness, which asks for nothing else, wants to see what the leader sees.
    Look,
    /// Somebody asks that `to` serves the users of `home`.
    Wish {
        home: NodeId,
        to: NodeId,
        wisher: Wisher,
    },
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Reply {
    Granted(Granted, Outlook),
    Noted,
    /// The wish cannot come true.
    Unable(String),
    NotLeader,
}

/// See the module.
pub(super) struct Keeper {
    pub(super) group: Group<Subcluster>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) view: View,
    /// The book of the term that this node leads, if it does.
    pub(super) grants: Mutex<Option<(u64, Grants)>>,
    /// Whoever leads: a lead begins with what was seen before.
    pub(super) calm: Mutex<Calm>,
    pub(super) unread: Unread,
}

impl Keeper {
    fn world(&self, term: u64) -> World {
        let pair = (self.view)();
        let since = self
            .group
            .time()
            .0
            .saturating_sub(limits::FALLBACK_DAMPING_MS);
        let serving = self.serving(&pair.homes);
        let (relieved, failovers) = self.group.read(|state| {
            let takeovers = state.takeovers();
            let failed = |home: &NodeId| takeovers.failovers_since(*home, GroupMs(since));
            let failovers = pair.homes.iter().map(|home| (*home, failed(home)));
            (takeovers.relieved(), failovers.collect())
        });
        let (_, applied, _) = self.group.indexes();
        let quiet_for = self.note_calm(&serving);
        World {
            is_confirmed: self.group.is_confirmed(),
            may_take_over: self.group.may_take_over(term),
            high_availability: pair.high_availability,
            homes: pair.homes,
            removed: pair.removed,
            drained: pair.drained,
            serving,
            committed: applied,
            heard: self.group.heard_nodes(),
            relieved,
            stable: pair.stable,
            quiet_for,
            failovers,
            service_delay: pair.service_delay,
        }
    }

    /// Who serves each home, as the log says.
    fn serving(&self, homes: &[NodeId]) -> BTreeMap<NodeId, ServedBy> {
        self.group.read(|state| {
            let served = homes.iter().filter_map(|home| {
                let serving = state.serving(*home)?;
                let served = ServedBy {
                    node: serving.node,
                    life: serving.life,
                    epoch: serving.epoch,
                };
                Some((*home, served))
            });
            served.collect()
        })
    }

    fn note_calm(&self, serving: &BTreeMap<NodeId, ServedBy>) -> Duration {
        let mut calm = self.calm.lock().unwrap_or_else(PoisonError::into_inner);
        calm.note(self.clock.now(), serving)
    }

    /// Asks the book of this term, with the world as it is then; there is none in any other term.
    /// The world is read under the book's lock, so that the book never goes back in time.
    fn with<R>(
        &self,
        term: u64,
        ask: impl FnOnce(&mut Grants, Duration, &World) -> R,
    ) -> Option<R> {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, grants) = grants.as_mut()?;
        let now = self.clock.now();
        (*known == term).then(|| ask(grants, now, &self.world(term)))
    }

    /// Begins and ends the book with the lead. Returns the term that this node leads.
    fn note_lead(&self) -> Option<u64> {
        let leads_in = self.group.leads_in();
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        if grants.as_ref().map(|(term, _)| *term) != leads_in {
            *grants = leads_in.map(|term| (term, Grants::new(Timing::DEFAULT, self.clock.now())));
        }
        leads_in
    }

    pub(super) async fn answer(&self, question: Question) -> Reply {
        let Some(term) = self.note_lead() else {
            return Reply::NotLeader;
        };
        let reply = match question {
            Question::Renew(renewal) => self.renew(term, &renewal).await,
            Question::Look => self.look(term),
            Question::Wish { home, to, wisher } => self.wish(term, home, to, wisher),
        };
        reply.unwrap_or(Reply::NotLeader)
    }

    async fn renew(&self, term: u64, renewal: &Renewal) -> Option<Reply> {
        let granted = self.with(term, |grants, now, world| grants.take(now, renewal, world))?;
        if !granted.homes.is_empty() {
            let confirmed = self.group.note_lease_granted() && self.group.confirm_lead().await;
            if !confirmed {
                return None;
            }
        }
        let confirm = |grants: &mut Grants, now, world: &World| {
            let granted = grants.confirm(granted, renewal, world);
            Reply::Granted(granted, grants.outlook(now, world))
        };
        self.with(term, confirm)
    }

    /// Nothing is granted by it.
    fn look(&self, term: u64) -> Option<Reply> {
        let nothing = Granted {
            nonce: 0,
            homes: Vec::new(),
            give_back: Vec::new(),
            is_well: false,
        };
        self.with(term, |grants, now, world| {
            Reply::Granted(nothing, grants.outlook(now, world))
        })
    }

    /// What this node sees as leader; none where it is not.
    pub(super) fn outlook(&self) -> Option<Outlook> {
        let term = self.note_lead()?;
        self.with(term, |grants, now, world| grants.outlook(now, world))
    }

    fn wish(&self, term: u64, home: NodeId, to: NodeId, wisher: Wisher) -> Option<Reply> {
        self.with(term, |grants, now, world| {
            if !world.homes.contains(&home) || !world.homes.contains(&to) {
                return Reply::Unable("that node is not of this subcluster".to_owned());
            }
            if world.drained.contains(&to) {
                return Reply::Unable(format!(
                    "node {to} is drained; take that back with `pollux ctl node undrain {to}`"
                ));
            }
            if !grants.is_alive(now, to) {
                return match grants.knows_all(now) {
                    true => Reply::Unable(format!("node {to} cannot be reached")),
                    // Whoever asks comes again.
                    false => Reply::NotLeader,
                };
            }
            // A node that stops leaves its users to whom there is.
            if wisher == Wisher::Operator
                && let Some(down) = grants.down(now, to)
            {
                let service = down.service;
                let text = format!(
                    "the service {service} of node {to} does not run: start it there with `pollux \
                     ctl service start {service}`, or see why with `pollux ctl service list`"
                );
                return Reply::Unable(text);
            }
            grants.wish(home, to, wisher);
            Reply::Noted
        })
    }

    /// Proposes what is decided; each takeover once at a time, and for this leadership alone.
    pub(super) fn decide(
        &self,
        proposed: &mut BTreeSet<(NodeId, u64)>,
        proposals: &mut JoinSet<(NodeId, u64)>,
    ) {
        let Some(term) = self.note_lead() else {
            let homes = (self.view)().homes;
            self.note_calm(&self.serving(&homes));
            return;
        };
        let decided = self.with(term, |grants, now, world| {
            let decided = grants.decide(now, world).into_iter();
            let with_cause = decided.filter_map(|take_over| {
                let cause = grants.cause(take_over.home)?;
                Some((take_over, cause))
            });
            with_cause.collect::<Vec<_>>()
        });
        for (take_over, cause) in decided.unwrap_or_default() {
            let TakeOver {
                home,
                to,
                life,
                epoch,
            } = take_over;
            if !proposed.insert((home, term)) {
                continue;
            }
            let kind = cause.kind(&Timing::DEFAULT);
            tracing::info!(%home, %to, %epoch, %cause, "takeover is proposed");
            let group = self.group.clone();
            proposals.spawn(async move {
                let command = Command::TakeOver {
                    home,
                    to,
                    life,
                    epoch,
                    cause: kind,
                };
                match group.execute_as_leader(term, command).await {
                    Ok(Some(_)) => {}
                    Ok(None) => tracing::info!(%home, %epoch, "takeover was not confirmed in time"),
                    Err(error) => tracing::warn!(%home, %error, "takeover was not confirmed"),
                }
                (home, term)
            });
        }
    }
}

/// Answers the other nodes.
pub(super) struct LeaseDesk(pub(super) Arc<Keeper>);

impl Desk for LeaseDesk {
    fn told(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "leases are asked for, not told");
    }

    fn asked(
        &self,
        from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let keeper = self.0.clone();
        Box::pin(async move {
            let question: Question = codec::decode(VERSION, &body)
                .map_err(|error| keeper.unread.refuse(from, &error))?;
            if let Question::Renew(renewal) = &question
                && renewal.node != from
            {
                return Err(format!("the renewal is not node {from}'s"));
            }
            let reply = keeper.answer(question).await;
            let record = codec::encode(VERSION, &reply).map_err(|error| error.to_string())?;
            Ok(record.into())
        })
    }
}
