//! XEP-0115: Entity Capabilities: the hash by which is known what an entity can do. Not for those
//! of clients, which are passed on as they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;
use sha1::{Digest, Sha1};

use crate::disco::DiscoInfo;
use crate::ns;

/// Section 5.1: the same for all that are and can do the same.
pub fn verification(info: &DiscoInfo) -> String {
    let mut said = String::new();
    let identities = info.identities.iter().map(|identity| {
        // None of ours has a language.
        let name = identity.name.as_deref().unwrap_or_default();
        format!("{}/{}//{name}", identity.category, identity.kind)
    });
    let features = info.features.iter().map(ToString::to_string);
    say_sorted(identities.collect(), &mut said);
    say_sorted(features.collect(), &mut said);
    let mut forms: Vec<(String, Fields)> = info.forms.iter().filter_map(fields).collect();
    forms.sort_unstable();
    for (kind, mut fields) in forms {
        say_sorted(vec![kind], &mut said);
        fields.sort_unstable();
        for (name, values) in fields {
            say_sorted(vec![name], &mut said);
            say_sorted(values, &mut said);
        }
    }
    STANDARD.encode(Sha1::digest(said.as_bytes()))
}

/// In the order of their octets, each with its end.
fn say_sorted(mut words: Vec<String>, said: &mut String) {
    words.sort_unstable();
    for word in words {
        said.push_str(&word);
        said.push('<');
    }
}

/// Names with their values.
type Fields = Vec<(String, Vec<String>)>;

/// The kind of a form, and its other fields. None where it has no kind.
fn fields(form: &Element) -> Option<(String, Fields)> {
    let mut kind = None;
    let mut fields = Vec::new();
    for field in form
        .elements()
        .filter(|field| field.is(ns::DATA_FORM, "field"))
    {
        let values = field
            .elements()
            .map(|value| value.text_content().to_string());
        let mut values: Vec<String> = values.collect();
        match field.attribute("var")? {
            "FORM_TYPE" => kind = values.pop(),
            name => fields.push((name.to_owned(), values)),
        }
    }
    Some((kind?, fields))
}

/// What a server says of itself in its stream features (section 6.3). `uri`: what it is.
pub fn feature(uri: &'static str, verification: &str) -> Element {
    Element::new(ns::CAPS, "c")
        .attr("hash", "sha-1")
        .attr("node", uri)
        .attr("ver", verification.to_owned())
}

/// The disco node by which it is asked what that stands for (section 6.2).
pub fn disco_node(uri: &str, verification: &str) -> String {
    format!("{uri}#{verification}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disco::Identity;
    use crate::server_contacts;

    fn info(identity: [&'static str; 3], features: &[&'static str]) -> DiscoInfo {
        let [category, kind, name] = identity;
        DiscoInfo {
            disco_node: None,
            identities: vec![Identity {
                category: category.into(),
                kind: kind.into(),
                name: Some(name.into()),
            }],
            features: features.iter().map(|feature| (*feature).into()).collect(),
            forms: Vec::new(),
        }
    }

    /// Section 5.2, its example.
    #[test]
    fn the_hash_is_that_of_the_specification() {
        let features = [
            "http://jabber.org/protocol/muc",
            ns::DISCO_ITEMS,
            ns::DISCO_INFO,
            ns::CAPS,
        ];
        let exodus = info(["client", "pc", "Exodus 0.9.1"], &features);
        assert_eq!(verification(&exodus), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }

    /// Computed with Python's `hashlib`.
    #[test]
    fn forms_count_whatever_their_order() {
        let mut server = info(["server", "im", "Pollux"], &[ns::PING, ns::DISCO_INFO]);
        let contacts = [
            ("admin", vec!["xmpp:b@b"]),
            ("abuse", vec!["xmpp:c@d", "mailto:a@b"]),
        ];
        server.forms = server_contacts::form(&contacts).into_iter().collect();
        // A form without kind says nothing.
        server.forms.push(Element::new(ns::DATA_FORM, "x"));
        assert_eq!(verification(&server), "jaLeQNKWiKjl1Vy3/wEWSEpz3dw=");
        let bytes = feature("urn:a", "b").to_bytes(ns::CAPS);
        assert_eq!(bytes, "<c hash='sha-1' node='urn:a' ver='b'/>");
        assert_eq!(disco_node("urn:a", "b"), "urn:a#b");
    }
}
