//! What the node that makes a backup asks of those that make its parts, step by step, and how they
//! answer. Not for what a part does.

use std::future::Future;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use pollux_domain::contract::{Command, HoldId, Refusal, Reply};
use pollux_domain::ids::NodeId;
use pollux_domain::operations::{ErrorKind, OperationError};
use pollux_links::peers::Subject;
use pollux_raft::backup::SetId;
use serde::{Deserialize, Serialize};

use super::part::{Part, Step, given_up};
use super::{backups, busy};
use crate::desks::{AskError, Questions};
use crate::node::Node;
use crate::users::UserError;

const QUESTIONS: Questions<Question, Result<Told, OperationError>> =
    Questions::new(Subject::Backup, 1);

/// One step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Question {
    /// Begins a file, with the rows that there are now.
    Prepare {
        set: SetId,
        parts: u16,
        made_at: String,
    },
    /// Takes nothing of other groups from now on.
    Hold {
        set: SetId,
    },
    /// Catches the database as it is, within the hold.
    Capture {
        set: SetId,
    },
    Release {
        set: SetId,
    },
    /// Writes what is missing.
    Finish {
        set: SetId,
    },
    /// What stands at that byte of the finished file.
    Read {
        set: SetId,
        at: u64,
    },
    /// Does not give it up: the others take longer.
    Wait {
        set: SetId,
    },
    /// Forgets it.
    Drop {
        set: SetId,
    },
}

impl Question {
    /// Of which backup it is.
    pub(super) fn set(&self) -> SetId {
        match self {
            Question::Prepare { set, .. }
            | Question::Hold { set }
            | Question::Capture { set }
            | Question::Release { set }
            | Question::Finish { set }
            | Question::Read { set, .. }
            | Question::Wait { set }
            | Question::Drop { set } => *set,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Told {
    Done,
    /// The size of the finished file.
    Whole {
        bytes: u64,
    },
    Piece(Bytes),
}

/// Asks a node, which may be this one.
pub(super) async fn ask(
    node: &Arc<Node>,
    part: NodeId,
    question: Question,
) -> Result<Told, OperationError> {
    if part == node.settings.node {
        return answer(node, question).await;
    }
    let failed = |reason: &AskError| {
        let message = format!("node {part} could not be asked for its part: {reason}");
        OperationError::new(ErrorKind::Unavailable, message)
    };
    let group = node.configuration.group();
    let asked = QUESTIONS.ask(node, part, group, &question).await;
    asked.map_err(|error| failed(&error))?
}

async fn answer(node: &Arc<Node>, question: Question) -> Result<Told, OperationError> {
    match question {
        Question::Prepare {
            set,
            parts,
            made_at,
        } => {
            let backups = backups(node)?;
            // What was acknowledged until now is in it.
            node.configuration
                .catch_up()
                .await
                .map_err(UserError::from)?;
            node.subcluster.catch_up().await.map_err(UserError::from)?;
            let prepared = {
                let mut place = backups.part.lock().unwrap_or_else(PoisonError::into_inner);
                if place.as_ref().is_some_and(Part::goes_on) {
                    return Err(busy());
                }
                let part = Part::begin(node, &backups.folder, set, parts, made_at)?;
                let prepared = part.step(Step::Prepare);
                *place = Some(part);
                prepared
            };
            prepared.await
        }
        Question::Hold { set } => {
            hold(
                node,
                Command::Hold {
                    hold: HoldId(set.0),
                },
            )
            .await
        }
        Question::Release { set } => {
            hold(
                node,
                Command::Release {
                    hold: HoldId(set.0),
                },
            )
            .await
        }
        Question::Capture { set } => {
            // The replica here has the hold, too.
            node.subcluster.catch_up().await.map_err(UserError::from)?;
            step(node, set, Step::Capture)?.await
        }
        Question::Finish { set } => step(node, set, Step::Finish)?.await,
        Question::Read { set, at } => step(node, set, Step::Read { at })?.await,
        Question::Wait { set } => {
            part(node, set, Part::wait)?;
            Ok(Told::Done)
        }
        Question::Drop { set } => {
            let mut place = { backups(node)?.part.lock() }.unwrap_or_else(PoisonError::into_inner);
            place.take_if(|part| part.set == set);
            Ok(Told::Done)
        }
    }
}

async fn hold(node: &Node, command: Command) -> Result<Told, OperationError> {
    match { node.subcluster.execute(command).await }.map_err(UserError::from)? {
        Reply::Refused(Refusal::Held) => {
            let message = "another backup is being made; try again in a moment";
            Err(OperationError::new(ErrorKind::ResourceConstraint, message))
        }
        _ => Ok(Told::Done),
    }
}

/// The next step of that part.
fn step(
    node: &Node,
    set: SetId,
    step: Step,
) -> Result<impl Future<Output = Result<Told, OperationError>> + use<>, OperationError> {
    part(node, set, |part| part.step(step))
}

/// Says something to that part.
pub(super) fn part<T>(
    node: &Node,
    set: SetId,
    say: impl FnOnce(&Part) -> T,
) -> Result<T, OperationError> {
    let place = { backups(node)?.part.lock() }.unwrap_or_else(PoisonError::into_inner);
    let part = place.as_ref().filter(|part| part.set == set);
    part.map(say).ok_or_else(given_up)
}

/// Opens the desk of a node.
pub(crate) fn open(node: &Arc<Node>) {
    let answer = async |node: Arc<Node>, _from: NodeId, question| Ok(answer(&node, question).await);
    QUESTIONS.open(node, node.configuration.group(), answer);
}
