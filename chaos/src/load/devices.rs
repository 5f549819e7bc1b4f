//! Messages to users with several devices: each device is to get each message, by forking or as a
//! carbon (XEP-0280). What one delivery costs the server, and how long it takes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;
use tokio::select;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::clock::now;
use super::crowd::{Crowd, Ear};
use super::histogram::{Histogram, Latency};
use super::span::Span;
use super::target::Target;
use crate::client::{Event, StreamManagement, escape};

/// How long nothing may move before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Half of the users write to the other half, each to one, in a closed loop: the next message goes
/// when all devices have the one before.
#[derive(Debug, Clone, Copy)]
pub struct Devices {
    /// Who receive; as many send.
    pub receivers: usize,
    /// Of each receiver.
    pub devices: usize,
    /// Messages go to one device, the others have carbons on. Otherwise they go to the user.
    pub carbons: bool,
    pub body_bytes: usize,
    pub stream_management: bool,
    pub warm_up: Duration,
    pub duration: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct DevicesReport {
    pub receivers: usize,
    pub devices: usize,
    pub carbons: bool,
    pub stream_management: bool,
    pub seconds: f64,
    /// In the measured time, to all devices.
    pub deliveries: u64,
    pub deliveries_per_second: f64,
    pub cpu_ms_per_delivery: Option<f64>,
    /// From the message to each delivery.
    pub latency: Latency,
}

/// The account of what the devices have got.
struct Tally {
    devices: usize,
    receivers: RefCell<Vec<Receiver>>,
    deliveries: Cell<u64>,
    /// Devices that have what they asked for at the beginning.
    ready: Cell<usize>,
    latency: RefCell<Histogram>,
    finished: Notify,
}

struct Receiver {
    sent: u64,
    at: Instant,
    /// Deliveries of the last message that are missing.
    left: usize,
}

/// All receivers' devices of one name.
struct Device {
    tally: Rc<Tally>,
}

impl Ear for Device {
    fn hear(&self, me: usize, event: Event<'_>) -> anyhow::Result<Vec<String>> {
        match event {
            Event::Message(message) if message.kind() == "error" => {
                bail!("a message is refused: {}", message.as_str())
            }
            Event::Message(_) => self.tally.deliver(me)?,
            Event::Iq(iq) if iq.kind() == "error" => {
                bail!("a request is refused: {}", iq.as_str())
            }
            Event::Iq(_) => self.tally.ready.set(self.tally.ready.get() + 1),
            Event::Presence(_) | Event::Acknowledged { .. } | Event::Closed => {}
        }
        Ok(Vec::new())
    }
}

/// Who send hear nothing but errors.
struct Sender;

impl Ear for Sender {
    fn hear(&self, _me: usize, event: Event<'_>) -> anyhow::Result<Vec<String>> {
        match event {
            Event::Message(message) => bail!("a message is refused: {}", message.as_str()),
            _ => Ok(Vec::new()),
        }
    }
}

impl Tally {
    fn deliver(&self, me: usize) -> anyhow::Result<()> {
        let receiver = &mut self.receivers.borrow_mut()[me];
        if receiver.left == 0 {
            bail!("a device of receiver {me} has got a message twice");
        }
        receiver.left -= 1;
        self.deliveries.set(self.deliveries.get() + 1);
        self.latency.borrow_mut().record(now() - receiver.at);
        if receiver.left == 0 {
            self.finished.notify_one();
        }
        Ok(())
    }

    fn missing(&self) -> u64 {
        let receivers = self.receivers.borrow();
        receivers.iter().map(|receiver| receiver.left as u64).sum()
    }
}

impl Devices {
    pub fn users(&self) -> usize {
        2 * self.receivers
    }

