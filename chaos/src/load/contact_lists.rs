//! Contact lists: what it costs the server to show a long one, and to sign in a user whose contacts
//! are half there. Not for changes of availability: see `availability`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::time::timeout;

use super::clock::now;
use super::crowd::{Crowd, Ear};
use super::dial::Stream;
use super::histogram::{Histogram, Latency};
use super::span::Span;
use super::target::Target;
use crate::client::{Client, Element, Event, StreamManagement, escape};

/// How long nothing may move before the run has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Changes of a contact list under way at the same time: a list is a record on disk.
const CHANGES_AT_ONCE: u64 = 64;
const RESOURCE: &str = "lists";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactWork {
    /// A list is asked for again and again.
    List,
    /// A user signs in, asks for the list, says that it is available, hears of every second
    /// contact, and goes.
    SignIn,
}

#[derive(Debug, Clone, Copy)]
pub struct ContactLists {
    pub work: ContactWork,
    /// Who do it.
    pub users: usize,
    /// Of each of them.
    pub contacts: usize,
    /// How often it is done in all.
    pub count: usize,
    pub stream_management: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct ContactListsReport {
    pub users: usize,
    pub contacts: usize,
    pub count: usize,
    pub stream_management: bool,
    pub seconds: f64,
    /// From the request, or the connection, to the last thing that it led to.
    pub latency: Latency,
    pub cpu_ms: Option<f64>,
}

/// What everybody has heard while the lists are made.
#[derive(Default)]
struct Heard {
    results: Cell<u64>,
    /// Consents to be watched.
    subscribed: Cell<u64>,
}

/// Consents to whoever asks.
struct Contact {
    heard: Rc<Heard>,
}

impl Ear for Contact {
    fn hear(&self, _me: usize, event: Event<'_>) -> anyhow::Result<Vec<String>> {
        match event {
            Event::Presence(presence) => {
                let from = presence.attribute("from").unwrap_or_default();
                let bare = from.split('/').next().unwrap_or_default();
                let to = escape(bare);
                match &*presence.kind() {
                    "subscribe" => {
                        return Ok(vec![format!("<presence to='{to}' type='subscribed'/>")]);
                    }
                    "subscribed" => self.heard.subscribed.set(self.heard.subscribed.get() + 1),
                    "error" => bail!("a presence is refused: {}", presence.as_str()),
                    _ => {}
                }
            }
            Event::Iq(iq) if iq.kind() == "result" => {
                self.heard.results.set(self.heard.results.get() + 1);
            }
            Event::Iq(iq) if iq.kind() == "error" => {
                bail!("a request is refused: {}", iq.as_str())
            }
            _ => {}
        }
        Ok(Vec::new())
    }
}

impl ContactLists {
    /// Users, and their contacts where these are users too.
    pub fn accounts(&self) -> usize {
        match self.work {
            ContactWork::List => self.users,
            ContactWork::SignIn => self.users + self.contacts,
        }
    }

    fn management(&self) -> StreamManagement {
        match self.stream_management {
            true => StreamManagement::Resumable,
            false => StreamManagement::Off,
        }
    }

    /// Makes the lists, then measures. Must run inside of a `LocalSet`. To be run once at a server:
    /// lists of an earlier run stand in its way.
    pub async fn run(&self, target: Rc<Target>) -> anyhow::Result<ContactListsReport> {
        let there = match self.work {
            ContactWork::List => {
                self.write_lists(&target).await?;
                None
            }
            ContactWork::SignIn => Some(self.befriend(&target).await?),
        };
        target.say(format_args!(
            "{} lists with {} contacts are made",
            self.users, self.contacts
        ));
        // Once for each user: clients derive their keys, servers see their users.
        let warm_up = RefCell::default();
        for turn in 0..self.users {
            self.turn(&target, turn, &warm_up).await?;
        }
        let latency: RefCell<Histogram> = RefCell::default();
        let span = Span::begin(&target, "")?;
        let start = now();
        for turn in 0..self.count {
            if turn > 0 && turn.is_multiple_of(100) {
                target.say(format_args!("{turn} of {} are done", self.count));
            }
            self.turn(&target, turn, &latency).await?;
        }
        let seconds = start.elapsed().as_secs_f64();
        // What a server does after it has closed a stream belongs to it too.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let cpu = span.end()?;
        if let Some(there) = there {
            there.dismiss().await?;
        }
        let latency = latency.borrow().latency();
        Ok(ContactListsReport {
            users: self.users,
            contacts: self.contacts,
            count: self.count,
            stream_management: self.stream_management,
            seconds,
            latency,
            cpu_ms: cpu.map(|cpu| cpu / self.count.max(1) as f64),
        })
    }

