//! What each mechanism asks of a client until it is known who it is, in either profile: the same
//! steps and work for somebody who does not exist. Not for what follows from it: see
//! `authenticate`.

use std::net::IpAddr;

use pollux_domain::jid::BareJid;
use pollux_domain::tokens::TokenBinding;
use pollux_xmpp::fast::{self, Fast, TokenProof};
use pollux_xmpp::ns;
use pollux_xmpp::sasl::scram::{ClientFirst, ScramHash, ScramKeys};
use pollux_xmpp::sasl::{
    Mechanism, Offer, PlainAuth, SaslCondition, SaslFailure, Secret, chosen_address,
};
use pollux_xmpp::sasl2::Authenticate;
use pollux_xmpp::stream_error::StreamCondition;

use super::guesses::{locked_out, note_failed};
use super::profile::{self, Means, Profile, Request, Said};
use super::wire::{Broken, Wire};
use crate::keys;
use crate::node::{Node, hex};
use crate::tokens::{self, Question, Verdict};
use crate::users;

/// What a stream offers, to whom.
#[derive(Debug)]
pub struct Offered {
    pub offer: Offer,
    /// By XEP-0388, too.
    pub sasl2: bool,
    /// Nobody else reads the stream.
    pub encrypted: bool,
    /// What tokens may be bound to; none where they are off.
    pub tokens: Vec<TokenBinding>,
    /// For which hashes keys may be added (XEP-0480).
    pub upgrades: Vec<ScramHash>,
    /// Accounts here that the certificate of the client names.
    pub named: Vec<BareJid>,
}

/// An account that may be tried.
#[derive(Debug)]
struct Account {
    user: BareJid,
    password_version: u64,
}

/// Who somebody has proved to be.
#[derive(Debug)]
pub struct Proved {
    pub user: BareJid,
    /// As of which password.
    pub password_version: u64,
    /// Sent with the success.
    pub last: Option<Secret>,
    /// The token that it was proved by is due for another.
    pub renew: Option<TokenBinding>,
    /// The client knows the password.
    pub by_password: bool,
}

impl Account {
    fn proved_by_password(self, last: Option<Secret>) -> Proved {
        Proved {
            by_password: true,
            last,
            ..self.proved()
        }
    }

    fn proved(self) -> Proved {
        Proved {
            user: self.user,
            password_version: self.password_version,
            last: None,
            renew: None,
            by_password: false,
        }
    }
}

/// One attempt by means that were offered.
pub async fn exchange(
    wire: &mut Wire,
    profile: Profile,
    request: &mut Request,
    offered: &Offered,
    address: IpAddr,
) -> Result<Result<Proved, SaslFailure>, Broken> {
    let first = match request.initial.take() {
        Some(first) => first,
        None => match response(wire, profile, Secret::default()).await? {
            Ok(first) => first,
            Err(failure) => return Ok(Err(failure)),
        },
    };
    let mechanism = match (request.means, &request.authenticate) {
        (Means::Mechanism(mechanism), _) => mechanism,
        (Means::Token(binding), Some(authenticate)) => {
            return Ok(token(wire, binding, &first, authenticate, offered, address).await);
        }
        (Means::Token(_), None) => return Ok(Err(SaslCondition::InvalidMechanism.into())),
    };
    Ok(match mechanism.hash() {
        Some(hash) => {
            let first = ClientFirst::parse(first.expose(), mechanism, &offered.offer);
            let first =
                first.inspect_err(|failure| note_unbound(mechanism, &offered.offer, failure));
            match first {
                Ok(first) => scram(wire, profile, first, hash, address).await?,
                Err(failure) => Err(failure),
            }
        }
        None if mechanism == Mechanism::External => {
            external(wire, profile, &first, offered, address).await
        }
        None => plain(wire, profile, &first, address).await,
    })
}

