//! XEP-0191: Blocking Command: requests, the list, and pushes. Not for what is blocked.

use pollux_domain::blocking::BlockChange;
use pollux_domain::jid::Jid;
use pollux_xml::Element;

use crate::ns;
use crate::stanza::{ErrorCondition, IqType, Stanza, StanzaError, StanzaKind};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockRequest {
    /// Section 3.2.
    List,
    /// Sections 3.3 to 3.5.
    Change(BlockChange),
}

impl BlockRequest {
    /// None for another request.
    pub fn from_stanza(stanza: &Stanza) -> Option<Result<BlockRequest, StanzaError>> {
        let find = |name| stanza.find(ns::BLOCKING, name);
        match stanza.kind {
            StanzaKind::Iq(IqType::Get) => find("blocklist").map(|_| Ok(BlockRequest::List)),
            StanzaKind::Iq(IqType::Set) => {
                let change = find("block")
                    .map(block)
                    .or_else(|| find("unblock").map(unblock));
                change.map(|change| change.map(BlockRequest::Change))
            }
            _ => None,
        }
    }
}

fn block(element: &Element) -> Result<BlockChange, StanzaError> {
    let others = items(element)?;
    if others.is_empty() {
        let error = StanzaError::new(ErrorCondition::BadRequest);
        return Err(error.with_text("an item says whom to block"));
    }
    Ok(BlockChange::Block(others))
}

fn unblock(element: &Element) -> Result<BlockChange, StanzaError> {
    let others = items(element)?;
    Ok(match others.is_empty() {
        true => BlockChange::UnblockAll,
        false => BlockChange::Unblock(others),
    })
}

fn items(element: &Element) -> Result<Vec<Jid>, StanzaError> {
    let items = element.elements();
    let items = items.filter(|child| child.is(ns::BLOCKING, "item"));
    let jids = items.map(|item| {
        let jid = item.attribute("jid").ok_or_else(|| {
            StanzaError::new(ErrorCondition::BadRequest).with_text("an item has an address")
        })?;
        Jid::parse(jid).map_err(|error| {
            StanzaError::new(ErrorCondition::JidMalformed).with_text(error.to_string())
        })
    });
    jids.collect()
}

/// The payload of the answer to a get.
pub fn list(entries: impl IntoIterator<Item = Jid>) -> Element {
    Element::new(ns::BLOCKING, "blocklist").children(entries.into_iter().map(item))
}

/// The payload of a request, and of the push that tells other devices of it.
pub fn change(change: &BlockChange) -> Element {
    let (name, others) = match change {
        BlockChange::Block(others) => ("block", &others[..]),
        BlockChange::Unblock(others) => ("unblock", &others[..]),
        BlockChange::UnblockAll => ("unblock", &[][..]),
    };
    Element::new(ns::BLOCKING, name).children(others.iter().cloned().map(item))
}

/// Why a stanza to somebody whom its sender has blocked comes back (section 3.3).
pub fn refusal() -> StanzaError {
    StanzaError {
        application: Some(Box::new(Element::new(ns::BLOCKING_ERRORS, "blocked"))),
        ..StanzaError::new(ErrorCondition::NotAcceptable)
    }
}

fn item(jid: Jid) -> Element {
    Element::new(ns::BLOCKING, "item").attr("jid", jid.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: IqType, payload: Element) -> Option<Result<BlockRequest, ErrorCondition>> {
        let request = BlockRequest::from_stanza(&Stanza::new(kind).payload(payload));
        request.map(|request| request.map_err(|error| error.condition))
    }

    #[test]
    fn requests_and_what_is_wrong_with_them() {
        let jids = |jids: &[&str]| -> Vec<Jid> {
            jids.iter().map(|jid| Jid::parse(jid).unwrap()).collect()
        };
        for written in [
            BlockChange::Block(jids(&["romeo@montague.net", "iago@shakespeare.lit/x"])),
            BlockChange::Unblock(jids(&["montague.net"])),
            BlockChange::UnblockAll,
        ] {
            let request = read(IqType::Set, change(&written));
            assert_eq!(request, Some(Ok(BlockRequest::Change(written))));
        }
        let get = Element::new(ns::BLOCKING, "blocklist");
        assert_eq!(read(IqType::Get, get.clone()), Some(Ok(BlockRequest::List)));
        assert_eq!(read(IqType::Set, get), None);
        let nobody = Element::new(ns::BLOCKING, "block");
        assert_eq!(
            read(IqType::Set, nobody.clone()),
            Some(Err(ErrorCondition::BadRequest))
        );
        let nameless = nobody.clone().child(Element::new(ns::BLOCKING, "item"));
        assert_eq!(
            read(IqType::Set, nameless),
            Some(Err(ErrorCondition::BadRequest))
        );
        let malformed = Element::new(ns::BLOCKING, "item").attr("jid", "@");
        assert_eq!(
            read(IqType::Set, nobody.child(malformed)),
            Some(Err(ErrorCondition::JidMalformed))
        );
    }
}
