//! `jabber:iq:roster` (RFC 6121 section 2): requests with their checks, results and pushes. Not for
//! keeping the contact list, nor for who may change it.

use pollux_domain::jid::Jid;
use pollux_domain::limits::{CONTACT_GROUPS_MAX, CONTACT_TEXT_BYTES_MAX};
use pollux_xml::{Element, Text};

use crate::names::named;
use crate::ns;
use crate::stanza::{ErrorCondition, IqType, Stanza, StanzaError, StanzaKind};

named! {
    /// RFC 6121 section 2.1.2.5.
    RosterSubscription {
        None = "none",
        To = "to",
        From = "from",
        Both = "both",
        Remove = "remove",
    }
}

/// One item as a server sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterItem {
    pub jid: Jid,
    pub name: Option<Text>,
    pub subscription: RosterSubscription,
    /// A request to subscribe is pending (`ask='subscribe'`, RFC 6121 section 2.1.2.2).
    pub is_asking: bool,
    /// Pre-approved (RFC 6121 section 2.1.2.1).
    pub is_approved: bool,
    pub groups: Vec<Text>,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterRequest {
    /// All of it, or what is new since a version (RFC 6121 sections 2.1.3, 2.6).
    Get {
        ver: Option<Text>,
    },
    /// Add or change one item.
    Update {
        jid: Jid,
        name: Option<Text>,
        groups: Vec<Text>,
    },
    Remove {
        jid: Jid,
    },
}

/// The items of a result (RFC 6121 section 2.1.4) or of a push (section 2.1.6), with the version
/// where it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    pub ver: Option<Text>,
    pub items: Vec<RosterItem>,
}

// === from a client ===

impl RosterRequest {
    /// None for another request.
    pub fn from_stanza(stanza: &Stanza) -> Option<Result<RosterRequest, StanzaError>> {
        let query = stanza.find(ns::ROSTER, "query")?;
        match stanza.kind {
            StanzaKind::Iq(IqType::Get) => Some(parse_get(query)),
            StanzaKind::Iq(IqType::Set) => Some(parse_set(query)),
            _ => None,
        }
    }

    /// The payload of the request.
    pub fn to_element(&self) -> Element {
        let query = Element::new(ns::ROSTER, "query");
        match self {
            RosterRequest::Get { ver } => query.attr_opt("ver", ver.as_ref()),
            RosterRequest::Update { jid, name, groups } => {
                let item = item(jid).attr_opt("name", name.as_ref());
                query.child(item.children(group_elements(groups)))
            }
            RosterRequest::Remove { jid } => query.child(item(jid).attr("subscription", "remove")),
        }
    }
}

fn parse_get(query: &Element) -> Result<RosterRequest, StanzaError> {
    // RFC 6121 section 2.1.3: the query MUST NOT contain any item.
    if query.find(ns::ROSTER, "item").is_some() {
        return Err(bad_request("a roster get has no item"));
    }
    Ok(RosterRequest::Get {
        ver: query.attribute_text("ver"),
    })
}

/// RFC 6121 sections 2.1.5 and 2.3.3.
fn parse_set(query: &Element) -> Result<RosterRequest, StanzaError> {
    let mut items = query
        .elements()
        .filter(|child| child.is(ns::ROSTER, "item"));
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(bad_request("a roster set has exactly one item"));
    };
    let jid = item
        .attribute("jid")
        .ok_or_else(|| bad_request("an item has an address"))?;
    let jid = Jid::parse(jid).map_err(|error| {
        StanzaError::new(ErrorCondition::JidMalformed).with_text(error.to_string())
    })?;
    // Section 2.1.5 rule 2: any other value is ignored.
    if item.attribute("subscription") == Some("remove") {
        return Ok(RosterRequest::Remove { jid });
    }
    let name = item.attribute_text("name");
    if name
        .as_ref()
        .is_some_and(|name| name.len() > CONTACT_TEXT_BYTES_MAX)
    {
        return Err(not_acceptable("the name is longer than 1,023 octets"));
    }
    Ok(RosterRequest::Update {
        jid,
        name: name.filter(|name| !name.is_empty()),
        groups: groups(item)?,
    })
}

