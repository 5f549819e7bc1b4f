//! XEP-0388: Extensible SASL Profile, the elements of both directions. Not for what the data say
//! (see [`crate::sasl`]), nor for what is asked inline: that is passed on as it came.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_domain::tokens::TokenBinding;
use pollux_xml::{Element, Text};

use crate::sasl::scram::ScramHash;
use crate::sasl::{Mechanism, SaslCondition, SaslFailure, Secret, Sent, decode};
use crate::{bind2, fast, ns, sm, upgrades};

#[cfg(test)]
mod sasl2_test;

/// One element. Data that are not there and data of zero length are different things (section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sasl2Element {
    Authenticate(Authenticate),
    Challenge(Secret),
    Response(Secret),
    Abort,
    Success(Success),
    Failure(SaslFailure),
    Continue(Continue),
    /// A client begins a task (section 2.6.3), by its name.
    Next(Text),
    /// What either side says in a task.
    TaskData(Vec<Element>),
}

/// A client begins (section 2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// As it is written: it may be one for tokens.
    pub mechanism: Text,
    pub initial: Option<Secret>,
    pub user_agent: Option<UserAgent>,
    /// What else is asked for.
    pub inline: Vec<Element>,
}

/// What the client says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserAgent {
    /// Of its installation, not too long.
    pub id: Option<Text>,
    pub software: Option<Text>,
    pub device: Option<Text>,
}

/// The client is known (section 2.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    pub additional: Option<Secret>,
    /// A bare address, or a full one where a resource was bound.
    pub identity: Jid,
    /// What came of what was asked for.
    pub inline: Vec<Element>,
}

/// The client has proved itself and has something to do before it is known (section 2.6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continue {
    pub additional: Option<Secret>,
    /// It chooses one.
    pub tasks: Vec<Text>,
}

impl Sasl2Element {
    /// None for an element of another namespace, or one that this side does not send; the failure
    /// to answer with where it is malformed.
    pub fn from_element(
        element: &Element,
        sent: Sent,
    ) -> Option<Result<Sasl2Element, SaslFailure>> {
        if element.namespace() != ns::SASL2 {
            return None;
        }
        match (sent, element.name()) {
            (Sent::ByInitiator, "authenticate") => {
                Some(parse_authenticate(element).map(Sasl2Element::Authenticate))
            }
            (Sent::ByInitiator, "response") => Some(data(element).map(Sasl2Element::Response)),
            (Sent::ByInitiator, "abort") => Some(Ok(Sasl2Element::Abort)),
            (Sent::ByInitiator, "next") => Some(parse_next(element).map(Sasl2Element::Next)),
            (_, "task-data") => {
                let data = element.elements().cloned();
                Some(Ok(Sasl2Element::TaskData(data.collect())))
            }
            (Sent::ByReceiver, "continue") => {
                Some(parse_continue(element).map(Sasl2Element::Continue))
            }
            (Sent::ByReceiver, "challenge") => Some(data(element).map(Sasl2Element::Challenge)),
            (Sent::ByReceiver, "success") => {
                Some(parse_success(element).map(Sasl2Element::Success))
            }
            (Sent::ByReceiver, "failure") => Some(Ok(Sasl2Element::Failure(
                SaslFailure::from_element(element),
            ))),
            _ => None,
        }
    }

    pub fn to_element(&self) -> Element {
        match self {
            Sasl2Element::Authenticate(authenticate) => authenticate.to_element(),
            Sasl2Element::Challenge(data) => with_data("challenge", data),
            Sasl2Element::Response(data) => with_data("response", data),
            Sasl2Element::Abort => Element::new(ns::SASL2, "abort"),
            Sasl2Element::Success(success) => success.to_element(),
            Sasl2Element::Failure(failure) => failure.to_element(ns::SASL2),
            Sasl2Element::Continue(next) => next.to_element(),
            Sasl2Element::Next(task) => Element::new(ns::SASL2, "next").attr("task", task),
            Sasl2Element::TaskData(data) => {
                Element::new(ns::SASL2, "task-data").children(data.iter().cloned())
            }
        }
    }
}

impl Authenticate {
    /// The first of what was asked for that has this name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&Element> {
        let mut inline = self.inline.iter();
        inline.find(|element| element.is(namespace, name))
    }

    /// What the client calls its installation.
    pub fn client(&self) -> Option<&str> {
        self.user_agent.as_ref()?.id.as_deref()
    }

    fn to_element(&self) -> Element {
        let authenticate =
            Element::new(ns::SASL2, "authenticate").attr("mechanism", &self.mechanism);
        let initial = self.initial.as_ref();
        let initial = initial.map(|data| with_data("initial-response", data));
        let user_agent = self.user_agent.as_ref().map(UserAgent::to_element);
        authenticate
            .children(initial)
            .children(user_agent)
            .children(self.inline.iter().cloned())
    }
}

impl UserAgent {
    fn to_element(&self) -> Element {
        let part = |name: &'static str, text: &Option<Text>| {
            let text = text.as_ref();
            text.map(|text| Element::new(ns::SASL2, name).text(text))
        };
        Element::new(ns::SASL2, "user-agent")
            .attr_opt("id", self.id.as_ref())
            .children(part("software", &self.software))
            .children(part("device", &self.device))
    }
}

impl Success {
    pub fn to_element(&self) -> Element {
        let additional = self.additional.as_ref();
        let additional = additional.map(|data| with_data("additional-data", data));
        let identity = Element::new(ns::SASL2, "authorization-identifier")
            .text(self.identity.as_str().to_owned());
        Element::new(ns::SASL2, "success")
            .children(additional)
            .child(identity)
            .children(self.inline.iter().cloned())
    }
}

