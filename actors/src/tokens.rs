//! Tokens by which clients sign in (XEP-0484). Their numbers are kept in the database of the user's
//! subcluster, what they are derived from in the configuration (decision 0038); a client that comes
//! to a node of another subcluster is judged by one of its user's.

use std::sync::Arc;
use std::time::Duration;

use pollux_domain::contract::{Command, Refusal, Reply};
use pollux_domain::ids::{GroupId, NodeId, SubclusterId, WallMs};
use pollux_domain::jid::BareJid;
use pollux_domain::tokens::{Token, TokenAct, TokenBinding};
use pollux_links::peers::Subject;
use pollux_xmpp::fast::{self, GivenToken};
use pollux_xmpp::sasl::Secret;
use serde::{Deserialize, Serialize};

use crate::agreement;
use crate::desks::Questions;
use crate::node::Node;
use crate::serving::{elsewhere, home_of};

const QUESTIONS: Questions<Question, Verdict> = Questions::new(Subject::Token, 1);
/// For so long a client waits for the groups that know of tokens; then it is told to try again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether somebody has a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    pub user: BareJid,
    /// What the client calls its installation.
    pub client: String,
    pub binding: TokenBinding,
    /// What it has sent.
    pub hashed: Secret,
    /// The data of what that is bound to.
    pub channel: Secret,
    pub count: Option<u64>,
    pub invalidate: bool,
}

/// See [`judge`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Proved {
        /// By which the client sees that the server has the token, too.
        answer: Secret,
        password_version: u64,
        /// It should be given another one.
        is_due: bool,
    },
    /// It has one that is good no more.
    Expired,
    Wrong,
    /// Nobody can tell at the moment.
    Unavailable,
}

/// Whether the client has a token of this user's, and may use it now: committed where it may.
pub async fn judge(node: &Node, question: Question) -> Verdict {
    let there = home_of(node, &question.user).and_then(|home| {
        let there = elsewhere(node, home)?;
        let subcluster = node
            .configuration
            .read(|configuration| Some(configuration.topology().node(there)?.subcluster))?;
        Some((there, subcluster))
    });
    let judged = async {
        match there {
            Some((there, subcluster)) => ask(node, there, subcluster, &question).await,
            None => judge_here(node, &question).await,
        }
    };
    let judged = tokio::time::timeout(PATIENCE, judged).await;
    judged.unwrap_or(Verdict::Unavailable)
}

async fn ask(node: &Node, there: NodeId, subcluster: SubclusterId, question: &Question) -> Verdict {
    let group = GroupId::Subcluster(subcluster);
    let asked = QUESTIONS.ask(node, there, group, question).await;
    asked.unwrap_or_else(|error| {
        tracing::debug!(%there, %error, "nobody could be asked for a token");
        Verdict::Unavailable
    })
}

/// What the replicas of this node say of it.
enum Found {
    Good(Token, Secret),
    Expired,
    Nothing,
}

async fn judge_here(node: &Node, question: &Question) -> Verdict {
    let mut found = look(node, question);
    if !matches!(found, Found::Good(..)) {
        // The token, or the password, may be newer than what this node has heard: whoever was told
        // that a token is wrong throws it away.
        let groups = async {
            node.subcluster.catch_up().await?;
            node.configuration.catch_up().await
        };
        if groups.await.is_err() {
            return Verdict::Unavailable;
        }
        found = look(node, question);
    }
    match found {
        Found::Good(token, answer) => take(node, question, &token, answer).await,
        Found::Expired => Verdict::Expired,
        Found::Nothing => Verdict::Wrong,
    }
}

fn look(node: &Node, question: &Question) -> Found {
    let (secret, password_version) = node.configuration.read(|configuration| {
        let account = configuration.account(&question.user);
        let version = account.map(|account| account.password_version);
        (configuration.token_secret().cloned(), version)
    });
    let Some(secret) = secret else {
        return Found::Nothing;
    };
    let (secret, now) = (Secret::new(secret.to_vec()), node.ambient.clock.wall());
    let tokens = node
        .subcluster
        .read(|state| state.tokens(&question.user, &question.client));
    // A token is good for the mechanism alone for which it was given (XEP-0484 section 3.4).
    let tokens = tokens.into_iter();
    for token in tokens.filter(|token| token.binding == question.binding) {
        let text = derived(&secret, &question.user, &question.client, &token);
        // Secrets compare in constant time.
        if fast::initiator_hash(&text, &question.channel) != question.hashed {
            continue;
        }
        if token.is_expired(now) || Some(token.password_version) != password_version {
            return Found::Expired;
        }
        return Found::Good(token, fast::responder_hash(&text, &question.channel));
    }
    Found::Nothing
}

/// `apply` has the last word: the same token may be used elsewhere at this moment.
async fn take(node: &Node, question: &Question, token: &Token, answer: Secret) -> Verdict {
    let (nonce, count) = (token.nonce, question.count);
    let command = Command::Token {
        user: question.user.clone(),
        client: question.client.clone(),
        act: match question.invalidate {
            true => TokenAct::Invalidate { nonce, count },
            false => TokenAct::Use { nonce, count },
        },
    };
    match node.subcluster.execute(command).await {
        Ok(Reply::Done) => Verdict::Proved {
            answer,
            password_version: token.password_version,
            is_due: token.is_due(node.ambient.clock.wall()),
        },
        Ok(Reply::Refused(Refusal::NoSuchToken | Refusal::NoSuchUser)) => Verdict::Wrong,
        _ => Verdict::Unavailable,
    }
}

/// Gives a client another token. None where that is not possible at the moment: it goes on as
/// before.
pub async fn give(
    node: &Node,
    user: &BareJid,
    client: &str,
    binding: TokenBinding,
    password_version: u64,
) -> Option<GivenToken> {
    let settings = node.cluster_settings();
    if !settings.tokens.is_on() {
        return None;
    }
    let secret = secret(node).await?;
    let given = node.ambient.clock.wall();
    let token = Token {
        nonce: node.ambient.rand.token(),
        binding,
        given,
        expires: WallMs(given.0 + settings.token_seconds.0 * 1_000),
        password_version,
    };
    let command = Command::Token {
        user: user.clone(),
        client: client.to_owned(),
        act: TokenAct::Give(token),
    };
    let done = tokio::time::timeout(PATIENCE, node.subcluster.execute(command)).await;
    if !matches!(done, Ok(Ok(Reply::Done))) {
        tracing::debug!(?done, "no token was given");
        return None;
    }
    Some(GivenToken {
        token: derived(&secret, user, client, &token),
        expires_ms: token.expires.0,
    })
}

/// What is known to this cluster alone; made where it is not there yet.
pub async fn secret(node: &Node) -> Option<Secret> {
    let known = || {
        let secret = node
            .configuration
            .read(|configuration| configuration.token_secret().cloned());
        secret.map(|secret| Secret::new(secret.to_vec()))
    };
    if known().is_none() {
        agreement::make_secrets(node).await.ok()?;
    }
    known()
}

fn derived(secret: &Secret, user: &BareJid, client: &str, token: &Token) -> Secret {
    fast::derive(secret, user, client, token.binding, &token.nonce)
}

/// Judges for nodes of other subclusters.
async fn answer(node: Arc<Node>, _from: NodeId, question: Question) -> Result<Verdict, String> {
    let judged = tokio::time::timeout(PATIENCE, judge_here(&node, &question)).await;
    Ok(judged.unwrap_or(Verdict::Unavailable))
}

/// Opens the desk of a node.
pub(crate) fn open(node: &Arc<Node>) {
    QUESTIONS.open(node, node.subcluster.group(), answer);
}