fn groups(item: &Element) -> Result<Vec<Text>, StanzaError> {
    let mut groups: Vec<Text> = Vec::new();
    for group in item
        .elements()
        .filter(|child| child.is(ns::ROSTER, "group"))
    {
        let group = group.text_content();
        if group.is_empty() {
            return Err(not_acceptable("a group has a name"));
        }
        if group.len() > CONTACT_TEXT_BYTES_MAX {
            return Err(not_acceptable("a group's name is longer than 1,023 octets"));
        }
        if groups.contains(&group) {
            return Err(bad_request("a group stands twice"));
        }
        if groups.len() == CONTACT_GROUPS_MAX {
            return Err(not_acceptable("a contact is in more than 32 groups"));
        }
        groups.push(group);
    }
    Ok(groups)
}

fn bad_request(why: &'static str) -> StanzaError {
    StanzaError::new(ErrorCondition::BadRequest).with_text(why)
}

fn not_acceptable(why: &'static str) -> StanzaError {
    StanzaError::new(ErrorCondition::NotAcceptable).with_text(why)
}

// === from a server ===

impl Roster {
    /// The payload of a result or a push.
    pub fn to_element(&self) -> Element {
        Element::new(ns::ROSTER, "query")
            .attr_opt("ver", self.ver.as_ref())
            .children(self.items.iter().map(RosterItem::to_element))
    }

    /// Reads what a server sent; items that are malformed are left out.
    pub fn from_element(element: &Element) -> Option<Roster> {
        if !element.is(ns::ROSTER, "query") {
            return None;
        }
        let items = element
            .elements()
            .filter_map(RosterItem::from_element)
            .collect();
        Some(Roster {
            ver: element.attribute_text("ver"),
            items,
        })
    }
}

impl RosterItem {
    pub fn to_element(&self) -> Element {
        item(&self.jid)
            .attr_opt("name", self.name.as_ref())
            .attr("subscription", self.subscription.as_str())
            .attr_opt("ask", self.is_asking.then_some("subscribe"))
            .attr_opt("approved", self.is_approved.then_some("true"))
            .children(group_elements(&self.groups))
    }

    fn from_element(element: &Element) -> Option<RosterItem> {
        if !element.is(ns::ROSTER, "item") {
            return None;
        }
        let subscription = element.attribute("subscription").unwrap_or("none");
        Some(RosterItem {
            jid: Jid::parse(element.attribute("jid")?).ok()?,
            name: element.attribute_text("name"),
            subscription: RosterSubscription::from_name(subscription)?,
            is_asking: element.attribute("ask") == Some("subscribe"),
            is_approved: matches!(element.attribute("approved"), Some("true" | "1")),
            groups: groups(element).ok()?,
        })
    }
}

fn item(jid: &Jid) -> Element {
    Element::new(ns::ROSTER, "item").attr("jid", jid.as_str().to_owned())
}

