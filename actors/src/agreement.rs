//! The two groups say the same: every configured user whose home is in this subcluster is known to
//! its database, and no other. Done by whoever holds the lease of a home, whenever the
//! configuration has changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::contract::{Agreement, AsOf, Refusal, Reply};
use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_domain::jid::BareJid;
use pollux_raft::configuration::Change;
use pollux_raft::group::GroupError;

use crate::node::Node;

/// How often it looks whether anything has changed.
const INTERVAL: Duration = Duration::from_millis(250);

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    let mut agreed = None;
    let mut full = None;
    while !node.is_stopping() {
        let now = node.ambient.clock.now();
        let homes: Vec<NodeId> = node
            .tenures
            .all()
            .iter()
            .filter(|tenure| tenure.holds(now))
            .map(|tenure| tenure.home())
            .collect();
        let as_of = as_of(&node);
        let state = (homes, as_of);
        if !state.0.is_empty() && agreed.as_ref() != Some(&state) {
            match agree(&node, &state.0, as_of).await {
                Ok(()) => agreed = Some(state),
                // Once for each change: it is tried again all the time.
                Err(PutError::Refused(Refusal::TooManyUsers))
                    if full.replace(as_of) != Some(as_of) =>
                {
                    tracing::warn!(
                        advice = "remove users, or move them to another cluster",
                        "subcluster knows as many users as it can, others are not taken over"
                    );
                }
                Err(error) => tracing::debug!(%error, "groups do not agree yet"),
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The configuration of this replica.
pub(crate) fn as_of(node: &Node) -> AsOf {
    let id = node.settings.subcluster;
    node.configuration.read(|configuration| {
        let entry = configuration.topology().subcluster(id);
        AsOf {
            reforms: entry.map_or(0, |entry| entry.reforms),
            version: configuration.version(),
        }
    })
}

/// Why the two do not agree yet: all of it is said again.
#[derive(Debug, thiserror::Error)]
enum PutError {
    #[error(transparent)]
    Group(#[from] GroupError),
    /// This replica lags behind, or a limit is reached.
    #[error("{0:?}")]
    Refused(Refusal),
}

/// Puts it to the database.
async fn put(node: &Node, as_of: AsOf, part: Agreement) -> Result<(), PutError> {
    match node.subcluster.execute(part.under(as_of)).await? {
        Reply::Refused(refusal) => Err(PutError::Refused(refusal)),
        _ => Ok(()),
    }
}

/// Users of other subclusters that one command names.
const FOREIGN_CHUNK: usize = 500;

/// What is read of the configuration on the way may be newer than `as_of`, which does no harm; what
/// is read of the database is not older.
async fn agree(node: &Node, homes: &[NodeId], as_of: AsOf) -> Result<(), PutError> {
    make_secrets(node).await?;
    put(node, as_of, Agreement::Begin).await?;
    agree_on_rules(node, as_of).await?;
    let configured: Vec<(BareJid, NodeId, bool)> = node.configuration.read(|state| {
        let users = state.users();
        let mine = users.filter(|(_, account)| homes.contains(&account.home));
        mine.map(|(user, account)| (user.clone(), account.home, account.disabled))
            .collect()
    });
    for (user, home, disabled) in configured {
        let known = node.subcluster.read(|state| state.is_disabled(&user));
        if known.is_none() {
            let user = user.clone();
            put(node, as_of, Agreement::Adopt { user, home }).await?;
        }
        if known.unwrap_or(false) != disabled {
            put(node, as_of, Agreement::Disabled { user, disabled }).await?;
        }
    }
    // It may be full of them, which concerns nobody else.
    let others = agree_on_others(node, as_of).await;
    let known = node.subcluster.read(|state| state.users());
    for user in known {
        let home = node.subcluster.read(|state| state.home_of(&user));
        let is_mine = home.is_some_and(|home| homes.contains(&home));
        let is_gone = || {
            node.configuration
                .read(|state| state.account(&user).is_none())
        };
        if is_mine && is_gone() {
            put(node, as_of, Agreement::Release { user }).await?;
        }
    }
    others
}

/// The cluster has its secrets; whoever proposes them first, those are taken.
pub(crate) async fn make_secrets(node: &Node) -> Result<(), GroupError> {
    let (has_decoys, has_tokens) = node.configuration.read(|state| {
        (
            state.decoy_secret().is_some(),
            state.token_secret().is_some(),
        )
    });
    let secret = || {
        let mut secret = [0; 32];
        node.ambient.rand.fill(&mut secret);
        Bytes::copy_from_slice(&secret)
    };
    if !has_decoys {
        let secret = Change::DecoySecret(secret());
        node.configuration.execute(secret).await?;
    }
    if !has_tokens {
        let secret = Change::TokenSecret(secret());
        node.configuration.execute(secret).await?;
    }
    Ok(())
}

/// The database goes by what was set.
async fn agree_on_rules(node: &Node, as_of: AsOf) -> Result<(), PutError> {
    let rules = node.cluster_settings().rules();
    match node.subcluster.read(|state| *state.rules() == rules) {
        true => Ok(()),
        false => put(node, as_of, Agreement::Rules(rules)).await,
    }
}

/// Says to the database of this node at once what was set; whoever serves says it again.
pub(crate) async fn tell_rules(node: &Node) {
    if let Err(error) = agree_on_rules(node, as_of(node)).await {
        tracing::debug!(%error, "the database goes by older settings for a moment");
    }
}

/// The database knows in which group the users of other subclusters live.
async fn agree_on_others(node: &Node, as_of: AsOf) -> Result<(), PutError> {
    let own = node.settings.subcluster;
    let configured: BTreeMap<BareJid, SubclusterId> = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let users = configuration.users().filter_map(|(user, account)| {
            let subcluster = topology.node(account.home)?.subcluster;
            (subcluster != own).then(|| (user.clone(), subcluster))
        });
        users.collect()
    });
    let known: BTreeMap<BareJid, SubclusterId> =
        node.subcluster.read(|state| state.foreign_users());
    let gone = known.keys().filter(|user| !configured.contains_key(*user));
    let gone = gone.map(|user| (user.clone(), None));
    let new = configured
        .iter()
        .filter(|(user, subcluster)| known.get(*user) != Some(subcluster))
        .map(|(user, subcluster)| (user.clone(), Some(*subcluster)));
    let changes: Vec<(BareJid, Option<SubclusterId>)> = gone.chain(new).collect();
    for chunk in changes.chunks(FOREIGN_CHUNK) {
        let users = chunk.to_vec();
        // The group has its name first: then this is said again.
        put(node, as_of, Agreement::Foreign { users }).await?;
    }
    Ok(())
}
