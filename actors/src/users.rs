//! Users come and go, in both groups: credentials in the configuration, everything else in the
//! subcluster. Not for what an account is proved by: see `keys`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_domain::contract::Agreement;
use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_raft::configuration::{Account, Change, ChangeReply, Credentials};
use pollux_raft::group::GroupError;
use pollux_store::codec::CodecError;
use pollux_xmpp::sasl::scram::{DeriveError, read_keys};

use crate::agreement;
use crate::keys;
use crate::node::Node;

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
    #[error("the password was changed meanwhile")]
    Changed,
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
    check_new(node, user)?;
    let credentials = keys::of_password(node, password).await?;
    let account = Account {
        administrator,
        ..Account::new(home, credentials)
    };
    enter(node, user, account).await
}

/// Adds a user with the keys that another server has kept, in the forms of
/// [`pollux_xmpp::sasl::scram::read_keys`].
pub async fn import(node: &Node, user: &BareJid, text: &str) -> Result<(), UserError> {
    check_new(node, user)?;
    let credentials: Credentials = keys::encoded(&read_keys(text)?)?;
    enter(node, user, Account::new(home_for(node), credentials)).await
}

/// Adds a user who has chosen the name and the password.
pub async fn register(node: &Node, user: &BareJid, password: String) -> Result<(), UserError> {
    check_new(node, user)?;
    let credentials = keys::in_turn(node, password).await?;
    enter(node, user, Account::new(home_for(node), credentials)).await
}

/// Gives a user a new password, as the user has asked for.
pub async fn change_password(
    node: &Node,
    user: &BareJid,
    password: String,
) -> Result<(), UserError> {
    let credentials = keys::in_turn(node, password).await?;
    set_credentials(node, user, credentials).await
}

/// Before anything is computed; `apply` has the last word.
fn check_new(node: &Node, user: &BareJid) -> Result<(), UserError> {
    let exists = node
        .configuration
        .read(|state| state.account(user).is_some());
    match exists {
        true => Err(UserError::Exists),
        false => Ok(()),
    }
}

async fn enter(node: &Node, user: &BareJid, account: Account) -> Result<(), UserError> {
    let home = account.home;
    let add = Change::AddUser {
        user: user.clone(),
        account,
    };
    change(node, add).await?;
    adopt(node, user, home).await
}

/// A user belongs to the node that was asked; a witness, and a node that is emptied, ask for the
/// first node of the pair that takes users.
fn home_for(node: &Node) -> NodeId {
    let me = node.settings.node;
    let homes = node.configuration.read(|configuration| {
        configuration
            .topology()
            .taking_nodes(node.settings.subcluster)
    });
    match homes.contains(&me) {
        true => me,
        false => homes.first().copied().unwrap_or(me),
    }
}

/// Gives a user a new password.
pub async fn set_password(node: &Node, user: &BareJid, password: String) -> Result<(), UserError> {
    let credentials = keys::of_password(node, password).await?;
    set_credentials(node, user, credentials).await
}

async fn set_credentials(
    node: &Node,
    user: &BareJid,
    credentials: Credentials,
) -> Result<(), UserError> {
    let set = Change::SetCredentials {
        user: user.clone(),
        credentials,
    };
    change(node, set).await
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

pub(crate) async fn change(node: &Node, change: Change) -> Result<(), UserError> {
    match node.configuration.execute(change).await? {
        ChangeReply::Done => Ok(()),
        ChangeReply::Exists => Err(UserError::Exists),
        ChangeReply::NoSuchUser => Err(UserError::NoSuchUser),
        ChangeReply::TooManyUsers => Err(UserError::TooMany),
        ChangeReply::Stale => Err(UserError::Changed),
        ChangeReply::BadSettings | ChangeReply::Topology(_) | ChangeReply::Administrators(_) => {
            Err(UserError::GivenUp)
        }
    }
}
