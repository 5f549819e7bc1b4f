//! XEP-0049: Private XML Storage, requests with their checks and results. Not for keeping it, nor
//! for whose it is.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use pollux_domain::document::PrivateName;
use pollux_domain::limits;
use pollux_xml::{Element, StreamNamespaces, Text};

use crate::ns;
use crate::stanza::{ErrorCondition, IqType, Stanza, StanzaError, StanzaKind};

/// What a client asks for (section 2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateRequest {
    Get(PrivateName),
    /// All elements of one name in one namespace, one after the other, as octets.
    Set(BTreeMap<PrivateName, Bytes>),
}

impl PrivateRequest {
    /// None for another request.
    pub fn from_stanza(stanza: &Stanza) -> Option<Result<PrivateRequest, StanzaError>> {
        let query = stanza.find(ns::PRIVATE, "query")?;
        match stanza.kind {
            StanzaKind::Iq(IqType::Get) => Some(parse_get(query)),
            StanzaKind::Iq(IqType::Set) => Some(parse_set(query)),
            _ => None,
        }
    }
}

/// Whether somebody's private data is asked for, or to be changed, however badly.
pub fn is_request(stanza: &Stanza) -> bool {
    PrivateRequest::from_stanza(stanza).is_some()
}

/// "A client MUST NOT query for more than one namespace in a single IQ get request."
fn parse_get(query: &Element) -> Result<PrivateRequest, StanzaError> {
    let mut children = query.elements();
    match (children.next(), children.next()) {
        // "Bad Format", which RFC 6120 calls `bad-request`.
        (None, _) => Err(error(
            ErrorCondition::BadRequest,
            "a get names the element that it asks for",
        )),
        (Some(child), None) => Ok(PrivateRequest::Get(name(child)?)),
        (Some(_), Some(_)) => Err(not_acceptable("a get asks for one element")),
    }
}

/// "At least one child element with a proper namespace MUST be included; otherwise the server MUST
/// respond with a "Not Acceptable" error". Reserved namespaces are not refused, which is OPTIONAL
/// and would take from old clients what they keep there.
fn parse_set(query: &Element) -> Result<PrivateRequest, StanzaError> {
    let mut documents: BTreeMap<PrivateName, BytesMut> = BTreeMap::new();
    for child in query.elements() {
        let document = documents.entry(name(child)?).or_default();
        document.extend_from_slice(&child.to_bytes(ns::PRIVATE));
    }
    if documents.is_empty() {
        return Err(not_acceptable("a set has the element that it sets"));
    }
    let documents = documents.into_iter();
    let documents = documents.map(|(name, octets)| (name, octets.freeze()));
    Ok(PrivateRequest::Set(documents.collect()))
}

fn name(child: &Element) -> Result<PrivateName, StanzaError> {
    let name = PrivateName {
        namespace: child.namespace().to_owned(),
        element: child.name().to_owned(),
    };
    if name.namespace.is_empty() || name.namespace == ns::PRIVATE {
        return Err(not_acceptable("private data has a namespace of its own"));
    }
    if limits::PRIVATE_NAME_BYTES_MAX < name.weight() {
        return Err(not_acceptable("the name of the private data is too long"));
    }
    Ok(name)
}

fn not_acceptable(why: &'static str) -> StanzaError {
    error(ErrorCondition::NotAcceptable, why)
}

fn error(condition: ErrorCondition, why: &'static str) -> StanzaError {
    StanzaError::new(condition).with_text(why)
}

/// The payload of a result: what was set, or the element as it was asked for where nothing was.
/// None: what was kept cannot be read.
pub fn result(name: &PrivateName, kept: Option<&[u8]>) -> Option<Element> {
    let query = Element::new(ns::PRIVATE, "query");
    let Some(kept) = kept else {
        let empty = Element::new(
            Text::from(name.namespace.clone()),
            Text::from(name.element.clone()),
        );
        return Some(query.child(empty));
    };
    let mut whole = BytesMut::from(&b"<query>"[..]);
    whole.extend_from_slice(kept);
    whole.extend_from_slice(b"</query>");
    let parsed = Element::parse(&whole, &StreamNamespaces::new(ns::PRIVATE)).ok()?;
    Some(query.children(parsed.into_elements()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Element {
        Element::parse(query.as_bytes(), &StreamNamespaces::new(ns::PRIVATE)).unwrap()
    }

    fn request(kind: IqType, query: &str) -> Result<PrivateRequest, ErrorCondition> {
        let stanza = Stanza::new(kind).id("1").payload(parse(query));
        let request = PrivateRequest::from_stanza(&stanza).unwrap();
        request.map_err(|error| error.condition)
    }

    fn named(namespace: &str, element: &str) -> PrivateName {
        PrivateName {
            namespace: namespace.to_owned(),
            element: element.to_owned(),
        }
    }

    #[test]
    fn what_is_set_comes_back_as_it_was() {
        let set = request(
            IqType::Set,
            "<query><exodus xmlns='exodus:prefs' a='&lt;'><n>Hamlet</n></exodus>\
             <list xmlns='x'>1</list><list xmlns='x'>2</list><other xmlns='x'/></query>",
        );
        let Ok(PrivateRequest::Set(documents)) = set else {
            panic!("{set:?}");
        };
        let names: Vec<&PrivateName> = documents.keys().collect();
        let prefs = named("exodus:prefs", "exodus");
        assert_eq!(names, [&prefs, &named("x", "list"), &named("x", "other")]);
        for (name, expected) in [
            (
                &prefs,
                "<query><exodus xmlns='exodus:prefs' a='&lt;'><n>Hamlet</n></exodus></query>",
            ),
            (
                &named("x", "list"),
                "<query><list xmlns='x'>1</list><list xmlns='x'>2</list></query>",
            ),
        ] {
            let found = result(name, Some(&documents[name])).unwrap();
            assert_eq!(found, parse(expected));
        }
    }

    #[test]
    fn what_was_never_set_is_empty() {
        let name = named("exodus:prefs", "exodus");
        let empty = result(&name, None).unwrap();
        assert_eq!(
            empty,
            parse("<query><exodus xmlns='exodus:prefs'/></query>")
        );
        let asked = request(IqType::Get, "<query><exodus xmlns='exodus:prefs'/></query>");
        assert_eq!(asked, Ok(PrivateRequest::Get(name)));
        assert_eq!(result(&named("x", "y"), Some(b"<y")), None);
    }

    #[test]
    fn violations_of_sections_2_3_and_3() {
        let long = "x".repeat(limits::PRIVATE_NAME_BYTES_MAX);
        for (kind, query, expected) in [
            (
                IqType::Get,
                "<query/>".to_owned(),
                ErrorCondition::BadRequest,
            ),
            (
                IqType::Get,
                "<query><a xmlns='x'/><b xmlns='y'/></query>".to_owned(),
                ErrorCondition::NotAcceptable,
            ),
            (
                IqType::Get,
                "<query><a/></query>".to_owned(),
                ErrorCondition::NotAcceptable,
            ),
            (
                IqType::Set,
                "<query/>".to_owned(),
                ErrorCondition::NotAcceptable,
            ),
            (
                IqType::Set,
                "<query>text</query>".to_owned(),
                ErrorCondition::NotAcceptable,
            ),
            (
                IqType::Set,
                "<query><a xmlns='x'/><b/></query>".to_owned(),
                ErrorCondition::NotAcceptable,
            ),
            (
                IqType::Set,
                format!("<query><a xmlns='{long}'/></query>"),
                ErrorCondition::NotAcceptable,
            ),
        ] {
            assert_eq!(request(kind, &query), Err(expected), "{query}");
        }
    }
}
