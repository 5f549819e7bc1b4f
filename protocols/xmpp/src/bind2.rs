//! XEP-0386: Bind 2, a resource bound with the proof of who the client is. Not for what the session
//! is asked to do from its beginning: that is passed on as it came.

use pollux_domain::jid::BareJid;
use pollux_xml::{Element, Text};

use crate::ns;
use crate::sasl::Secret;
use crate::sasl::scram::ScramHash;

/// A client's request (section 3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bind2 {
    /// What people may see of the client.
    pub tag: Option<Text>,
    /// What the session is to do from its beginning.
    pub features: Vec<Element>,
}

impl Bind2 {
    /// None for another element.
    pub fn from_element(element: &Element) -> Option<Bind2> {
        if !element.is(ns::BIND2, "bind") {
            return None;
        }
        let tag = element.find(ns::BIND2, "tag").map(Element::text_content);
        let features = element.elements();
        let features = features.filter(|child| child.namespace() != ns::BIND2);
        Some(Bind2 {
            tag: tag.filter(|tag| !tag.is_empty()),
            features: features.cloned().collect(),
        })
    }

    pub fn to_element(&self) -> Element {
        let tag = self.tag.as_ref();
        let tag = tag.map(|tag| Element::new(ns::BIND2, "tag").text(tag));
        Element::new(ns::BIND2, "bind")
            .children(tag)
            .children(self.features.iter().cloned())
    }

    /// The first feature of this name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&Element> {
        let mut features = self.features.iter();
        features.find(|feature| feature.is(namespace, name))
    }
}

/// The answer, with what came of the features.
pub fn bound(features: Vec<Element>) -> Element {
    Element::new(ns::BIND2, "bound").children(features)
}

/// What is offered inline (section 3.1).
pub(crate) fn feature(features: &[Text]) -> Element {
    let features = features
        .iter()
        .map(|name| Element::new(ns::BIND2, "feature").attr("var", name));
    let inline = Element::new(ns::BIND2, "inline").children(features);
    Element::new(ns::BIND2, "bind").child(inline)
}

pub(crate) fn from_feature(element: &Element) -> Vec<Text> {
    let inline = element.find(ns::BIND2, "inline");
    let features = inline.into_iter().flat_map(Element::elements);
    let features = features.filter(|feature| feature.is(ns::BIND2, "feature"));
    features
        .filter_map(|feature| feature.attribute_text("var"))
        .collect()
}

/// The server's part of a resource that stays the same for one installation of a client, so that it
/// takes the place of its own earlier session. What it is called itself cannot be read from it
/// (section 3.2.1). The secret is the cluster's, so that its nodes agree.
pub fn stable_part(secret: &Secret, user: &BareJid, client: &str) -> String {
    let pieces: [&[u8]; 4] = [
        b"resource\0",
        user.as_str().as_bytes(),
        b"\0",
        client.as_bytes(),
    ];
    let digest = ScramHash::Sha256.hmac(secret.expose(), &pieces);
    let part = digest.expose().iter().take(8);
    part.map(|byte| format!("{byte:02x}")).collect()
}

/// The whole of it: the tag, as it is, before the server's part.
pub fn resource(tag: Option<&str>, own: &str) -> String {
    match tag {
        Some(tag) => format!("{tag}/{own}"),
        None => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_xml::StreamNamespaces;

    #[test]
    fn written_and_read() {
        let enable = Element::new(ns::SM, "enable");
        for (bind, expected) in [
            (Bind2::default(), "<bind/>"),
            (
                Bind2 {
                    tag: Some("AwesomeXMPP".into()),
                    features: vec![enable],
                },
                "<bind><tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:sm:3'/></bind>",
            ),
        ] {
            assert_eq!(bind.to_element().to_bytes(ns::BIND2), expected);
            let context = StreamNamespaces::new(ns::BIND2);
            let element = Element::parse(expected.as_bytes(), &context).unwrap();
            assert_eq!(Bind2::from_element(&element), Some(bind));
        }
        assert_eq!(Bind2::from_element(&Element::new(ns::BIND, "bind")), None);
        let bound = bound(vec![Element::new(ns::SM, "enabled")]);
        let expected = "<bound><enabled xmlns='urn:xmpp:sm:3'/></bound>";
        assert_eq!(bound.to_bytes(ns::BIND2), expected);
    }

    #[test]
    fn the_servers_part_is_the_same_for_one_installation_of_one_user() {
        let secret = Secret::new(vec![1; 32]);
        let [ann, ben] = ["ann@example.org", "ben@example.org"].map(|a| BareJid::parse(a).unwrap());
        let part = stable_part(&secret, &ann, "phone");
        assert_eq!(part.len(), 16);
        assert_eq!(stable_part(&secret, &ann, "phone"), part);
        assert_ne!(stable_part(&secret, &ann, "desk"), part);
        assert_ne!(stable_part(&secret, &ben, "phone"), part);
        assert_ne!(stable_part(&Secret::new(vec![2; 32]), &ann, "phone"), part);
        assert_eq!(resource(Some("Awesome"), "x"), "Awesome/x");
        assert_eq!(resource(None, "x"), "x");
    }
}
