//! The leader's side: answers renewals after it has confirmed that it leads, and proposes the
//! takeovers that the rules decide on.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::contract::Command;
use pollux_domain::ids::NodeId;
use pollux_domain::seams::Clock;
use pollux_links::peers::Desk;
use pollux_store::codec;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::View;
use crate::election::Timing;
use crate::group::Group;
use crate::lease::{Granted, Grants, Renewal, ServedBy, TakeOver, World};
use crate::machine::Subcluster;

pub(super) const VERSION: u16 = 1;

/// What a node asks of the leader.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Question {
    Renew(Renewal),
    /// An operator asks that `to` serves the users of `home`.
    Wish {
        home: NodeId,
        to: NodeId,
    },
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Reply {
    Granted(Granted),
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
    /// None while this node does not lead.
    pub(super) grants: Mutex<Option<Grants>>,
}

impl Keeper {
    fn world(&self, now: Duration) -> World {
        let pair = (self.view)();
        let serving = self.group.read(|state| {
            let served = pair.homes.iter().filter_map(|home| {
                let serving = state.serving(*home)?;
                let served = ServedBy {
                    node: serving.node,
                    life: serving.life,
                    epoch: serving.epoch,
                };
                Some((*home, served))
            });
            served.collect()
        });
        let (_, applied, _) = self.group.indexes();
        World {
            may_take_over: self.group.may_take_over(now),
            high_availability: pair.high_availability,
            homes: pair.homes,
            removed: pair.removed,
            serving,
            committed: applied,
            heard: self.group.heard_nodes(now),
        }
    }

    fn with<R>(&self, change: impl FnOnce(&mut Grants) -> R) -> Option<R> {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.as_mut().map(change)
    }

    /// Begins and ends the book with the lead.
    pub(super) fn note_lead(&self) {
        let leads = self.group.is_leading();
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        match (leads, grants.is_some()) {
            (true, false) => *grants = Some(Grants::new(Timing::LOCAL, self.clock.now())),
            (false, true) => *grants = None,
            _ => {}
        }
    }

    pub(super) async fn answer(&self, question: Question) -> Reply {
        match question {
            Question::Renew(renewal) => self.renew(&renewal).await,
            Question::Wish { home, to } => self.wish(home, to),
        }
    }

    async fn renew(&self, renewal: &Renewal) -> Reply {
        self.note_lead();
        let now = self.clock.now();
        let world = self.world(now);
        let Some(granted) = self.with(|grants| grants.take(now, renewal, &world)) else {
            return Reply::NotLeader;
        };
        if !granted.homes.is_empty() {
            self.group.note_lease_granted(now);
            if !self.group.confirm_lead().await {
                return Reply::NotLeader;
            }
        }
        match self.with(|grants| grants.confirm(granted)) {
            Some(granted) => Reply::Granted(granted),
            None => Reply::NotLeader,
        }
    }

    fn wish(&self, home: NodeId, to: NodeId) -> Reply {
        let now = self.clock.now();
        let world = self.world(now);
        let noted = self.with(|grants| {
            if !world.homes.contains(&home) || !world.homes.contains(&to) {
                return Reply::Unable("that node is not of this subcluster".to_owned());
            }
            if !grants.is_alive(now, to) {
                return Reply::Unable(format!("node {to} cannot be reached"));
            }
            grants.wish(home, to);
            Reply::Noted
        });
        noted.unwrap_or(Reply::NotLeader)
    }

    /// Proposes what is decided; each takeover once at a time.
    pub(super) fn decide(&self, proposed: &mut BTreeSet<NodeId>, proposals: &mut JoinSet<NodeId>) {
        self.note_lead();
        let now = self.clock.now();
        let world = self.world(now);
        let decided = self.with(|grants| grants.decide(now, &world));
        for take_over in decided.unwrap_or_default() {
            if !proposed.insert(take_over.home) {
                continue;
            }
            let TakeOver {
                home,
                to,
                life,
                epoch,
            } = take_over;
            tracing::info!(%home, %to, %epoch, "takeover is proposed");
            let group = self.group.clone();
            proposals.spawn(async move {
                let command = Command::TakeOver {
                    home,
                    to,
                    life,
                    epoch,
                };
                if let Err(error) = group.execute(command).await {
                    tracing::warn!(%home, %error, "takeover was not confirmed");
                }
                home
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
            let question: Question =
                codec::decode(VERSION, &body).map_err(|error| error.to_string())?;
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
