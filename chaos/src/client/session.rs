//! The client itself: a session that outlives its connections. Writes stanzas: see stanzas.

use std::collections::VecDeque;
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::counting::{Counting, Pending};
use super::element::Element;
use super::error::Error;
use super::frames::Step;
use super::journal::{Journal, Note};
use super::options::{Account, Options};
use super::pipe::Pipe;
use super::seed::Seed;

pub struct Client<S, J> {
    pub account: Account,
    pub(super) options: Rc<Options>,
    pub(super) journal: J,
    pub(super) seed: Seed,
    pub(super) pipe: Option<Pipe<S>>,
    /// The full JID of the session, empty before the first.
    pub(super) jid: String,
    /// Present while stream management is on.
    pub(super) counting: Option<Counting>,
    /// Stanzas sent since the last `<r/>`.
    pub(super) since_request: u32,
    /// Stanzas that came while the client waited for another answer.
    pub(super) early: VecDeque<String>,
    pub(super) current: String,
}

/// How `connect` succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A new session.
    Bound,
    /// The old session; `resent` stanzas were written again.
    Resumed { resent: usize },
}

/// What `next` found; good until the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    Message(Element<'a>),
    Presence(Element<'a>),
    Iq(Element<'a>),
    /// The server's `h`, and how many stanzas it newly covers.
    Acknowledged {
        h: u32,
        covered: u32,
    },
    /// The server ended the stream in order.
    Closed,
}

impl<S: AsyncRead + AsyncWrite + Unpin, J: Journal> Client<S, J> {
    pub fn new(account: Account, options: Rc<Options>, seed: u64, journal: J) -> Self {
        Client {
            account,
            options,
            journal,
            seed: Seed::new(seed),
            pipe: None,
            jid: String::new(),
            counting: None,
            since_request: 0,
            early: VecDeque::new(),
            current: String::new(),
        }
    }

    pub fn is_connected(&self) -> bool {
        self.pipe.is_some()
    }

    pub fn jid(&self) -> &str {
        &self.jid
    }

    pub fn journal(&self) -> &J {
        &self.journal
    }

    /// Stanzas that the server has not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.counting.as_ref().map_or(0, Counting::unacknowledged)
    }

    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.counting.iter().flat_map(Counting::pending)
    }

    /// The client's own `h` and the server's last, while stream management is on.
    pub fn counters(&self) -> Option<(u32, u32)> {
        self.counting
            .as_ref()
            .map(|counting| (counting.handled, counting.server_h()))
    }

    /// Where the server asked to resume.
    pub fn location(&self) -> Option<&str> {
        self.counting.as_ref()?.location.as_deref()
    }

    /// Signs in over a fresh connection; resumes the session where there is one to resume.
    pub async fn connect(&mut self, stream: S) -> Result<Outcome, Error> {
        self.cut();
        let limit = self.options.timeout;
        match timeout(limit, Box::pin(self.negotiate(stream))).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout("sign in")),
        }
    }

    /// The next thing from the server; meanwhile writes what was sent. May be dropped at any point.
    /// After an error the client is disconnected, and may `connect` again.
    pub async fn next(&mut self) -> Result<Event<'_>, Error> {
        let step = self.step().await;
        if step.is_err() {
            self.cut();
        }
        match step? {
            Step::Stanza(range) => {
                let pipe = self.pipe.as_ref().ok_or(Error::NotConnected)?;
                event(Element::new(pipe.scanner.text(range)?))
            }
            Step::Early => event(Element::new(&self.current)),
            Step::Acknowledged { h, covered } => Ok(Event::Acknowledged { h, covered }),
            Step::Closed => {
                self.cut();
                Ok(Event::Closed)
            }
        }
    }

    /// Breaks the connection as a fault would: nothing is said, nothing that waits is written.
    pub fn cut(&mut self) {
        if self.pipe.take().is_some() {
            self.journal.note(Note::Disconnected);
        }
    }

    /// Gives the session up, as after a fault that resumption cannot heal.
    pub fn forget(&mut self) {
        self.cut();
        if let Some(counting) = self.counting.take() {
            counting.abandon(&mut self.journal);
        }
    }

    /// Ends stream and session in order; what still arrives meanwhile is noted.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.acknowledge()?;
        self.pipe()?.write("</stream:stream>")?;
        let limit = self.options.timeout;
        let closed = timeout(limit, async {
            loop {
                match self.step().await {
                    Ok(Step::Closed) => return Ok(()),
                    Ok(_) => {}
                    Err(error) => return Err(error),
                }
            }
        });
        let closed = closed
            .await
            .unwrap_or(Err(Error::Timeout("end the stream")));
        self.forget();
        closed
    }

    pub(super) fn pipe(&mut self) -> Result<&mut Pipe<S>, Error> {
        self.pipe.as_mut().ok_or(Error::NotConnected)
    }
}

fn event(stanza: Element<'_>) -> Result<Event<'_>, Error> {
    Ok(match stanza.name() {
        "message" => Event::Message(stanza),
        "presence" => Event::Presence(stanza),
        _ => Event::Iq(stanza),
    })
}

#[cfg(test)]
#[path = "client_test.rs"]
mod client_test;