fn group_elements(groups: &[Text]) -> impl Iterator<Item = Element> {
    groups
        .iter()
        .map(|group| Element::new(ns::ROSTER, "group").text(group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_xml::StreamNamespaces;

    fn request(kind: IqType, query: &str) -> Result<RosterRequest, ErrorCondition> {
        let query = Element::parse(query.as_bytes(), &StreamNamespaces::new(ns::ROSTER)).unwrap();
        let stanza = Stanza::new(kind).id("1").payload(query);
        RosterRequest::from_stanza(&stanza)
            .unwrap()
            .map_err(|error| error.condition)
    }

    #[test]
    fn sets_and_gets_are_read_as_they_are_written() {
        let jid = Jid::parse("nurse@example.com").unwrap();
        for (kind, wanted, query) in [
            (IqType::Get, RosterRequest::Get { ver: None }, "<query/>"),
            (
                IqType::Get,
                RosterRequest::Get {
                    ver: Some("".into()),
                },
                "<query ver=''/>",
            ),
            (
                IqType::Set,
                RosterRequest::Update {
                    jid: jid.clone(),
                    name: Some("Nurse".into()),
                    groups: vec!["Servants".into()],
                },
                "<query><item jid='nurse@example.com' \
                 name='Nurse'><group>Servants</group></item></query>",
            ),
            (
                IqType::Set,
                RosterRequest::Remove { jid: jid.clone() },
                "<query><item jid='nurse@example.com' subscription='remove'/></query>",
            ),
        ] {
            assert_eq!(wanted.to_element().to_bytes(ns::ROSTER), query);
            assert_eq!(request(kind, query), Ok(wanted));
        }
        let ignored = request(
            IqType::Set,
            "<query><item jid='nurse@example.com' subscription='both'/></query>",
        );
        assert_eq!(
            ignored,
            Ok(RosterRequest::Update {
                jid,
                name: None,
                groups: Vec::new()
            })
        );
    }

    #[test]
    fn violations_of_sections_2_1_5_and_2_3_3() {
        let long = "x".repeat(CONTACT_TEXT_BYTES_MAX + 1);
        let groups = |count: usize| -> String {
            let groups = (0..count).map(|n| format!("<group>{n}</group>"));
            let groups: String = groups.collect();
            format!("<query><item jid='a@b'>{groups}</item></query>")
        };
        assert!(request(IqType::Set, &groups(CONTACT_GROUPS_MAX)).is_ok());
        for (query, expected) in [
            ("<query/>".to_owned(), ErrorCondition::BadRequest),
            (
                "<query><item jid='a@b'/><item jid='c@d'/></query>".to_owned(),
                ErrorCondition::BadRequest,
            ),
            (
                "<query><item/></query>".to_owned(),
                ErrorCondition::BadRequest,
            ),
            (
                "<query><item jid='a b@c'/></query>".to_owned(),
                ErrorCondition::JidMalformed,
            ),
            (
                "<query><item jid='a@b'><group>x</group><group>x</group></item></query>".to_owned(),
                ErrorCondition::BadRequest,
            ),
            (
                "<query><item jid='a@b'><group/></item></query>".to_owned(),
                ErrorCondition::NotAcceptable,
            ),
            (
                format!("<query><item jid='a@b' name='{long}'/></query>"),
                ErrorCondition::NotAcceptable,
            ),
            (
                format!("<query><item jid='a@b'><group>{long}</group></item></query>"),
                ErrorCondition::NotAcceptable,
            ),
            (
                groups(CONTACT_GROUPS_MAX + 1),
                ErrorCondition::NotAcceptable,
            ),
        ] {
            assert_eq!(request(IqType::Set, &query), Err(expected), "{query}");
        }
        assert_eq!(
            request(IqType::Get, "<query><item jid='a@b'/></query>"),
            Err(ErrorCondition::BadRequest)
        );
    }

    #[test]
    fn a_result_is_read_as_it_is_written() {
        let roster = Roster {
            ver: Some("v1".into()),
            items: vec![RosterItem {
                jid: Jid::parse("romeo@example.net").unwrap(),
                name: Some("Romeo".into()),
                subscription: RosterSubscription::From,
                is_asking: true,
                is_approved: true,
                groups: vec!["Friends".into(), "Lovers".into()],
            }],
        };
        let element = roster.to_element();
        assert_eq!(
            element.to_bytes(ns::CLIENT),
            "<query xmlns='jabber:iq:roster' ver='v1'><item jid='romeo@example.net' name='Romeo' \
             subscription='from' \
             ask='subscribe' \
             approved='true'><group>Friends</group><group>Lovers</group></item></query>"
        );
        assert_eq!(Roster::from_element(&element), Some(roster));
    }
}