    /// Must run inside of a `LocalSet`.
    pub async fn run(&self, target: Rc<Target>) -> anyhow::Result<DevicesReport> {
        let receiver = |_| Receiver {
            sent: 0,
            at: now(),
            left: 0,
        };
        let tally = Rc::new(Tally {
            devices: self.devices,
            receivers: RefCell::new((0..self.receivers).map(receiver).collect()),
            deliveries: Cell::new(0),
            ready: Cell::new(0),
            latency: RefCell::default(),
            finished: Notify::new(),
        });
        let management = match self.stream_management {
            true => StreamManagement::Resumable,
            false => StreamManagement::Off,
        };
        let mut devices = Vec::new();
        for device in 0..self.devices {
            let ear = Rc::new(Device {
                tally: tally.clone(),
            });
            let users = self.receivers..2 * self.receivers;
            let name = format!("device{device}");
            let mut crowd = Crowd::gather(&target, users, &name, management, ear).await?;
            crowd.tell_all("<presence/>")?;
            crowd.tell_all(match self.carbons {
                true => "<iq type='set' id='on'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
                false => "<iq type='get' id='on'><ping xmlns='urn:xmpp:ping'/></iq>",
            })?;
            let all = (devices.len() + 1) * self.receivers;
            let unready = || (all - tally.ready.get()) as u64;
            crowd
                .until(PATIENCE, "answers of the beginning", unready)
                .await?;
            devices.push(crowd);
        }
        let senders = Rc::new(Sender);
        let mut senders =
            Crowd::gather(&target, 0..self.receivers, "sender", management, senders).await?;
        target.say(format_args!(
            "{} users with {} devices each are here",
            self.receivers, self.devices
        ));
        let end = now() + self.warm_up + self.duration;
        let ((), measured) = tokio::try_join!(
            self.drive(&target, &mut senders, &tally, end),
            self.measure(&tally, &target)
        )?;
        let missing = || tally.missing();
        senders.until(PATIENCE, "deliveries", missing).await?;
        for crowd in devices {
            crowd.dismiss().await?;
        }
        senders.dismiss().await?;
        Ok(measured)
    }

    async fn drive(
        &self,
        target: &Target,
        senders: &mut Crowd,
        tally: &Tally,
        end: Instant,
    ) -> anyhow::Result<()> {
        let body = "x".repeat(self.body_bytes);
        let mut addresses = Vec::new();
        for user in self.receivers..2 * self.receivers {
            let jid = target.users.account(user, "device0")?.bare_jid();
            addresses.push(match self.carbons {
                true => format!("{}/device0", escape(&jid)),
                false => escape(&jid).into_owned(),
            });
        }
        while now() < end {
            for (me, to) in addresses.iter().enumerate() {
                let receiver = &mut tally.receivers.borrow_mut()[me];
                if receiver.left == 0 {
                    receiver.sent += 1;
                    receiver.left = tally.devices;
                    receiver.at = now();
                    let number = receiver.sent;
                    senders.tell(
                        me,
                        format!(
                            "<message type='chat' to='{to}' id='m{number}'>\
                             <body>{body}</body></message>"
                        ),
                    )?;
                }
            }
            senders.check()?;
            select! {
                biased;
                () = tally.finished.notified() => {}
                () = sleep(LOOK_AGAIN) => {}
            }
        }
        Ok(())
    }

    /// Counts from the end of the warm-up to the end of the run.
    async fn measure(&self, tally: &Tally, target: &Target) -> anyhow::Result<DevicesReport> {
        sleep(self.warm_up).await;
        let span = Span::begin(target, "")?;
        tally.latency.borrow_mut().clear();
        let (before, start) = (tally.deliveries.get(), now());
        sleep(self.duration).await;
        let cpu = span.end()?;
        let seconds = start.elapsed().as_secs_f64();
        let deliveries = tally.deliveries.get() - before;
        let latency = tally.latency.borrow().latency();
        Ok(DevicesReport {
            receivers: self.receivers,
            devices: self.devices,
            carbons: self.carbons,
            stream_management: self.stream_management,
            seconds,
            deliveries,
            deliveries_per_second: deliveries as f64 / seconds,
            cpu_ms_per_delivery: cpu.map(|cpu| cpu / deliveries.max(1) as f64),
            latency,
        })
    }
}
