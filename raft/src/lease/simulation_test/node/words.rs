//! What nodes say to each other, and what the simulation hears of them.

use super::*;

#[derive(Debug, Clone)]
pub(in super::super) enum Say {
    Beat(Beat),
    Question(Question),
    Answer(Answer),
    HandOver(HandOver),
    Core(Message),
    Renew(Renewal),
    Granted(Granted),
    /// What one who leads no more has in its pipeline.
    Propose(Command),
}

/// What came of an event, besides what is said.
#[derive(Debug)]
pub(in super::super) enum Event {
    Elected,
    HandedOver,
    Held(NodeId),
}

/// What the operator wants, the same for all.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Wishes {
    pub(in super::super) ha_on: bool,
    pub(in super::super) moves: BTreeMap<NodeId, NodeId>,
}
