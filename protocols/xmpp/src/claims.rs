//! What a stanza says in the name of a server, and whether it may: the ids that an archive gives
//! (XEP-0359), when a stanza was delayed (XEP-0203), that it is a copy for another device
//! (XEP-0280). Clients believe these, so no client may say them to another. Not for what a server
//! says.

use pollux_domain::jid::Jid;
use pollux_xml::Element;

use crate::ns;

/// Whether something in this namespace may be such a claim.
pub(crate) fn needs_tree(namespace: &str) -> bool {
    matches!(namespace, ns::STANZA_ID | ns::DELAY | ns::CARBONS)
}

/// Whether a client at `sender` claims with this child of its stanza what only the server of
/// `domain` may say.
///
/// - An id by anybody of this domain: accounts and rooms have theirs from here, and who is named
///   must delete what others say in its name (XEP-0359 section 5, rule 3).
/// - A delay by anybody but the sender. Without a name it is nobody's word, and stays.
/// - A wrapper of a copy: the server alone makes them (XEP-0280 sections 7, 11).
pub fn is_forged(child: &Element, sender: &Jid, domain: &str) -> bool {
    let by = |name| child.attribute(name).map(Jid::parse);
    match (child.namespace(), child.name()) {
        (ns::STANZA_ID, "stanza-id") => match by("by") {
            Some(Ok(by)) => by.domain() == domain,
            Some(Err(_)) | None => true,
        },
        (ns::DELAY, "delay") => match by("from") {
            Some(Ok(from)) => from != *sender && from.as_str() != sender.bare_str(),
            Some(Err(_)) => true,
            None => false,
        },
        (ns::CARBONS, "sent" | "received") => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_server_may_say() {
        let sender = Jid::parse("ann@example.org/desk").unwrap();
        let id = |by: &'static str| Element::new(ns::STANZA_ID, "stanza-id").attr("by", by);
        let delay = |from: &'static str| Element::new(ns::DELAY, "delay").attr("from", from);
        let wrapper = |name: &'static str| Element::new(ns::CARBONS, name);
        for (child, expected) in [
            (id("example.org"), true),
            (id("ben@example.org"), true),
            (id("ben@EXAMPLE.org"), true),
            (id("@"), true),
            (Element::new(ns::STANZA_ID, "stanza-id"), true),
            (id("room@elsewhere.net"), false),
            (Element::new(ns::STANZA_ID, "origin-id"), false),
            (delay("example.org"), true),
            (delay("ben@example.org"), true),
            (delay("@"), true),
            (delay("ann@example.org"), false),
            (delay("ann@example.org/desk"), false),
            (Element::new(ns::DELAY, "delay"), false),
            (wrapper("sent"), true),
            (wrapper("received"), true),
            (wrapper("private"), false),
            (Element::new("urn:x", "stanza-id"), false),
        ] {
            let words = String::from_utf8_lossy(&child.to_bytes(ns::CLIENT)).into_owned();
            assert_eq!(
                is_forged(&child, &sender, "example.org"),
                expected,
                "{words}"
            );
            if expected {
                assert!(needs_tree(child.namespace()), "{words}");
            }
        }
    }
}
