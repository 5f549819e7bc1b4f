//! A few attempts of a stranger to prove who it is, in either profile of SASL. Not for how it is
//! proved (see `mechanisms`), nor for what the stream is then (see `inline`, `bind`).

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_xml::Element;
use pollux_xmpp::sasl::{SaslCondition, SaslElement, SaslFailure};
use pollux_xmpp::stream_error::{StreamCondition, StreamError};

use super::guesses::note_succeeded;
use super::inline::Asked;
use super::mechanisms::{Offered, exchange};
use super::profile::{self, Means, Profile, Request, Said};
use super::register::Registrar;
use super::upgrade::upgrade;
use super::wire::{Broken, Wire};

/// Who has signed in, and how the stream goes on.
#[derive(Debug)]
pub struct SignedIn {
    pub user: BareJid,
    /// What the client waits for. None: it begins the stream afresh (RFC 6120 section 6.4.6).
    pub asked: Option<Asked>,
}

/// A few attempts, then the stream ends (RFC 6120 section 6.4.5).
pub async fn authenticate(
    wire: &mut Wire,
    mut element: Element,
    offered: &Offered,
    registrar: &mut Registrar,
) -> Result<SignedIn, Broken> {
    let address = registrar.address();
    for _attempt in 0..limits::SIGN_IN_ATTEMPTS_MAX {
        // RFC 6120 section 4.9.3.12: nothing else before authentication.
        let Some((profile, said)) = profile::heard(&element) else {
            return Err(StreamCondition::NotAuthorized.into());
        };
        let failure = match said {
            Ok(Said::Begin(request)) => {
                match attempt(wire, profile, *request, offered, address).await? {
                    Ok(signed_in) => return Ok(signed_in),
                    Err(failure) => failure,
                }
            }
            Ok(Said::Abort) => SaslCondition::Aborted.into(),
            Ok(Said::Response(_)) => SaslCondition::MalformedRequest.into(),
            Err(failure) => failure,
        };
        wire.node
            .metrics
            .sign_in_failures
            .fetch_add(1, Ordering::Relaxed);
        wire.send(&profile.failure(failure)).await?;
        element = registrar.element(wire, offered).await?;
    }
    let error = StreamError::new(StreamCondition::PolicyViolation);
    Err(error
        .with_text("too many failed attempts to sign in")
        .into())
}

async fn attempt(
    wire: &mut Wire,
    profile: Profile,
    mut request: Request,
    offered: &Offered,
    address: IpAddr,
) -> Result<Result<SignedIn, SaslFailure>, Broken> {
    if let Err(failure) = check_offered(profile, request.means, offered) {
        return Ok(Err(failure));
    }
    let mut proved = match exchange(wire, profile, &mut request, offered, address).await? {
        Ok(proved) => proved,
        Err(failure) => return Ok(Err(failure)),
    };
    // RFC 6120 section 6.5.2. Nobody else hears of it: who has proved nothing is told the same of
    // every account.
    let node = &wire.node;
    if node
        .configuration
        .read(|state| state.is_disabled(&proved.user))
    {
        let failure = SaslFailure::new(SaslCondition::AccountDisabled);
        return Ok(Err(failure.with_text("the account is disabled")));
    }
    note_succeeded(&wire.node, &proved.user, address);
    if let Some(authenticate) = &request.authenticate
        && let Err(failure) = upgrade(wire, &mut proved, authenticate, offered).await?
    {
        return Ok(Err(failure));
    }
    wire.node.metrics.sign_ins.fetch_add(1, Ordering::Relaxed);
    let user = proved.user.clone();
    let asked = match request.authenticate {
        // Its success says what came of what was asked for: by whoever serves the user.
        Some(authenticate) => Some(Asked::new(wire, proved, &authenticate, offered)),
        None => {
            wire.send(&SaslElement::Success(proved.last).to_element())
                .await?;
            None
        }
    };
    Ok(Ok(SignedIn { user, asked }))
}

/// Nothing is offered where it is not encrypted and would have to be.
fn check_offered(profile: Profile, means: Means, offered: &Offered) -> Result<(), SaslFailure> {
    if offered.offer.mechanisms.is_empty() || profile == Profile::Sasl2 && !offered.sasl2 {
        return Err(SaslCondition::EncryptionRequired.into());
    }
    let is_offered = match means {
        Means::Mechanism(mechanism) => offered.offer.mechanisms.contains(&mechanism),
        Means::Token(binding) => offered.tokens.contains(&binding),
    };
    match is_offered {
        true => Ok(()),
        false => Err(SaslCondition::InvalidMechanism.into()),
    }
}
