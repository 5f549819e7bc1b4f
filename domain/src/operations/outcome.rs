//! What operations return. Plain values for every face; not for how a face shows them.

use serde::{Deserialize, Serialize};

use super::{Rows, SessionRef, UserName};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The operation is done and has nothing to tell.
    Done,
    Users(Rows<UserRow>),
    Sessions(Rows<SessionRow>),
    Statistics(Vec<Figure>),
    Status(NodeStatus),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    pub user: UserName,
    pub is_administrator: bool,
    pub session_count: u32,
    /// Messages that wait for the user's next sign-in.
    pub offline_count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    pub session: SessionRef,
    pub user: UserName,
    pub resource: String,
    /// The address of the client; none while the session waits for its client to resume.
    pub peer: Option<String>,
    /// What the user's contacts are shown of this session: `available`, `away`, …
    pub availability: String,
    /// Whether the client acknowledges what it receives (XEP-0198).
    pub has_stream_management: bool,
    /// Stanzas that the client has not acknowledged.
    pub slot_count: u32,
}

/// One number of the node, by the name under which `/metrics` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    pub name: String,
    pub value: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    pub node_id: u16,
    pub version: String,
    pub domain: String,
    /// One word: `starting`, `serving`, `stopping`, …
    pub state: String,
    pub uptime_seconds: u64,
    pub user_count: u64,
    pub session_count: u64,
    pub listeners: Vec<ListenerRow>,
    pub groups: Vec<GroupRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerRow {
    pub protocol: String,
    pub address: String,
}

/// What this node is in one replicated group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    pub group: String,
    /// `leader`, `follower`, `learner` or `candidate`.
    pub role: String,
    pub term: u64,
    pub applied_index: u64,
    pub voter_count: u32,
}
