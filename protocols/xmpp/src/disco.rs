//! XEP-0030: Service Discovery, requests, and what an entity says of itself. Not for what is
//! announced.

use pollux_xml::{Element, Text};

use crate::ns;
use crate::stanza::{IqType, Stanza, StanzaKind};

/// One thing that an entity is (section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub category: Text,
    pub kind: Text,
    pub name: Option<Text>,
}

/// What an entity is and can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscoInfo {
    pub disco_node: Option<Text>,
    pub identities: Vec<Identity>,
    pub features: Vec<Text>,
    /// Forms that extend it (XEP-0128).
    pub forms: Vec<Element>,
}

/// The disco node that is asked for, if any; none where the stanza is another request.
pub fn info_request(stanza: &Stanza) -> Option<Option<Text>> {
    if stanza.kind != StanzaKind::Iq(IqType::Get) {
        return None;
    }
    stanza
        .find(ns::DISCO_INFO, "query")
        .map(|query| query.attribute_text("node"))
}

/// The same, where it is asked what it has (section 4).
pub fn items_request(stanza: &Stanza) -> Option<Option<Text>> {
    if stanza.kind != StanzaKind::Iq(IqType::Get) {
        return None;
    }
    stanza
        .find(ns::DISCO_ITEMS, "query")
        .map(|query| query.attribute_text("node"))
}

impl DiscoInfo {
    pub fn to_element(&self) -> Element {
        let identities = self.identities.iter().map(|identity| {
            Element::new(ns::DISCO_INFO, "identity")
                .attr("category", &identity.category)
                .attr("type", &identity.kind)
                .attr_opt("name", identity.name.as_ref())
        });
        let features = self
            .features
            .iter()
            .map(|name| Element::new(ns::DISCO_INFO, "feature").attr("var", name));
        Element::new(ns::DISCO_INFO, "query")
            .attr_opt("node", self.disco_node.as_ref())
            .children(identities)
            .children(features)
            .children(self.forms.iter().cloned())
    }

    pub fn from_element(element: &Element) -> Option<DiscoInfo> {
        if !element.is(ns::DISCO_INFO, "query") {
            return None;
        }
        let mut info = DiscoInfo {
            disco_node: element.attribute_text("node"),
            ..DiscoInfo::default()
        };
        for child in element.elements() {
            match (child.namespace(), child.name()) {
                (ns::DISCO_INFO, "identity") => info.identities.push(Identity {
                    category: child.attribute_text("category")?,
                    kind: child.attribute_text("type")?,
                    name: child.attribute_text("name"),
                }),
                (ns::DISCO_INFO, "feature") => info.features.push(child.attribute_text("var")?),
                _ => info.forms.push(child.clone()),
            }
        }
        Some(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let info = DiscoInfo {
            disco_node: Some("n".into()),
            identities: vec![Identity {
                category: "server".into(),
                kind: "im".into(),
                name: Some("Pollux".into()),
            }],
            features: vec![ns::DISCO_INFO.into(), ns::PING.into()],
            forms: vec![Element::new("jabber:x:data", "x")],
        };
        assert_eq!(DiscoInfo::from_element(&info.to_element()), Some(info));
        let request = Stanza::new(IqType::Get)
            .payload(Element::new(ns::DISCO_INFO, "query").attr("node", "n"));
        assert_eq!(info_request(&request), Some(Some("n".into())));
        assert_eq!(info_request(&Stanza::new(IqType::Set)), None);
        assert_eq!(items_request(&request), None);
        let request = Stanza::new(IqType::Get).payload(Element::new(ns::DISCO_ITEMS, "query"));
        assert_eq!(items_request(&request), Some(None));
    }
}
