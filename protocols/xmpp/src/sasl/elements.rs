//! The elements of a SASL negotiation (RFC 6120 section 6.4). Not for what the data says: that is
//! the mechanism's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;

use super::failure::{SaslCondition, SaslFailure};
use super::mechanism::Mechanism;
use super::secret::Secret;
use crate::ns;

/// Octets of the decoded data of one element: far above any SCRAM message.
const DATA_BYTES_MAX: usize = 4096;

/// One element. Data of zero length and no data at all are different things (RFC 6120 section
/// 6.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslElement {
    Auth {
        mechanism: Mechanism,
        initial: Option<Secret>,
    },
    Challenge(Secret),
    Response(Secret),
    Abort,
    Success(Option<Secret>),
    Failure(SaslFailure),
}

/// Who sent an element, and so which are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    ByInitiator,
    ByReceiver,
}

impl SaslElement {
    /// None for an element of another namespace, or one that this side does not send; the failure
    /// to answer with where it is malformed.
    pub fn from_element(element: &Element, sent: Sent) -> Option<Result<SaslElement, SaslFailure>> {
        if element.namespace() != ns::SASL {
            return None;
        }
        match (sent, element.name()) {
            (Sent::ByInitiator, "auth") => Some(parse_auth(element)),
            (Sent::ByInitiator, "response") => Some(required(element).map(SaslElement::Response)),
            (Sent::ByInitiator, "abort") => Some(Ok(SaslElement::Abort)),
            (Sent::ByReceiver, "challenge") => Some(required(element).map(SaslElement::Challenge)),
            (Sent::ByReceiver, "success") => Some(optional(element).map(SaslElement::Success)),
            (Sent::ByReceiver, "failure") => {
                Some(Ok(SaslElement::Failure(SaslFailure::from_element(element))))
            }
            _ => None,
        }
    }

    pub fn to_element(&self) -> Element {
        match self {
            SaslElement::Auth { mechanism, initial } => {
                let auth = Element::new(ns::SASL, "auth").attr("mechanism", mechanism.as_str());
                with_optional(auth, initial.as_ref())
            }
            // Empty data of a challenge or a response is no data: there is nothing to tell it from.
            SaslElement::Challenge(data) => {
                Element::new(ns::SASL, "challenge").text(STANDARD.encode(data.expose()))
            }
            SaslElement::Response(data) => {
                Element::new(ns::SASL, "response").text(STANDARD.encode(data.expose()))
            }
            SaslElement::Abort => Element::new(ns::SASL, "abort"),
            SaslElement::Success(data) => {
                with_optional(Element::new(ns::SASL, "success"), data.as_ref())
            }
            SaslElement::Failure(failure) => failure.to_element(ns::SASL),
        }
    }
}

fn parse_auth(element: &Element) -> Result<SaslElement, SaslFailure> {
    // RFC 6120 section 6.5.7: none named, or one that is not known.
    let mechanism = element
        .attribute("mechanism")
        .and_then(Mechanism::from_name);
    let mechanism = mechanism.ok_or(SaslCondition::InvalidMechanism)?;
    Ok(SaslElement::Auth {
        mechanism,
        initial: optional(element)?,
    })
}

/// A single equals sign is data of no length (RFC 6120 sections 6.4.2, 6.4.6).
fn with_optional(element: Element, data: Option<&Secret>) -> Element {
    match data {
        None => element,
        Some(data) if data.is_empty() => element.text("="),
        Some(data) => element.text(STANDARD.encode(data.expose())),
    }
}

fn optional(element: &Element) -> Result<Option<Secret>, SaslFailure> {
    let text = element.text_content();
    match text.trim() {
        "" => Ok(None),
        "=" => Ok(Some(Secret::default())),
        text => decode(text).map(Some),
    }
}

fn required(element: &Element) -> Result<Secret, SaslFailure> {
    optional(element).map(Option::unwrap_or_default)
}

