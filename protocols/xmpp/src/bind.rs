//! Resource binding (RFC 6120 section 7). Not for choosing a resource.

use pollux_domain::jid::Jid;
use pollux_xml::{Element, Text};

use crate::ns;
use crate::stanza::{ErrorCondition, IqType, Stanza, StanzaError, StanzaKind};

/// A client's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindRequest {
    /// What the client would like to be called; without it the server chooses (RFC 6120 sections
    /// 7.6, 7.7).
    pub resource: Option<Text>,
}

impl BindRequest {
    /// None for another request.
    pub fn from_stanza(stanza: &Stanza) -> Option<Result<BindRequest, StanzaError>> {
        let bind = stanza.find(ns::BIND, "bind")?;
        if stanza.kind != StanzaKind::Iq(IqType::Set) {
            return Some(Err(ErrorCondition::BadRequest.into()));
        }
        let resource = bind
            .find(ns::BIND, "resource")
            .map(|element| element.text_content());
        Some(Ok(BindRequest {
            resource: resource.filter(|text| !text.is_empty()),
        }))
    }

    pub fn to_element(&self) -> Element {
        let bind = Element::new(ns::BIND, "bind");
        match &self.resource {
            Some(resource) => bind.child(Element::new(ns::BIND, "resource").text(resource)),
            None => bind,
        }
    }
}

/// The payload of the answer: the full address (RFC 6120 section 7.6.1).
pub fn bound(jid: &Jid) -> Element {
    let jid = Element::new(ns::BIND, "jid").text(jid.as_str().to_owned());
    Element::new(ns::BIND, "bind").child(jid)
}

/// The address that a server gave.
pub fn bound_jid(stanza: &Stanza) -> Option<Jid> {
    let jid = stanza.find(ns::BIND, "bind")?.find(ns::BIND, "jid")?;
    Jid::parse(&jid.text_content()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_and_answer() {
        for resource in [None, Some(Text::from("balcony"))] {
            let request = BindRequest { resource };
            let stanza = Stanza::new(IqType::Set)
                .id("1")
                .payload(request.to_element());
            assert_eq!(BindRequest::from_stanza(&stanza), Some(Ok(request)));
            let jid = Jid::parse("juliet@example.com/balcony").unwrap();
            let answer = stanza.result(Some(bound(&jid))).unwrap();
            assert_eq!(bound_jid(&answer), Some(jid));
        }
        let get = Stanza::new(IqType::Get).payload(Element::new(ns::BIND, "bind"));
        assert!(matches!(BindRequest::from_stanza(&get), Some(Err(_))));
        assert_eq!(BindRequest::from_stanza(&Stanza::new(IqType::Get)), None);
    }
}
