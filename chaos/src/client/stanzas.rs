//! What a client says: messages, availability, requests, acknowledgements. Reading is in session.

use tokio::io::{AsyncRead, AsyncWrite};

use super::SM;
use super::element::{Element, escape};
use super::error::Error;
use super::journal::{Journal, Note};
use super::session::Client;

impl<S: AsyncRead + AsyncWrite + Unpin, J: Journal> Client<S, J> {
    /// A chat message. It is on its way once `next` or `flush` has been polled.
    pub fn message(&mut self, to: &str, id: &str, body: &str) -> Result<(), Error> {
        let text = format!(
            "<message type='chat' to='{}' id='{}'><body>{}</body></message>",
            escape(to),
            escape(id),
            escape(body)
        );
        self.transmit(Some(id), text)
    }

    /// Initial or repeated availability.
    pub fn available(&mut self) -> Result<(), Error> {
        self.transmit(None, "<presence/>".to_owned())
    }

    pub fn unavailable(&mut self) -> Result<(), Error> {
        self.transmit(None, "<presence type='unavailable'/>".to_owned())
    }

    /// A presence of any type to someone: subscribe, subscribed, a probe, or directed availability.
    pub fn presence(&mut self, to: &str, kind: &str) -> Result<(), Error> {
        let kind = match kind {
            "" => String::new(),
            kind => format!(" type='{}'", escape(kind)),
        };
        self.transmit(None, format!("<presence to='{}'{kind}/>", escape(to)))
    }

    /// Asks for the contact list; the answer comes as an `Event::Iq` with the id returned here.
    pub fn request_roster(&mut self) -> Result<String, Error> {
        self.request("get", "", "<query xmlns='jabber:iq:roster'/>")
    }

    /// Asks the server whether it is there.
    pub fn request_ping(&mut self) -> Result<String, Error> {
        let domain = self.account.domain.clone();
        self.request("get", &domain, "<ping xmlns='urn:xmpp:ping'/>")
    }

    /// Any request; `payload` is XML as it stands.
    pub fn request(&mut self, kind: &str, to: &str, payload: &str) -> Result<String, Error> {
        let id = self.seed.word();
        let to = match to {
            "" => String::new(),
            to => format!(" to='{}'", escape(to)),
        };
        let text = format!("<iq type='{kind}' id='{id}'{to}>{payload}</iq>");
        self.transmit(Some(&id), text)?;
        Ok(id)
    }

    /// One stanza as it stands; its id is taken from it.
    pub fn send(&mut self, stanza: &str) -> Result<(), Error> {
        let element = Element::new(stanza);
        if !matches!(element.name(), "message" | "presence" | "iq") {
            return Err(Error::Unsendable("an element that is not a stanza"));
        }
        let id = element.attribute("id").map(|id| id.into_owned());
        self.transmit(id.as_deref(), stanza.to_owned())
    }

    /// Asks the server how far it has come.
    pub fn request_acknowledgement(&mut self) -> Result<(), Error> {
        self.since_request = 0;
        if self.counting.is_none() {
            return Ok(());
        }
        self.pipe()?.write(&format!("<r xmlns='{SM}'/>"))
    }

    /// Tells the server how far the client has come.
    pub fn acknowledge(&mut self) -> Result<(), Error> {
        let Some(counting) = &self.counting else {
            return Ok(());
        };
        let h = counting.handled;
        self.pipe()?.write(&format!("<a xmlns='{SM}' h='{h}'/>"))
    }

    /// Waits until everything sent has been written to the connection.
    pub async fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.pipe()?.flush().await;
        if flushed.is_err() {
            self.cut();
        }
        flushed
    }

    /// Writes one stanza and, under stream management, remembers it until it is acknowledged.
    pub(super) fn transmit(&mut self, id: Option<&str>, text: String) -> Result<(), Error> {
        if self
            .counting
            .as_ref()
            .is_some_and(|counting| !counting.has_room())
        {
            return Err(Error::Full("the queue of unacknowledged stanzas"));
        }
        self.pipe()?.write(&text)?;
        if let Some(id) = id {
            self.journal.note(Note::Sent { id });
        }
        let Some(counting) = &mut self.counting else {
            return Ok(());
        };
        counting.sent(id.map(Into::into), text.into());
        self.since_request += 1;
        if self.since_request == self.options.request_every {
            self.request_acknowledgement()?;
        }
        Ok(())
    }
}
