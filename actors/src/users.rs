//! Users come and go, in both groups: credentials in the configuration, everything else in the
//! subcluster. Passwords become salted keys at once, off the arbiters, and are kept nowhere.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::contract::Agreement;
use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_raft::configuration::{Account, Change, ChangeReply};
use pollux_raft::group::GroupError;
use pollux_store::codec::{self, CodecError};
use pollux_xmpp::sasl::Secret;
use pollux_xmpp::sasl::scram::{DeriveError, ScramHash, ScramKeys};
use tokio::sync::oneshot;

use crate::agreement;
use crate::node::Node;

const CREDENTIALS_VERSION: u16 = 1;

/// Why a user cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("the user exists already")]
    Exists,
    #[error("there is no such user")]
    NoSuchUser,
    #[error("the cluster has as many users as it may")]
    TooMany,
    #[error(transparent)]
    Password(#[from] DeriveError),
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error("failed to encode the keys: {0}")]
    Codec(#[from] CodecError),
    #[error("the hashing was given up")]
    GivenUp,
}

/// Adds a user.
pub async fn add(
    node: &Node,
    user: &BareJid,
    password: String,
    administrator: bool,
) -> Result<(), UserError> {
    add_at(node, home_for(node), user, password, administrator).await
}

/// Adds a user whose home is `home`, a node of this subcluster.
pub async fn add_at(
    node: &Node,
    home: NodeId,
    user: &BareJid,
    password: String,
    administrator: bool,
) -> Result<(), UserError> {
    if node
        .configuration
        .read(|state| state.account(user).is_some())
    {
        return Err(UserError::Exists);
    }
    let credentials = credentials(node, password).await?;
    let account = Account {
        administrator,
        ..Account::new(home, credentials)
    };
    change(
        node,
        Change::AddUser {
            user: user.clone(),
            account,
        },
    )
    .await?;
    adopt(node, user, home).await
}

/// A user belongs to the node that was asked; a witness asks for the first node of its pair.
fn home_for(node: &Node) -> NodeId {
    let me = node.settings.node;
    if !node.settings.is_witness {
        return me;
    }
    let homes = node.configuration.read(|configuration| {
        configuration
            .topology()
            .serving_nodes(node.settings.subcluster)
    });
    homes.first().copied().unwrap_or(me)
}

/// Gives a user a new password.
pub async fn set_password(node: &Node, user: &BareJid, password: String) -> Result<(), UserError> {
    let credentials = credentials(node, password).await?;
    change(
        node,
        Change::SetCredentials {
            user: user.clone(),
            credentials,
        },
    )
    .await
}

/// Removes a user with everything that was kept.
pub async fn remove(node: &Node, user: &BareJid) -> Result<(), UserError> {
    change(node, Change::RemoveUser { user: user.clone() }).await?;
    let user = user.clone();
    agree(node, Agreement::Release { user }).await
}

/// Lets nobody sign in as that user any more and ends its sessions, or lets it in again.
pub async fn set_disabled(node: &Node, user: &BareJid, disabled: bool) -> Result<(), UserError> {
    let user = user.clone();
    let disable = Change::SetDisabled {
        user: user.clone(),
        disabled,
    };
    change(node, disable).await?;
    agree(node, Agreement::Disabled { user, disabled }).await
}

/// How long a stranger waits for a node that has just started.
const INFORM_PATIENCE: Duration = Duration::from_secs(5);

/// Whether this node may say of a user that there is none. A replica that has just started knows of
/// nobody before it has heard the leader: whoever was told then that the password is wrong would
/// throw it away.
pub async fn is_judged(node: &Node, user: &BareJid) -> bool {
    let known = || {
        node.configuration
            .read(|state| state.account(user).is_some())
    };
    if node.informed.load(Ordering::Relaxed) || known() {
        return true;
    }
    let caught_up = tokio::time::timeout(INFORM_PATIENCE, node.configuration.catch_up()).await;
    let informed = matches!(caught_up, Ok(Ok(())));
    node.informed.fetch_or(informed, Ordering::Relaxed);
    informed || known()
}

/// The keys of a user for one hash; fake ones for an unknown user, by the same work.
pub fn keys(node: &Node, user: &BareJid, hash: ScramHash) -> io::Result<ScramKeys> {
    let (credentials, secret) = node.configuration.read(|state| {
        let credentials = state
            .account(user)
            .map(|account| account.credentials.clone());
        (credentials, state.decoy_secret().cloned())
    });
    let secret = secret.unwrap_or_default().to_vec().into();
    let fake = ScramKeys::fake(hash, &secret, user.as_str(), node.settings.scram_iterations);
    let known: Vec<ScramKeys> = match credentials {
        Some(credentials) => codec::decode(CREDENTIALS_VERSION, &credentials)?,
        None => Vec::new(),
    };
    match known.into_iter().find(|keys| keys.hash() == hash) {
        Some(keys) => Ok(keys),
        None => fake.map_err(io::Error::other),
    }
}

/// Whether the keys are those of the password. Hashed aside, as many at a time as the node has
/// doors; none if it is given up.
pub async fn has_password(node: &Node, keys: ScramKeys, password: Secret) -> Option<bool> {
    let turn = node.hashing.acquire().await.ok()?;
    let (tell, told) = oneshot::channel();
    let job = move || {
        let _gone = tell.send(keys.are_of(&password));
    };
    node.placement.run_aside(Box::new(job));
    let answer = told.await.ok();
    drop(turn);
    answer
}

async fn adopt(node: &Node, user: &BareJid, home: NodeId) -> Result<(), UserError> {
    let user = user.clone();
    agree(node, Agreement::Adopt { user, home }).await
}

/// Tells the database at once what was changed in the configuration; whoever serves says it again.
async fn agree(node: &Node, part: Agreement) -> Result<(), UserError> {
    let command = part.under(agreement::as_of(node));
    node.subcluster.execute(command).await?;
    Ok(())
}

async fn change(node: &Node, change: Change) -> Result<(), UserError> {
    match node.configuration.execute(change).await? {
        ChangeReply::Done => Ok(()),
        ChangeReply::Exists => Err(UserError::Exists),
        ChangeReply::NoSuchUser => Err(UserError::NoSuchUser),
        ChangeReply::TooManyUsers => Err(UserError::TooMany),
        ChangeReply::BadSettings | ChangeReply::Topology(_) => Err(UserError::GivenUp),
    }
}

/// Salted keys for each hash, each with a salt of its own (XEP-0438).
async fn credentials(node: &Node, password: String) -> Result<Bytes, UserError> {
    let hashes = [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512];
    let mut salts = [[0; limits::SALT_BYTES]; 3];
    for salt in &mut salts {
        node.ambient.rand.fill(salt);
    }
    let iterations = node.settings.scram_iterations;
    let (tell, told) = oneshot::channel();
    let job = move || {
        let keys: Result<Vec<ScramKeys>, DeriveError> = hashes
            .into_iter()
            .zip(salts)
            .map(|(hash, salt)| ScramKeys::derive(hash, &password, &salt, iterations))
            .collect();
        let _gone = tell.send(keys);
    };
    node.placement.run_aside(Box::new(job));
    let keys = told.await.map_err(|_| UserError::GivenUp)??;
    Ok(codec::encode(CREDENTIALS_VERSION, &keys)?.into())
}
