//! What operations return. Plain values for every face; not for how a face shows them.

use serde::{Deserialize, Serialize};

use super::{AdministratorName, Role, Rows, SessionRef, UserName};
use crate::history::HistoryRow;
use crate::node_state::NodeState;
use crate::relogin::Spread;
use crate::self_test::Finding;
use crate::services::{Observed, Service, Wish};
use crate::takeovers::TakeoverCause;
use crate::version::Formats;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The operation is done and has nothing to tell.
    Done,
    Users(Rows<UserRow>),
    Sessions(Rows<SessionRow>),
    Statistics(Vec<Figure>),
    Status(NodeStatus),
    Settings(Vec<SettingRow>),
    /// A one-time token; shown once.
    Token(String),
    Nodes(Vec<ClusterNodeRow>),
    Certificates(CertificatesStatus),
    Subcluster(SubclusterStatus),
    /// The newest first.
    Takeovers(Vec<TakeoverRow>),
    Digests(Vec<DigestRow>),
    Services(Vec<ServiceRow>),
    SelfTest(Vec<Finding>),
    Backups(Vec<BackupRow>),
    BackupMade(BackupMade),
    Administrators(Vec<AdministratorRow>),
    Tokens(Vec<TokenRow>),
    /// The last hour of a node.
    History(Vec<HistoryRow>),
    /// The newest first.
    Audit(Rows<AuditRow>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    pub user: UserName,
    pub is_administrator: bool,
    /// May not sign in.
    pub is_disabled: bool,
    /// Composed of all devices: `available`, `away`, …
    pub availability: String,
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

/// One setting of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRow {
    pub name: String,
    pub value: String,
    pub default: String,
    /// What may be written.
    pub form: String,
    pub meaning: String,
}

/// One number of the node, by the name under which `/metrics` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    pub name: String,
    pub value: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    pub node_id: u16,
    pub version: String,
    /// The cluster formats that it speaks, and the one that is used.
    pub formats: Formats,
    pub format: u16,
    pub domain: String,
    /// One word: `starting`, `serving`, `stopping`, …
    pub state: String,
    pub uptime_seconds: u64,
    /// Within which 99 of 100 flushes of the subcluster's log were done in the last minute, in
    /// milliseconds; none where there was none.
    pub flush_ms: Option<f64>,
    pub user_count: u64,
    pub session_count: u64,
    pub listeners: Vec<ListenerRow>,
    pub groups: Vec<GroupRow>,
    pub relogin: ReloginHint,
}

/// Between which limits clients are to come back after a takeover: for whoever sets them up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloginHint {
    /// Of the node of the pair that is the home of most.
    pub users: u64,
    pub sign_ins_a_second: u64,
    /// Whether that was measured: else it is assumed.
    pub is_measured: bool,
    pub spread: Spread,
    /// What the tables of Cisco Unified Presence say for as many; none: more than they have.
    pub by_cisco: Option<Spread>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerRow {
    /// `xmpp`, or `xmpps` where a stream begins with TLS.
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

/// One node as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterNodeRow {
    pub node: u16,
    pub name: String,
    /// `node` or `witness`.
    pub role: String,
    pub subcluster: u16,
    pub incarnation: u32,
    pub address: String,
    /// What it runs, as it said when it came last.
    pub version: String,
    /// The cluster formats that it speaks, and the one that the cluster uses.
    pub formats: Formats,
    pub format: u16,
    /// Where it stands, where somebody has said.
    pub site: Option<String>,
    /// Pairs of which it is the witness, or was and is still voted with.
    pub witness_of: Vec<u16>,
    /// It is being emptied, or is empty.
    pub is_drained: bool,
    /// `this node`, `connected`, `not connected` or `removed`.
    pub state: String,
}

/// The certificates between nodes. Fingerprints are SHA-256 in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatesStatus {
    /// `settled`, or how far a rotation is.
    pub phase: String,
    pub authority: String,
    pub authority_since: String,
    pub next_authority: Option<String>,
    /// The nodes for which a rotation waits.
    pub waits_for: Vec<u16>,
    pub nodes: Vec<CertificateRow>,
}

/// What one node shows to others; none where it has not said so yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRow {
    pub node: u16,
    pub name: String,
    pub certificate: Option<String>,
    /// That has signed it.
    pub authority: Option<String>,
    /// When the node got it, in UTC.
    pub since: Option<String>,
    pub age_seconds: Option<u64>,
    /// `settled`, or how far the node is in a rotation.
    pub state: String,
}

