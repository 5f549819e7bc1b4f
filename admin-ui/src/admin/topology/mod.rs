//! The page *System topology*: the cluster as subclusters and nodes, live.

mod board;
mod view;

pub(crate) use board::{Board, FRESH, Overview, ask, unexpected};
pub(crate) use view::{Act, NodeView, SubclusterView, Tone, acts, fields, node_view, path, view};
