//! An operation together with the node that is to do it. Not for the way there.

use super::Operation;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub operation: Operation,
    /// The number of the node that does it; none: the one that is asked.
    pub at: Option<u16>,
}

impl Errand {
    pub fn at(operation: Operation, node: u16) -> Errand {
        Errand {
            operation,
            at: Some(node),
        }
    }
}

impl From<Operation> for Errand {
    fn from(operation: Operation) -> Errand {
        Errand {
            operation,
            at: None,
        }
    }
}
