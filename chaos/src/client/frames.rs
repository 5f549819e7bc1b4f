//! What the client does with each frame of an established stream: counts, answers, notes.

use std::ops::Range;

use tokio::io::{AsyncRead, AsyncWrite};

use super::element::{Element, escape};
use super::error::Error;
use super::journal::{Journal, Note};
use super::negotiate::stream_error;
use super::scan::Frame;
use super::session::Client;

/// What one frame, or several that concern nobody else, led to.
pub(super) enum Step {
    Stanza(Range<usize>),
    Early,
    Acknowledged { h: u32, covered: u32 },
    Closed,
}

impl<S: AsyncRead + AsyncWrite + Unpin, J: Journal> Client<S, J> {
    pub(super) async fn step(&mut self) -> Result<Step, Error> {
        if let Some(early) = self.early.pop_front() {
            self.current = early;
            return Ok(Step::Early);
        }
        loop {
            let frame = self.pipe()?.frame().await?;
            if let Some(step) = self.take(frame)? {
                return Ok(step);
            }
        }
    }

    fn take(&mut self, frame: Frame) -> Result<Option<Step>, Error> {
        let range = match frame {
            Frame::Stanza(range) => range,
            Frame::Close => return Ok(Some(Step::Closed)),
            Frame::Open(_) => return Err(Error::protocol("a second stream header")),
        };
        let pipe = self.pipe.as_mut().ok_or(Error::NotConnected)?;
        let element = Element::new(pipe.scanner.text(range.clone())?);
        match element.name() {
            "message" | "presence" | "iq" => {
                note(&mut self.journal, element);
                let answer = self
                    .options
                    .answer_requests
                    .then(|| answer(element))
                    .flatten();
                if let Some(counting) = &mut self.counting {
                    counting.received();
                }
                if let Some(answer) = answer {
                    self.transmit(None, answer)?;
                }
                Ok(Some(Step::Stanza(range)))
            }
            "r" => {
                self.acknowledge()?;
                Ok(None)
            }
            "a" => {
                let h = number(element, "h")?;
                let counting = self.counting.as_mut();
                let counting = counting.ok_or_else(|| Error::protocol("<a/> out of place"))?;
                let covered = counting.acknowledge(h, &mut self.journal)?;
                Ok(Some(Step::Acknowledged { h, covered }))
            }
            "error" => Err(stream_error(element)),
            name => Err(Error::protocol(format!("<{name}/> out of place"))),
        }
    }
}

pub(super) fn note(journal: &mut impl Journal, stanza: Element<'_>) {
    let id = stanza.attribute("id").unwrap_or_default();
    let from = stanza.attribute("from").unwrap_or_default();
    match (stanza.name(), &*stanza.kind()) {
        (_, "error") => {
            let condition = stanza.condition().unwrap_or("undefined-condition");
            journal.note(Note::Refused { id: &id, condition });
        }
        ("message", _) => journal.note(Note::Received {
            id: &id,
            from: &from,
        }),
        ("presence", kind) => journal.note(Note::Presence { from: &from, kind }),
        _ => {}
    }
}

/// The answer that a request from the server is owed (RFC 6120, 8.2.3).
fn answer(stanza: Element<'_>) -> Option<String> {
    if stanza.name() != "iq" || !matches!(&*stanza.kind(), "get" | "set") {
        return None;
    }
    let id = stanza.attribute("id")?;
    let id = escape(&id);
    let to = stanza
        .attribute("from")
        .map(|from| format!(" to='{}'", escape(&from)));
    let to = to.unwrap_or_default();
    let namespace = stanza.children().next().and_then(|child| child.namespace());
    Some(match namespace.as_deref() {
        Some("urn:xmpp:ping" | "jabber:iq:roster") => format!("<iq type='result' id='{id}'{to}/>"),
        _ => format!(
            "<iq type='error' id='{id}'{to}><error type='cancel'><service-unavailable \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ),
    })
}

pub(super) fn number(element: Element<'_>, name: &str) -> Result<u32, Error> {
    let value = element.attribute(name).and_then(|value| value.parse().ok());
    value.ok_or_else(|| Error::protocol(format!("{} without a number {name}", element.as_str())))
}
