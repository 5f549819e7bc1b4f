//! The two forms in which a client proves who it is: SASL as RFC 6120 section 6 has it, and as
//! XEP-0388 has it. What is said in them is the same. Not for mechanisms: see `mechanisms`.

use pollux_domain::tokens::TokenBinding;
use pollux_xml::Element;
use pollux_xmpp::fast;
use pollux_xmpp::sasl::{Mechanism, SaslCondition, SaslElement, SaslFailure, Secret, Sent};
use pollux_xmpp::sasl2::{Authenticate, Sasl2Element};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Sasl,
    Sasl2,
}

/// What a client says.
#[derive(Debug)]
pub enum Said {
    Begin(Box<Request>),
    Response(Secret),
    Abort,
}

/// An attempt.
#[derive(Debug)]
pub struct Request {
    pub means: Means,
    pub initial: Option<Secret>,
    /// With all that is asked for besides, in XEP-0388.
    pub authenticate: Option<Authenticate>,
}

/// What somebody is to be proved by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    Mechanism(Mechanism),
    /// In XEP-0388 only (XEP-0484).
    Token(TokenBinding),
}

/// None: no element of either.
pub fn heard(element: &Element) -> Option<(Profile, Result<Said, SaslFailure>)> {
    if let Some(element) = SaslElement::from_element(element, Sent::ByInitiator) {
        return Some((Profile::Sasl, element.and_then(said)));
    }
    let element = Sasl2Element::from_element(element, Sent::ByInitiator)?;
    Some((Profile::Sasl2, element.and_then(said_in_2)))
}

fn said(element: SaslElement) -> Result<Said, SaslFailure> {
    match element {
        SaslElement::Auth { mechanism, initial } => Ok(Said::Begin(Box::new(Request {
            means: Means::Mechanism(mechanism),
            initial,
            authenticate: None,
        }))),
        SaslElement::Response(data) => Ok(Said::Response(data)),
        SaslElement::Abort => Ok(Said::Abort),
        SaslElement::Challenge(_) | SaslElement::Success(_) | SaslElement::Failure(_) => {
            Err(SaslCondition::MalformedRequest.into())
        }
    }
}

fn said_in_2(element: Sasl2Element) -> Result<Said, SaslFailure> {
    match element {
        Sasl2Element::Authenticate(mut authenticate) => {
            let name = authenticate.mechanism.as_str();
            let mechanism = Mechanism::from_name(name).map(Means::Mechanism);
            let token = || fast::from_mechanism(name).map(Means::Token);
            Ok(Said::Begin(Box::new(Request {
                // RFC 6120 section 6.5.7.
                means: mechanism
                    .or_else(token)
                    .ok_or(SaslCondition::InvalidMechanism)?,
                initial: authenticate.initial.take(),
                authenticate: Some(authenticate),
            })))
        }
        Sasl2Element::Response(data) => Ok(Said::Response(data)),
        Sasl2Element::Abort => Ok(Said::Abort),
        Sasl2Element::Challenge(_)
        | Sasl2Element::Success(_)
        | Sasl2Element::Failure(_)
        | Sasl2Element::Continue(_)
        // No task is due: see `upgrade`, where one is.
        | Sasl2Element::Next(_)
        | Sasl2Element::TaskData(_) => Err(SaslCondition::MalformedRequest.into()),
    }
}

impl Profile {
    pub fn challenge(self, data: Secret) -> Element {
        match self {
            Profile::Sasl => SaslElement::Challenge(data).to_element(),
            Profile::Sasl2 => Sasl2Element::Challenge(data).to_element(),
        }
    }

    pub fn failure(self, failure: SaslFailure) -> Element {
        match self {
            Profile::Sasl => SaslElement::Failure(failure).to_element(),
            Profile::Sasl2 => Sasl2Element::Failure(failure).to_element(),
        }
    }
}
