//! A stranger makes an account, where that is allowed (XEP-0077 section 3.1): before it signs in,
//! in TLS alone, and as often as its address may. Not for what a name may be: see `registration`.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_xml::Element;
use pollux_xmpp::ns;
use pollux_xmpp::registration::{self as wire_form, RegistrationRequest, refusal};
use pollux_xmpp::stanza::{ErrorCondition, Stanza, StanzaError};

use super::mechanisms::Offered;
use super::wire::{Broken, Wire};
use crate::node::Node;
use crate::registration;
use crate::users;

/// For so long a stranger waits for its account.
const PATIENCE: Duration = Duration::from_secs(10);

const INSTRUCTIONS: &str = "Choose a name and a password.";

/// A stream on which accounts may be made.
#[derive(Debug)]
pub struct Registrar {
    address: IpAddr,
    /// It has made one.
    done: bool,
}

impl Registrar {
    pub fn new(address: IpAddr) -> Registrar {
        Registrar {
            address,
            done: false,
        }
    }

    /// From where the stranger comes.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The next element that asks for no account; those that do are answered.
    pub async fn element(&mut self, wire: &mut Wire, offered: &Offered) -> Result<Element, Broken> {
        loop {
            let element = wire.element().await?;
            let Some((stanza, request)) = asked(&element, &wire.node.settings.domain) else {
                return Ok(element);
            };
            let done = match request {
                Ok(request) => self.answer(&wire.node, request, offered).await,
                Err(error) => Err(error),
            };
            if let Some(reply) = wire_form::reply(&stanza, done) {
                wire.send(&reply.to_element()).await?;
            }
        }
    }

    async fn answer(
        &mut self,
        node: &Node,
        request: RegistrationRequest,
        offered: &Offered,
    ) -> Result<Option<Element>, StanzaError> {
        let settings = node.cluster_settings();
        if !settings.registration.is_on() {
            return Err(refusal(
                ErrorCondition::ServiceUnavailable,
                "accounts are not made here",
            ));
        }
        if !offered.encrypted {
            let text = "accounts are made in TLS alone";
            return Err(refusal(ErrorCondition::NotAuthorized, text));
        }
        let (username, secret) = match request {
            RegistrationRequest::Form => return Ok(Some(wire_form::form(INSTRUCTIONS))),
            // Sections 3.2 and 3.3: who has not signed in has no account.
            RegistrationRequest::Remove => {
                return Err(refusal(ErrorCondition::UnexpectedRequest, "sign in first"));
            }
            RegistrationRequest::Set { username, password } => (username, password),
        };
        let no = |text: &'static str| Err(refusal(ErrorCondition::NotAcceptable, text));
        if self.done {
            return no("an account was made on this stream");
        }
        let (Some(username), Some(secret)) = (username, secret) else {
            return no("an account has a name and a password");
        };
        let user = registration::address(&username, &node.settings.domain)?;
        let password = registration::password(&secret, &settings)?;
        // Also where there is such a user already: nobody finds out for long which there are.
        self.take_place(node, settings.registrations_an_hour.most())?;
        let made = users::register(node, &user, password);
        match tokio::time::timeout(PATIENCE, made).await {
            Ok(Ok(())) => {
                tracing::info!(%user, address = %self.address, "account was registered");
                node.metrics.registrations.fetch_add(1, Ordering::Relaxed);
                self.done = true;
                Ok(None)
            }
            Ok(Err(error)) => {
                tracing::debug!(%user, %error, "account was not registered");
                Err(registration::failed(&error))
            }
            Err(_late) => Err(registration::unknown()),
        }
    }

    fn take_place(&self, node: &Node, most: Option<u64>) -> Result<(), StanzaError> {
        let now = node.ambient.clock.now();
        let registrations = node.registrations.lock();
        let mut registrations = registrations.unwrap_or_else(PoisonError::into_inner);
        registrations.take(most, self.address, now).map_err(|left| {
            let refused = &node.metrics.registrations_refused;
            refused.fetch_add(1, Ordering::Relaxed);
            let minutes = left.as_secs().div_ceil(60).max(1);
            let text = format!("too many accounts from this address; the next in {minutes} min");
            refusal(ErrorCondition::ResourceConstraint, text)
        })
    }
}

/// A request for an account of this domain, by one who has none.
fn asked(
    element: &Element,
    domain: &str,
) -> Option<(Stanza, Result<RegistrationRequest, StanzaError>)> {
    if !element.is(ns::CLIENT, "iq") {
        return None;
    }
    let stanza = Stanza::from_element(element.clone()).ok()?;
    let is_here = stanza.to.as_ref().is_none_or(|to| to.as_str() == domain);
    let request = RegistrationRequest::from_stanza(&stanza).filter(|_| is_here)?;
    Some((stanza, request))
}
