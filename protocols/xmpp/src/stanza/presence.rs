//! What a presence stanza says of availability (RFC 6121 section 4.7.2). Not for composing it from
//! several devices.

use pollux_xml::Text;

use super::{ErrorCondition, Stanza, StanzaError};
use crate::names::named;
use crate::ns;

named! {
    /// RFC 6121 section 4.7.2.1.
    Show {
        Away = "away",
        Chat = "chat",
        Dnd = "dnd",
        Xa = "xa",
    }
}

impl Stanza {
    /// What kind of availability; none where it is plain. A value that is none of the four says
    /// nothing.
    pub fn show(&self) -> Option<Show> {
        let text = self.find(ns::CLIENT, "show")?.text_content();
        Show::from_name(text.trim())
    }

    /// The first status text; each may have a language (RFC 6121 section 4.7.2.2).
    pub fn status(&self) -> Option<Text> {
        self.find(ns::CLIENT, "status")
            .map(|status| status.text_content())
    }

    /// RFC 6121 section 4.7.2.3: an integer from -128 to +127, 0 where there is none.
    pub fn priority(&self) -> Result<i8, StanzaError> {
        let Some(priority) = self.find(ns::CLIENT, "priority") else {
            return Ok(0);
        };
        priority.text_content().trim().parse().map_err(|_| {
            let error = StanzaError::new(ErrorCondition::BadRequest);
            error.with_text("the priority is an integer from -128 to 127")
        })
    }
}