/// RFC 6120 section 6.5.5: base 64 as in section 4 of RFC 4648, with its padding and without line
/// feeds.
pub(crate) fn decode(text: &str) -> Result<Secret, SaslFailure> {
    if text.len() > DATA_BYTES_MAX.div_ceil(3) * 4 {
        return Err(SaslFailure::malformed("the data is too long"));
    }
    let octets = STANDARD
        .decode(text)
        .map_err(|_| SaslCondition::IncorrectEncoding)?;
    Ok(Secret::new(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_xml::StreamNamespaces;

    fn parse(input: &str, sent: Sent) -> Option<Result<SaslElement, SaslCondition>> {
        let element = Element::parse(input.as_bytes(), &StreamNamespaces::new(ns::SASL)).unwrap();
        let parsed = SaslElement::from_element(&element, sent)?;
        Some(parsed.map_err(|failure| failure.condition))
    }

    #[test]
    fn written_and_read() {
        let data = |text: &str| Secret::new(text.as_bytes().to_vec());
        let auth = |initial| SaslElement::Auth {
            mechanism: Mechanism::ScramSha1,
            initial,
        };
        let failure = SaslFailure::new(SaslCondition::NotAuthorized).with_text("no");
        for (sent, element, expected) in [
            (
                Sent::ByInitiator,
                auth(None),
                "<auth mechanism='SCRAM-SHA-1'/>",
            ),
            (
                Sent::ByInitiator,
                auth(Some(data(""))),
                "<auth mechanism='SCRAM-SHA-1'>=</auth>",
            ),
            (
                Sent::ByInitiator,
                auth(Some(data("n,,"))),
                "<auth mechanism='SCRAM-SHA-1'>biws</auth>",
            ),
            (
                Sent::ByInitiator,
                SaslElement::Response(data("a")),
                "<response>YQ==</response>",
            ),
            (
                Sent::ByInitiator,
                SaslElement::Response(data("")),
                "<response/>",
            ),
            (Sent::ByInitiator, SaslElement::Abort, "<abort/>"),
            (
                Sent::ByReceiver,
                SaslElement::Challenge(data("ab")),
                "<challenge>YWI=</challenge>",
            ),
            (Sent::ByReceiver, SaslElement::Success(None), "<success/>"),
            (
                Sent::ByReceiver,
                SaslElement::Success(Some(data(""))),
                "<success>=</success>",
            ),
            (
                Sent::ByReceiver,
                SaslElement::Failure(failure),
                "<failure><not-authorized/><text xml:lang='en'>no</text></failure>",
            ),
        ] {
            assert_eq!(element.to_element().to_bytes(ns::SASL), expected);
            assert_eq!(parse(expected, sent), Some(Ok(element)), "{expected}");
        }
    }

    #[test]
    fn refusals() {
        let long = format!("<response>{}</response>", "A".repeat(6000));
        for (input, expected) in [
            ("<auth/>", SaslCondition::InvalidMechanism),
            (
                "<auth mechanism='CRAM-MD5'/>",
                SaslCondition::InvalidMechanism,
            ),
            (
                "<auth mechanism='scram-sha-1'/>",
                SaslCondition::InvalidMechanism,
            ),
            (
                "<auth mechanism='SCRAM-SHA-1'>a</auth>",
                SaslCondition::IncorrectEncoding,
            ),
            (
                "<response>a b=</response>",
                SaslCondition::IncorrectEncoding,
            ),
            ("<response>YQ</response>", SaslCondition::IncorrectEncoding),
            (
                "<response>YR==</response>",
                SaslCondition::IncorrectEncoding,
            ),
            (&long, SaslCondition::MalformedRequest),
        ] {
            assert_eq!(
                parse(input, Sent::ByInitiator),
                Some(Err(expected)),
                "{input:.60}"
            );
        }
        assert_eq!(parse("<success/>", Sent::ByInitiator), None);
        assert_eq!(
            parse("<auth mechanism='SCRAM-SHA-1'/>", Sent::ByReceiver),
            None
        );
        let unknown = parse("<failure><new/></failure>", Sent::ByReceiver);
        assert_eq!(
            unknown,
            Some(Ok(SaslElement::Failure(
                SaslCondition::NotAuthorized.into()
            )))
        );
    }
}