impl Continue {
    fn to_element(&self) -> Element {
        let additional = self.additional.as_ref();
        let additional = additional.map(|data| with_data("additional-data", data));
        let tasks = self.tasks.iter();
        let tasks = tasks.map(|task| Element::new(ns::SASL2, "task").text(task));
        Element::new(ns::SASL2, "continue")
            .children(additional)
            .child(Element::new(ns::SASL2, "tasks").children(tasks))
    }
}

fn parse_continue(element: &Element) -> Result<Continue, SaslFailure> {
    let additional = element.find(ns::SASL2, "additional-data");
    let tasks = element.find(ns::SASL2, "tasks");
    let tasks = tasks.ok_or(SaslFailure::malformed("the tasks are missing"))?;
    let tasks = tasks.elements().filter(|task| task.is(ns::SASL2, "task"));
    Ok(Continue {
        additional: additional.map(data).transpose()?,
        tasks: tasks.map(Element::text_content).collect(),
    })
}

fn parse_next(element: &Element) -> Result<Text, SaslFailure> {
    let task = element.attribute_text("task");
    task.ok_or(SaslFailure::malformed("the task has no name"))
}

fn parse_authenticate(element: &Element) -> Result<Authenticate, SaslFailure> {
    let mechanism = element.attribute_text("mechanism");
    let initial = element.find(ns::SASL2, "initial-response");
    let user_agent = element.find(ns::SASL2, "user-agent");
    Ok(Authenticate {
        mechanism: mechanism.ok_or(SaslCondition::InvalidMechanism)?,
        initial: initial.map(data).transpose()?,
        user_agent: user_agent.map(parse_user_agent).transpose()?,
        inline: others(element),
    })
}

fn parse_user_agent(element: &Element) -> Result<UserAgent, SaslFailure> {
    let part = |name: &str| {
        let part = element.find(ns::SASL2, name)?.text_content();
        Some(part).filter(|text| !text.is_empty())
    };
    let id = element.attribute_text("id");
    let id = id.filter(|id| !id.is_empty());
    if id
        .as_ref()
        .is_some_and(|id| limits::USER_AGENT_ID_BYTES_MAX < id.len())
    {
        return Err(SaslFailure::malformed(
            "the id of the user agent is too long",
        ));
    }
    Ok(UserAgent {
        id,
        software: part("software"),
        device: part("device"),
    })
}

fn parse_success(element: &Element) -> Result<Success, SaslFailure> {
    let additional = element.find(ns::SASL2, "additional-data");
    let identity = element.find(ns::SASL2, "authorization-identifier");
    let identity = identity.and_then(|identity| Jid::parse(identity.text_content().trim()).ok());
    Ok(Success {
        additional: additional.map(data).transpose()?,
        identity: identity.ok_or(SaslFailure::malformed("the identity is missing"))?,
        inline: others(element),
    })
}

/// Children that are not of this specification.
fn others(element: &Element) -> Vec<Element> {
    let others = element.elements();
    let others = others.filter(|child| child.namespace() != ns::SASL2);
    others.cloned().collect()
}

fn with_data(name: &'static str, data: &Secret) -> Element {
    let element = Element::new(ns::SASL2, name);
    match data.is_empty() {
        true => element,
        false => element.text(STANDARD.encode(data.expose())),
    }
}

fn data(element: &Element) -> Result<Secret, SaslFailure> {
    decode(element.text_content().trim())
}

/// The stream feature (section 2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authentication {
    /// Strongest first.
    pub mechanisms: Vec<Mechanism>,
    /// A session may be resumed at once (XEP-0198 section 9.2).
    pub sm: bool,
    /// A resource may be bound at once, with these features of the session (XEP-0386).
    pub bind: Option<Vec<Text>>,
    /// What tokens may be bound to; none where there are no tokens (XEP-0484).
    pub tokens: Vec<TokenBinding>,
    /// For which hashes keys may be added (XEP-0480).
    pub upgrades: Vec<ScramHash>,
}

impl Authentication {
    pub(crate) fn to_element(&self) -> Element {
        let names = self
            .mechanisms
            .iter()
            .map(|mechanism| Element::new(ns::SASL2, "mechanism").text(mechanism.as_str()));
        let mut inline = Element::new(ns::SASL2, "inline");
        if self.sm {
            inline.push(sm::feature());
        }
        if let Some(features) = &self.bind {
            inline.push(bind2::feature(features));
        }
        if !self.tokens.is_empty() {
            inline.push(fast::feature(&self.tokens));
        }
        let inline = Some(inline).filter(|inline| inline.elements().next().is_some());
        Element::new(ns::SASL2, "authentication")
            .children(names)
            .children(inline)
            .children(self.upgrades.iter().copied().map(upgrades::upgrade))
    }

    /// Mechanisms that are not known here are left out.
    pub(crate) fn from_feature(element: &Element) -> Authentication {
        let names = element.elements();
        let names = names.filter(|name| name.is(ns::SASL2, "mechanism"));
        let mut authentication = Authentication {
            mechanisms: names
                .filter_map(|name| Mechanism::from_name(&name.text_content()))
                .collect(),
            upgrades: upgrades::named(element.elements()),
            ..Authentication::default()
        };
        let inline = element.find(ns::SASL2, "inline");
        for feature in inline.into_iter().flat_map(Element::elements) {
            match (feature.namespace(), feature.name()) {
                (ns::SM, "sm") => authentication.sm = true,
                (ns::BIND2, "bind") => authentication.bind = Some(bind2::from_feature(feature)),
                (ns::FAST, "fast") => authentication.tokens = fast::from_feature(feature),
                _ => {}
            }
        }
        authentication
    }
}
