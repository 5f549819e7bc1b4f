//! XEP-0334: Message Processing Hints, with what else says how a message is to be handled: a body
//! (RFC 6121 section 5.2.3), XEP-0280 `<private/>`, and that there is nothing but a state of the
//! conversation (XEP-0085). Not for what follows from them.

use pollux_domain::hints::Hints;
use pollux_xml::Element;

use crate::{chat_states, ns};

/// Looks at the children of a message, one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct HintsReader {
    hints: Hints,
    state: bool,
    /// Something that may matter later.
    more: bool,
}

impl HintsReader {
    /// `namespace`: none is that of the message.
    pub fn see(&mut self, name: &str, namespace: Option<&str>) {
        match (namespace.unwrap_or(ns::CLIENT), name) {
            (ns::CLIENT, "body") => self.hints.speaks = true,
            (ns::CLIENT, "thread") => {}
            (ns::HINTS, "no-store") => self.hints.no_store = true,
            // Section 4.4: kept, whatever it is.
            (ns::HINTS, "store") => self.more = true,
            (ns::HINTS, "no-copy") | (ns::CARBONS, "private") => self.hints.no_copy = true,
            // `<no-permanent-store/>` is for archives: until delivery the message is kept.
            (ns::HINTS, _) => {}
            (ns::CHAT_STATES, name) if chat_states::is_state(name) => {
                self.state = true;
                self.hints.talk = true;
            }
            (ns::RECEIPTS | ns::CHAT_MARKERS, _) | (ns::DIRECT_INVITATION, "x") => {
                self.more = true;
                self.hints.talk = true;
            }
            (ns::MUC_USER, "x") => {
                self.more = true;
                self.hints.room = true;
            }
            _ => self.more = true,
        }
    }

    pub fn hints(self) -> Hints {
        Hints {
            fleeting: self.state && !self.more && !self.hints.speaks,
            ..self.hints
        }
    }
}

/// Of the children of a message.
pub fn of(payload: &[Element]) -> Hints {
    let mut reader = HintsReader::default();
    for child in payload {
        reader.see(child.name(), Some(child.namespace()));
    }
    reader.hints()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(children: &[(&str, &str)]) -> Hints {
        let mut reader = HintsReader::default();
        for (name, namespace) in children {
            reader.see(
                name,
                Some(*namespace).filter(|namespace| !namespace.is_empty()),
            );
        }
        reader.hints()
    }

    /// XEP-0334 section 4.4: to be stored goes before what is fleeting otherwise.
    #[test]
    fn what_a_message_says_of_its_handling() {
        let none = Hints::default();
        let body = ("body", "");
        let active = ("active", ns::CHAT_STATES);
        let speaks = Hints {
            speaks: true,
            ..none
        };
        let fleeting = Hints {
            fleeting: true,
            talk: true,
            ..none
        };
        let talk = Hints { talk: true, ..none };
        let room = Hints { room: true, ..none };
        let no_store = Hints {
            no_store: true,
            ..none
        };
        let no_copy = Hints {
            no_copy: true,
            ..none
        };
        for (children, expected) in [
            (&[][..], none),
            (&[body], speaks),
            (&[("body", ns::CLIENT)], speaks),
            (&[("body", "urn:x")], none),
            (&[active], fleeting),
            (&[active, ("thread", "")], fleeting),
            (&[active, ("store", ns::HINTS)], talk),
            (&[active, ("no-permanent-store", ns::HINTS)], fleeting),
            (&[("gone", ns::CHAT_STATES)], fleeting),
            (&[("sulking", ns::CHAT_STATES)], none),
            (
                &[active, body],
                Hints {
                    talk: true,
                    ..speaks
                },
            ),
            (&[active, ("received", ns::RECEIPTS)], talk),
            (&[("received", ns::RECEIPTS)], talk),
            (&[("displayed", ns::CHAT_MARKERS)], talk),
            (&[("x", ns::DIRECT_INVITATION)], talk),
            (&[("x", ns::MUC_USER)], room),
            (&[("no-store", ns::HINTS)], no_store),
            (&[("no-permanent-store", ns::HINTS)], none),
            (&[("no-copy", ns::HINTS)], no_copy),
            (&[("private", ns::CARBONS)], no_copy),
        ] {
            assert_eq!(read(children), expected, "{children:?}");
        }
    }
}
