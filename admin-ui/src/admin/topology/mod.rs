//! The page *System topology*: the cluster as subclusters and nodes, live.

mod board;
pub(crate) mod events;
mod view;

pub(crate) use board::{Board, Overview};
pub(crate) use view::{Act, SubclusterView, acts, view};
