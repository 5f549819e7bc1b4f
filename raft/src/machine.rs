//! What a group replicates: the trait of a pure state machine, and the two that Pollux has.

use std::fmt::Debug;

use pollux_domain::contract::{Action, Agreement, Command, Effect, Reply, RowWrite, Stamp};
use pollux_domain::ids::GroupMs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::configuration::{self, Configuration};
use crate::state::{Outcome, State};

/// What follows from a batch, besides the replies.
#[derive(Debug)]
pub struct Applied<E> {
    pub effects: Vec<E>,
    pub rows: Vec<RowWrite>,
}

impl<E> Default for Applied<E> {
    fn default() -> Self {
        Applied {
            effects: Vec::new(),
            rows: Vec::new(),
        }
    }
}

/// A pure state machine. Cloning it costs pointers, not contents: a snapshot is made of a clone.
pub trait Machine: Clone + Default + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The version of its snapshots and entries.
    const VERSION: u16;
    type Command: Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static;
    type Reply: Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static;
    type Effect: Debug + Send + 'static;

    /// Bytes that a command has in the log, about: what it carries of others, without what every
    /// command has.
    fn weight(command: &Self::Command) -> usize;

    /// Whether a command may be sent a little later than others, together with them.
    fn may_wait(_command: &Self::Command) -> bool {
        false
    }

    /// Applies the commands of one entry, in order, with the leader's time. One reply for each.
    fn apply_batch(
        &mut self,
        stamp: Stamp,
        commands: &[&Self::Command],
        applied: &mut Applied<Self::Effect>,
    ) -> Vec<Self::Reply>;

    /// The group's own time, as far as it has one.
    fn group_time(&self) -> GroupMs {
        GroupMs::default()
    }

    /// The rows that the tables must hold.
    fn row_keys(&self) -> Vec<u64> {
        Vec::new()
    }
}

/// A kind of group: names its machine where openraft wants a plain type.
pub trait Kind: Debug + Clone + Copy + Default + Eq + Ord + Send + Sync + Unpin + 'static {
    /// The name in paths, logs and metrics.
    const NAME: &'static str;
    type Machine: Machine;
}

/// A subcluster's shared availability database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subcluster;

impl Kind for Subcluster {
    const NAME: &'static str = "subcluster";
    type Machine = State;
}

/// The cluster's configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigurationGroup;

impl Kind for ConfigurationGroup {
    const NAME: &'static str = "configuration";
    type Machine = Configuration;
}

impl Machine for State {
    // 2: outboxes. 3: which configuration was agreed with. 6: who is disabled. 7: takeovers.
    // 8: nodes that are emptied.
    const VERSION: u16 = 8;
    type Command = Command;
    type Reply = Reply;
    type Effect = Effect;

    /// What the receiver has is told for the room that it makes: nobody waits for it.
    fn may_wait(command: &Command) -> bool {
        matches!(command, Command::Acked { .. } | Command::Written { .. })
    }

    fn weight(command: &Command) -> usize {
        match command {
            Command::Stanza { action, .. } => action_weight(action),
            Command::Take { lines, .. } => lines.iter().map(|line| line.weight()).sum(),
            Command::Agree {
                part: Agreement::Foreign { users },
                ..
            } => users.iter().map(|(user, _)| user.as_str().len()).sum(),
            Command::Told { refused, .. } => 8 * refused.len(),
            Command::Answered { bytes, .. } => bytes.len(),
            Command::Unwritten { parcels, .. } => {
                parcels.iter().map(|(_, parcel)| parcel.bytes.len()).sum()
            }
            Command::Privacy { settings, .. } => {
                let values = settings.iter().filter_map(|(_, value)| value.as_ref());
                values.map(String::len).sum()
            }
            _ => 0,
        }
    }

    fn group_time(&self) -> GroupMs {
        State::group_time(self)
    }