/// SCRAM (RFC 5802).
async fn scram(
    wire: &mut Wire,
    profile: Profile,
    first: ClientFirst,
    hash: ScramHash,
    address: IpAddr,
) -> Result<Result<Proved, SaslFailure>, Broken> {
    let node = wire.node.clone();
    let challenge = async {
        let account = account(&node, first.username(), address).await?;
        may_act_as(wire, profile, first.authzid(), &account.user)?;
        let keys = keys_of(&node, &account.user, hash)?;
        let nonce = hex(&node.ambient.rand.token());
        let challenge = first.challenge(keys, &account.user, &nonce)?;
        Ok((account, challenge))
    };
    let (account, challenge) = match challenge.await {
        Ok(challenge) => challenge,
        Err(failure) => return Ok(Err(failure)),
    };
    let message = Secret::new(challenge.message().as_bytes().to_vec());
    let proof = match response(wire, profile, message).await? {
        Ok(proof) => proof,
        Err(failure) => return Ok(Err(failure)),
    };
    let proved = challenge.verify(proof.expose());
    let proved = proved.inspect_err(|_| note_failed(&node, &account.user, address));
    Ok(proved.map(|proved| {
        let last = Secret::new(proved.message.into_bytes());
        account.proved_by_password(Some(last))
    }))
}

/// PLAIN (RFC 4616): the password is hashed as it was for the account, aside, one after the other.
async fn plain(
    wire: &Wire,
    profile: Profile,
    message: &Secret,
    address: IpAddr,
) -> Result<Proved, SaslFailure> {
    let node = &wire.node;
    let auth = PlainAuth::parse(message.expose())?;
    let account = account(node, &auth.username, address).await?;
    may_act_as(wire, profile, auth.authzid.as_deref(), &account.user)?;
    let hash = keys::compared(node, &account.user);
    let keys = keys_of(node, &account.user, hash)?;
    match keys::has_password(node, keys, auth.password).await {
        Some(true) => Ok(account.proved_by_password(None)),
        Some(false) => {
            note_failed(node, &account.user, address);
            Err(SaslCondition::NotAuthorized.into())
        }
        None => Err(SaslCondition::TemporaryAuthFailure.into()),
    }
}

/// EXTERNAL (XEP-0178): TLS has proved it; the client says which of its addresses it means.
async fn external(
    wire: &Wire,
    profile: Profile,
    message: &Secret,
    offered: &Offered,
    address: IpAddr,
) -> Result<Proved, SaslFailure> {
    let user = chosen_address(message.expose(), &offered.named)?;
    let authzid = std::str::from_utf8(message.expose()).ok();
    let authzid = authzid.filter(|authzid| !authzid.is_empty());
    may_act_as(wire, profile, authzid, &user)?;
    let account = account_of(&wire.node, user, address).await?;
    match wire
        .node
        .configuration
        .read(|state| state.account(&account.user).is_some())
    {
        true => Ok(account.proved()),
        false => Err(SaslCondition::NotAuthorized.into()),
    }
}

/// A token of XEP-0484.
async fn token(
    wire: &Wire,
    binding: TokenBinding,
    message: &Secret,
    authenticate: &Authenticate,
    offered: &Offered,
    address: IpAddr,
) -> Result<Proved, SaslFailure> {
    let node = &wire.node;
    let malformed =
        |text: &'static str| SaslFailure::new(SaslCondition::MalformedRequest).with_text(text);
    let said = authenticate
        .find(ns::FAST, "fast")
        .and_then(Fast::from_element);
    let said = said.ok_or_else(|| malformed("a token comes with `fast`"))??;
    let client = authenticate.client();
    let client = client.ok_or_else(|| malformed("a token comes with the id of the user agent"))?;
    let proof = TokenProof::parse(message.expose())?;
    let account = account(node, &proof.username, address).await?;
    let channel = fast::channel_binding(binding).and_then(|of| offered.offer.binding(of));
    let question = Question {
        user: account.user.clone(),
        client: client.to_owned(),
        binding,
        hashed: proof.hashed,
        channel: channel.cloned().unwrap_or_default(),
        count: said.count,
        invalidate: said.invalidate,
    };
    match tokens::judge(node, question).await {
        Verdict::Proved {
            answer,
            password_version,
            is_due,
        } => Ok(Proved {
            user: account.user,
            password_version,
            last: Some(answer),
            renew: (is_due && !said.invalidate).then_some(binding),
            by_password: false,
        }),
        Verdict::Expired => Err(SaslCondition::CredentialsExpired.into()),
        Verdict::Wrong => {
            note_failed(node, &account.user, address);
            Err(SaslCondition::NotAuthorized.into())
        }
        Verdict::Unavailable => Err(SaslCondition::TemporaryAuthFailure.into()),
    }
}