/// Who serves whom in a subcluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubclusterStatus {
    pub subcluster: u16,
    pub high_availability: bool,
    /// Whether the loss of one node is outlived: two nodes and a witness vote, and all can be
    /// reached.
    pub is_protected: bool,
    /// Why not.
    pub exposure: Option<String>,
    pub leader: Option<u16>,
    pub term: u64,
    pub homes: Vec<HomeRow>,
    pub members: Vec<MemberRow>,
    /// The nodes that serve, as an operator sees them.
    pub nodes: Vec<NodeStateRow>,
}

/// A node of a subcluster as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStateRow {
    pub node: u16,
    pub name: String,
    pub state: NodeState,
    /// The number of `state`.
    pub number: u8,
    /// Why it is so, in the words of Cisco Unified Presence where there are any.
    pub reason: String,
}

/// One takeover or fallback of the users of a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeoverRow {
    pub home: u16,
    /// None: nobody had served the home before.
    pub from: Option<u16>,
    pub to: u16,
    pub epoch: u64,
    pub cause: TakeoverCause,
    /// The cause in the words of Cisco Unified Presence where there are any.
    pub reason: String,
    /// By the wall clock of the leader: the date and time of day in UTC (XEP-0082).
    pub at: String,
    /// The same, in milliseconds since 1970.
    pub wall_ms: u64,
    /// By the group's own time, which goes on only while somebody leads.
    pub group_ms: u64,
}

/// The users of one home node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeRow {
    pub home: u16,
    pub serving: Option<u16>,
    pub epoch: u64,
    pub users: u64,
    pub sessions: u64,
    /// Whether the node that answers holds the lease of these users.
    pub is_held_here: bool,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    pub node: u16,
    pub incarnation: u32,
    pub votes: bool,
    /// The last entry that it is known to have; only the leader knows.
    pub matched_index: Option<u64>,
}

/// A file of a backup, on the disk of the node that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRow {
    pub node: u16,
    pub path: String,
    pub bytes: u64,
}

/// A backup that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupMade {
    /// Each subcluster has one.
    pub files: Vec<BackupRow>,
    /// For how long messages of one subcluster to another have waited.
    pub held_ms: u64,
}

/// A service of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRow {
    pub service: Service,
    /// Whether the twin takes over when it stays down.
    pub is_critical: bool,
    /// Whether it can be stopped while the node goes on.
    pub can_stop: bool,
    /// What its operator wants.
    pub wanted: Wish,
    pub state: Observed,
    /// For how long it has been so.
    pub for_seconds: u64,
    /// Why it has failed.
    pub reason: Option<String>,
    /// What it is, for a person.
    pub meaning: String,
}

/// One replica's database at one index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestRow {
    pub node: u16,
    pub index: u64,
    /// None: it did not answer, or has not applied that much.
    pub digest: Option<u32>,
}

/// Who administers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdministratorRow {
    pub administrator: AdministratorName,
    pub role: Role,
}

/// A token for programs; what it is, only its owner knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    pub token: AdministratorName,
    pub role: Role,
    /// Begun days for which it is good; 0: it has expired.
    pub days_left: u32,
}

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// From 1, without gaps.
    pub number: u64,
    /// By the clock of the node that was asked, in UTC, as XEP-0082 writes it.
    pub at: String,
    pub caller: String,
    pub operation: String,
    /// Fields with their values, without secrets.
    pub fields: String,
    /// `done`, or why not.
    pub result: String,
    /// SHA-256 over the line and the hash of the line before, in hexadecimal digits.
    pub hash: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::TAKEOVERS_KEPT;
    use crate::operations::ENVELOPE_BYTES_MAX;

    #[test]
    fn the_whole_history_of_takeovers_fits_a_response() {
        let longest = |cause: &&TakeoverCause| cause.words().len();
        let cause = *TakeoverCause::ALL.iter().max_by_key(longest).unwrap();
        let row = TakeoverRow {
            home: u16::MAX,
            from: Some(u16::MAX),
            to: u16::MAX,
            epoch: u64::MAX,
            cause,
            reason: cause.to_string(),
            at: "2026-11-29T16:22:53.123Z".to_owned(),
            wall_ms: u64::MAX,
            group_ms: u64::MAX,
        };
        let outcome = Outcome::Takeovers(vec![row; TAKEOVERS_KEPT]);
        let bytes = serde_json::to_vec(&outcome).unwrap().len();
        assert!(bytes < ENVELOPE_BYTES_MAX - 1_024, "{bytes}");
    }
}