    fn row_keys(&self) -> Vec<u64> {
        self.rows().into_iter().map(|row| row.0).collect()
    }

    fn apply_batch(
        &mut self,
        stamp: Stamp,
        commands: &[&Command],
        applied: &mut Applied<Effect>,
    ) -> Vec<Reply> {
        self.forget_fresh();
        self.set_stamp(stamp);
        let mut outcome = Outcome::default();
        let replies = commands
            .iter()
            .map(|command| self.apply(command, &mut outcome));
        let replies = replies.collect();
        applied.effects = outcome.effects;
        applied.rows = outcome.rows;
        replies
    }
}

fn action_weight(action: &Action) -> usize {
    match action {
        Action::Nothing => 0,
        Action::Send(parcel) => parcel.bytes.len(),
        Action::Broadcast { outer, parcels } => {
            let parcels = parcels.iter().map(|parcel| parcel.bytes.len());
            outer.bytes.len() + parcels.sum::<usize>()
        }
        Action::DirectedToSeveral { outer, copies, .. } => {
            let copies = copies.iter().map(|(_, bytes)| bytes.len());
            outer.bytes.len() + copies.sum::<usize>()
        }
        Action::Availability { bytes, .. }
        | Action::Directed { bytes, .. }
        | Action::Subscription { bytes, .. }
        | Action::Answer(bytes) => bytes.len(),
        Action::Carbons { result, .. } => result.len(),
        Action::Ask { request }
        | Action::AskList { request, .. }
        | Action::AskBlockList { request } => request.len(),
        Action::Inquire(parcel) => parcel.bytes.len(),
        Action::Keep {
            iq,
            result,
            documents,
        } => {
            let sizes = documents.iter().map(|(_, document)| document.len());
            iq.bytes.len() + result.len() + sizes.sum::<usize>()
        }
        Action::Contact { iq, result, .. } | Action::Block { iq, result, .. } => {
            iq.bytes.len() + result.len()
        }
    }
}

impl Machine for Configuration {
    // 2: settings, tokens. 3: which keys accounts have, and which are disabled;
    // the secret of TURN servers. 4: administrators, the audit. 5: nodes that are witnesses.
    const VERSION: u16 = 5;
    type Command = configuration::Change;
    type Reply = configuration::ChangeReply;
    type Effect = ();

    fn weight(change: &configuration::Change) -> usize {
        match change {
            configuration::Change::DecoySecret(bytes)
            | configuration::Change::TokenSecret(bytes) => bytes.len(),
            configuration::Change::ExternalSecret(secret) => secret
                .as_ref()
                .map_or(0, |secret| secret.expose_secret().len()),
            configuration::Change::AddUser { account, .. } => account.credentials.keys.len(),
            configuration::Change::SetCredentials { credentials, .. } => credentials.keys.len(),
            configuration::Change::AddKeys {
                known, credentials, ..
            } => known.keys.len() + credentials.keys.len(),
            configuration::Change::Set(wanted) => {
                let texts = wanted
                    .iter()
                    .map(|(name, text)| name.len() + text.as_ref().map_or(0, String::len));
                texts.sum()
            }
            configuration::Change::Audit(entry) => {
                let texts = [
                    &entry.caller,
                    &entry.operation,
                    &entry.fields,
                    &entry.result,
                ];
                texts.into_iter().map(String::len).sum()
            }
            configuration::Change::RemoveUser { .. }
            | configuration::Change::SetDisabled { .. }
            | configuration::Change::Administrators(_)
            | configuration::Change::Topology(_) => 0,
        }
    }

    fn apply_batch(
        &mut self,
        _stamp: Stamp,
        changes: &[&configuration::Change],
        applied: &mut Applied<()>,
    ) -> Vec<configuration::ChangeReply> {
        // Whoever reads the configuration looks again.
        applied.effects.push(());
        changes.iter().map(|change| self.apply(change)).collect()
    }
}
