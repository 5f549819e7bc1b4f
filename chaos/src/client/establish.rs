//! From an authenticated stream to a session: resume the old one, or bind and enable anew.

use tokio::io::{AsyncRead, AsyncWrite};

use super::SM;
use super::counting::Counting;
use super::element::{Element, escape};
use super::error::Error;
use super::frames::{note, number};
use super::journal::{Journal, Note};
use super::negotiate::{self, Features};
use super::options::StreamManagement;
use super::pipe::Pipe;
use super::session::{Client, Outcome};

/// Stanzas that may arrive between bind and `<enabled/>`.
const EARLY_MAX: usize = 10_000;

impl<S: AsyncRead + AsyncWrite + Unpin, J: Journal> Client<S, J> {
    pub(super) async fn negotiate(&mut self, stream: S) -> Result<Outcome, Error> {
        let account = self.account.clone();
        let options = self.options.clone();
        let (mut pipe, features) =
            negotiate::sign_in(stream, &account, &options, &mut self.seed).await?;
        if self
            .counting
            .as_ref()
            .is_some_and(|counting| counting.resume_id.is_some())
            && self.resume(&mut pipe).await?
        {
            let resent = self.resend(&mut pipe)?;
            self.pipe = Some(pipe);
            return Ok(Outcome::Resumed { resent });
        }
        self.forget();
        self.bind(&mut pipe, &features).await?;
        if options.stream_management != StreamManagement::Off {
            self.enable(&mut pipe, &features).await?;
        }
        self.since_request = 0;
        self.pipe = Some(pipe);
        Ok(Outcome::Bound)
    }

    /// Asks for the old session; `false` if the server does not have it any more.
    async fn resume(&mut self, pipe: &mut Pipe<S>) -> Result<bool, Error> {
        let Some(counting) = &mut self.counting else {
            return Ok(false);
        };
        let previous = counting.resume_id.clone().unwrap_or_default();
        let h = counting.handled;
        pipe.write(&format!(
            "<resume xmlns='{SM}' h='{h}' previd='{}'/>",
            escape(&previous)
        ))?;
        let journal = &mut self.journal;
        negotiate::stanza(pipe, |element| match element.name() {
            "resumed" if element.attribute("previd").as_deref() == Some(&previous) => {
                counting.acknowledge(number(element, "h")?, journal)?;
                Ok(true)
            }
            "failed" => {
                if element.attribute("h").is_some() {
                    counting.acknowledge(number(element, "h")?, journal)?;
                }
                let condition = element
                    .children()
                    .map(|c| c.name())
                    .find(|&name| name != "text");
                journal.note(Note::NotResumed {
                    condition: condition.unwrap_or("unknown"),
                });
                Ok(false)
            }
            _ => Err(Error::protocol(format!(
                "{} answers <resume/>",
                element.as_str()
            ))),
        })
        .await
    }

    //= xep-0198#section-5
    //# after processing it MUST re-send to the peer any stanzas that are still marked as unhandled
    fn resend(&mut self, pipe: &mut Pipe<S>) -> Result<usize, Error> {
        let Some(counting) = &self.counting else {
            return Ok(0);
        };
        for pending in counting.pending() {
            pipe.write(&pending.text)?;
        }
        let resent = counting.unacknowledged();
        if resent > 0 {
            pipe.write(&format!("<r xmlns='{SM}'/>"))?;
        }
        self.since_request = 0;
        self.journal.note(Note::Resumed {
            h: counting.server_h(),
            resent,
        });
        Ok(resent)
    }

    async fn bind(&mut self, pipe: &mut Pipe<S>, features: &Features) -> Result<(), Error> {
        if !features.bind {
            return Err(Error::protocol("bind is not offered"));
        }
        let id = self.seed.word();
        let resource = match self.account.resource.as_str() {
            "" => String::new(),
            resource => format!("<resource>{}</resource>", escape(resource)),
        };
        pipe.write(&format!(
            "<iq type='set' id='{id}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{resource}\
             </bind></iq>"
        ))?;
        self.jid = negotiate::stanza(pipe, |iq| {
            if iq.name() != "iq" || iq.attribute("id").as_deref() != Some(&id) {
                return Err(Error::protocol(format!("{} answers bind", iq.as_str())));
            }
            if let Some(condition) = iq.condition() {
                return Err(Error::Bind(condition.to_owned()));
            }
            let jid = iq.child("bind").and_then(|bind| bind.child("jid"));
            jid.map(|jid| jid.text().into_owned())
                .ok_or_else(|| Error::protocol("bind without JID"))
        })
        .await?;
        self.journal.note(Note::Bound { jid: &self.jid });
        Ok(())
    }

    /// Turns stream management on. Stanzas that overtake `<enabled/>` are not counted, but kept.
    async fn enable(&mut self, pipe: &mut Pipe<S>, features: &Features) -> Result<(), Error> {
        if !features.stream_management {
            return Err(Error::protocol("stream management is not offered"));
        }
        let resumable = self.options.stream_management == StreamManagement::Resumable;
        let resume = if resumable { " resume='true'" } else { "" };
        pipe.write(&format!("<enable xmlns='{SM}'{resume}/>"))?;
        let (journal, early) = (&mut self.journal, &mut self.early);
        while self.counting.is_none() {
            let read = |element: Element<'_>| match element.name() {
                "enabled" => {
                    let may_resume =
                        matches!(element.attribute("resume").as_deref(), Some("true" | "1"));
                    let id = element.attribute("id").filter(|_| resumable && may_resume);
                    let location = element.attribute("location").map(|at| at.into_owned());
                    Ok(Some(Counting::new(id.map(|id| id.into_owned()), location)))
                }
                "message" | "presence" | "iq" if early.len() < EARLY_MAX => {
                    note(journal, element);
                    early.push_back(element.as_str().to_owned());
                    Ok(None)
                }
                _ => Err(Error::protocol(format!(
                    "{} answers <enable/>",
                    element.as_str()
                ))),
            };
            self.counting = negotiate::stanza(pipe, read).await?;
        }
        Ok(())
    }
}