/// Nobody acts as another (RFC 6120 sections 6.3.8, 6.5.6), and a stream is not for two (XEP-0388
/// section 2.3: what it says of its client, where it says so of somebody).
fn may_act_as(
    wire: &Wire,
    profile: Profile,
    authzid: Option<&str>,
    user: &BareJid,
) -> Result<(), SaslFailure> {
    let Some(authzid) = authzid else {
        return Ok(());
    };
    let claimed = wire.claimed.as_ref();
    let claimed = claimed.filter(|_| profile == Profile::Sasl2);
    match BareJid::parse(authzid).as_ref() == Ok(user) && claimed.is_none_or(|jid| jid == user) {
        true => Ok(()),
        false => Err(SaslCondition::InvalidAuthzid.into()),
    }
}

/// The account that a prepared name stands for, existing or not, where it may be tried.
async fn account(node: &Node, username: &str, address: IpAddr) -> Result<Account, SaslFailure> {
    let user = BareJid::from_parts(Some(username), &node.settings.domain);
    let user = user.map_err(|_| SaslCondition::NotAuthorized)?;
    account_of(node, user, address).await
}

async fn account_of(node: &Node, user: BareJid, address: IpAddr) -> Result<Account, SaslFailure> {
    if let Some(failure) = locked_out(node, &user, address) {
        return Err(failure);
    }
    if !users::is_judged(node, &user).await {
        return Err(SaslCondition::TemporaryAuthFailure.into());
    }
    let password_version = node.configuration.read(|state| {
        let account = state.account(&user);
        account.map_or(0, |account| account.password_version)
    });
    Ok(Account {
        user,
        password_version,
    })
}

fn keys_of(node: &Node, user: &BareJid, hash: ScramHash) -> Result<ScramKeys, SaslFailure> {
    let keys = keys::of_user(node, user, hash);
    keys.map_err(|_| SaslCondition::TemporaryAuthFailure.into())
}

fn note_unbound(mechanism: Mechanism, offer: &Offer, failure: &SaslFailure) {
    if !offer.bindings.is_empty() {
        let (why, advice) = (
            failure.text.as_deref(),
            "a client that cannot bind to TLS 1.3 \
             and believes that it can is let in by \
             `pollux ctl settings set sign-in.channel-binding=off`",
        );
        tracing::info!(%mechanism, why, advice, "first message of SASL was refused");
    }
}

/// Sends a challenge and takes the response.
async fn response(
    wire: &mut Wire,
    profile: Profile,
    challenge: Secret,
) -> Result<Result<Secret, SaslFailure>, Broken> {
    wire.send(&profile.challenge(challenge)).await?;
    let element = match profile {
        Profile::Sasl => wire.element().await?,
        Profile::Sasl2 => wire.element_at_once().await?,
    };
    let said = match profile::heard(&element) {
        Some((same, said)) if same == profile => said,
        _ => return Err(StreamCondition::NotAuthorized.into()),
    };
    Ok(match said {
        Ok(Said::Response(data)) => Ok(data),
        Ok(Said::Abort) => Err(SaslCondition::Aborted.into()),
        // XEP-0388 section 2.4: anything else ends the stream.
        Ok(Said::Begin(_)) if profile == Profile::Sasl2 => {
            return Err(StreamCondition::NotAuthorized.into());
        }
        Ok(Said::Begin(_)) => Err(SaslCondition::MalformedRequest.into()),
        Err(failure) => Err(failure),
    })
}