    /// Contacts that nobody is: a list is as long as it says.
    async fn write_lists(&self, target: &Rc<Target>) -> anyhow::Result<()> {
        let heard = Rc::new(Heard::default());
        let ear = Rc::new(Contact {
            heard: heard.clone(),
        });
        let off = StreamManagement::Off;
        let mut crowd = Crowd::gather(target, 0..self.users, RESOURCE, off, ear).await?;
        let domain = target.users.account(0, RESOURCE)?.domain;
        let mut told = 0;
        for contact in 0..self.contacts {
            for me in 0..self.users {
                crowd.tell(
                    me,
                    format!(
                        "<iq type='set' id='c{contact}'><query xmlns='jabber:iq:roster'>\
                         <item jid='contact{contact}@{domain}' name='Contact {contact}'>\
                         <group>Colleagues</group></item></query></iq>"
                    ),
                )?;
                told += 1;
            }
            let open = || told - heard.results.get();
            let left = || open().saturating_sub(CHANGES_AT_ONCE);
            crowd.until(PATIENCE, "contacts", left).await?;
        }
        let left = || told - heard.results.get();
        crowd.until(PATIENCE, "contacts", left).await?;
        crowd.dismiss().await
    }

    /// Users and contacts see each other; every second contact stays.
    async fn befriend(&self, target: &Rc<Target>) -> anyhow::Result<Crowd> {
        let heard = Rc::new(Heard::default());
        let ear = Rc::new(Contact {
            heard: heard.clone(),
        });
        let off = StreamManagement::Off;
        let contacts = self.users..self.users + self.contacts;
        let mut all = Crowd::gather(target, contacts.clone(), RESOURCE, off, ear.clone()).await?;
        let mut askers = Crowd::gather(target, 0..self.users, RESOURCE, off, ear.clone()).await?;
        for crowd in [&all, &askers] {
            crowd.tell_all("<presence/>")?;
            crowd.tell_all("<iq type='get' id='here'><query xmlns='jabber:iq:roster'/></iq>")?;
        }
        // A request that comes before its user is kept by some servers, and lost by others.
        let everybody = (self.users + self.contacts) as u64;
        let away = || everybody.saturating_sub(heard.results.get());
        askers.until(PATIENCE, "users", away).await?;
        let mut wanted = 0;
        for (index, contact) in contacts.clone().enumerate() {
            let to = target.users.account(contact, "")?.bare_jid();
            for me in 0..self.users {
                let from = target.users.account(me, "")?.bare_jid();
                let asks = |to: &str| format!("<presence to='{}' type='subscribe'/>", escape(to));
                askers.tell(me, asks(&to))?;
                all.tell(index, asks(&from))?;
                wanted += 2;
            }
            let open = || wanted - heard.subscribed.get();
            let left = || open().saturating_sub(2 * CHANGES_AT_ONCE);
            askers.until(PATIENCE, "consents", left).await?;
            all.check()?;
        }
        let left = || wanted - heard.subscribed.get();
        askers.until(PATIENCE, "consents", left).await?;
        askers.dismiss().await?;
        all.dismiss().await?;
        let half = contacts.start..contacts.start + self.contacts / 2;
        let there = Crowd::gather(target, half, RESOURCE, off, ear).await?;
        there.tell_all("<presence/>")?;
        Ok(there)
    }

    async fn turn(
        &self,
        target: &Target,
        turn: usize,
        latency: &RefCell<Histogram>,
    ) -> anyhow::Result<()> {
        let account = target
            .users
            .account(turn % self.users, &format!("turn{turn}"))?;
        let options = target.options(self.management(), 1);
        let mut client: Client<Stream, ()> = Client::new(account, options, turn as u64, ());
        let start = now();
        target.connect(&mut client).await.context("sign in")?;
        let there = match self.work {
            ContactWork::List => 0,
            ContactWork::SignIn => self.contacts / 2,
        };
        let waits = async {
            let list = client.request_roster()?;
            if self.work == ContactWork::SignIn {
                client.available()?;
            }
            self.hear_all(&mut client, &list, there).await
        };
        let heard = timeout(PATIENCE, waits).await;
        heard.context("not everything came")??;
        latency.borrow_mut().record(start.elapsed());
        client.close().await.context("sign out")
    }

    /// The whole list, and the availability of so many contacts.
    async fn hear_all(
        &self,
        client: &mut Client<Stream, ()>,
        list: &str,
        there: usize,
    ) -> anyhow::Result<()> {
        let own = client.jid().to_owned();
        let (mut known, mut seen) = (false, 0);
        while !known || seen < there {
            match client.next().await? {
                Event::Iq(iq) if iq.attribute("id").as_deref() == Some(list) => {
                    let query = iq.child("query");
                    let items = query.iter().flat_map(Element::children).count();
                    if items != self.contacts {
                        bail!("a list has {items} contacts, not {}", self.contacts);
                    }
                    known = true;
                }
                Event::Presence(presence) => {
                    let from = presence.attribute("from").unwrap_or_default();
                    seen += usize::from(presence.kind().is_empty() && from != own);
                }
                Event::Closed => bail!("the server ended the stream"),
                _ => {}
            }
        }
        Ok(())
    }
}
