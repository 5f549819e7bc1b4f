//! Many clients, each in a task of its own: a workload tells them what to send, and they tell it
//! what they hear. Knows no workload.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::select;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::clock::now;
use super::dial::Stream;
use super::target::Target;
use crate::client::{Client, Event, StreamManagement};

const SIGN_INS_AT_ONCE: usize = 16;
/// Stanzas that may wait for one client; a server that is further behind cannot do the work.
const ORDERS_MAX: usize = 16_384;
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const TELL_AGAIN: Duration = Duration::from_secs(2);

/// Who listens to all clients of a crowd.
pub trait Ear {
    /// Client `me`, counted from 0 in its crowd, got this; what it answers, stanza by stanza. An
    /// error ends the run.
    fn hear(&self, me: usize, event: Event<'_>) -> anyhow::Result<Vec<String>>;
}

pub struct Crowd {
    orders: Vec<mpsc::Sender<String>>,
    members: JoinSet<anyhow::Result<()>>,
    ready: Rc<Cell<usize>>,
}

/// One client with all that its task needs.
struct Member {
    me: usize,
    client: Client<Stream, ()>,
    orders: mpsc::Receiver<String>,
    ear: Rc<dyn Ear>,
    ready: Rc<Cell<usize>>,
}

impl Crowd {
    /// Signs `users` in with this resource, and says nothing of their availability. Must run inside
    /// of a `LocalSet`.
    pub async fn gather(
        target: &Rc<Target>,
        users: Range<usize>,
        resource: &str,
        management: StreamManagement,
        ear: Rc<dyn Ear>,
    ) -> anyhow::Result<Self> {
        let mut crowd = Crowd {
            orders: Vec::new(),
            members: JoinSet::new(),
            ready: Rc::default(),
        };
        let gate = Rc::new(Semaphore::new(SIGN_INS_AT_ONCE));
        let options = target.options(management, 1);
        for (me, user) in users.enumerate() {
            let account = target.users.account(user, resource)?;
            let (sender, orders) = mpsc::channel(ORDERS_MAX);
            crowd.orders.push(sender);
            let member = Member {
                me,
                client: Client::new(account, options.clone(), user as u64, ()),
                orders,
                ear: ear.clone(),
                ready: crowd.ready.clone(),
            };
            let work = member.attend(target.clone(), gate.clone());
            crowd.members.spawn_local(work);
        }
        crowd.wait_ready(target).await?;
        Ok(crowd)
    }

    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Client `me` sends this stanza.
    pub fn tell(&self, me: usize, stanza: String) -> anyhow::Result<()> {
        let told = self.orders[me].try_send(stanza);
        told.with_context(|| format!("client {me} is gone or {ORDERS_MAX} stanzas behind"))
    }

    pub fn tell_all(&self, stanza: &str) -> anyhow::Result<()> {
        (0..self.len()).try_for_each(|me| self.tell(me, stanza.to_owned()))
    }

    /// Sees whether a client has ended before its time.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.members.try_join_next() {
            None => Ok(()),
            Some(ended) => {
                ended.context("join a client")??;
                bail!("a client ended before its time");
            }
        }
    }

    /// Waits until `left` says 0; an error if that number has not changed for `patience`.
    pub async fn until(
        &mut self,
        patience: Duration,
        what: &str,
        left: impl Fn() -> u64,
    ) -> anyhow::Result<()> {
        let mut last = (left(), now());
        loop {
            self.check()?;
            let (now_left, moment) = (left(), now());
            match now_left {
                0 => return Ok(()),
                same if same == last.0 => {
                    let stood = moment - last.1;
                    if stood > patience {
                        bail!("{same} {what} have not come for {stood:.0?}");
                    }
                }
                fewer => last = (fewer, moment),
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Everybody sends what waits, and ends its session in order.
    pub async fn dismiss(mut self) -> anyhow::Result<()> {
        self.orders.clear();
        while let Some(ended) = self.members.join_next().await {
            ended.context("join a client")??;
        }
        Ok(())
    }

    async fn wait_ready(&mut self, target: &Target) -> anyhow::Result<()> {
        let mut told = now();
        while self.ready.get() < self.len() {
            self.check()?;
            if told.elapsed() > TELL_AGAIN {
                told = now();
                target.say(format_args!(
                    "{} of {} signed in",
                    self.ready.get(),
                    self.len()
                ));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

impl Member {
    async fn attend(mut self, target: Rc<Target>, gate: Rc<Semaphore>) -> anyhow::Result<()> {
        let who = format!("{:?}", self.client.account);
        let turn = gate.acquire().await.context("wait for a turn")?;
        let connected = target.connect(&mut self.client).await;
        connected.with_context(|| format!("sign in {who}"))?;
        drop(turn);
        self.ready.set(self.ready.get() + 1);
        self.listen().await.with_context(|| who.clone())?;
        self.client
            .close()
            .await
            .with_context(|| format!("sign out {who}"))
    }

    /// Until there will be no orders more.
    async fn listen(&mut self) -> anyhow::Result<()> {
        loop {
            select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(stanza) => self.client.send(&stanza)?,
                    None => return Ok(()),
                },
                event = self.client.next() => {
                    let event = event?;
                    if event == Event::Closed {
                        bail!("the server ended the stream");
                    }
                    for stanza in self.ear.hear(self.me, event)? {
                        self.client.send(&stanza)?;
                    }
                }
            }
        }
    }
}
