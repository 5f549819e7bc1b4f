//! What users put down before a fault and must find after it: vCard, private data, contact list,
//! blocking, a policy, a stored message, copies switched on. Not for what they say meanwhile: that
//! is in the account of `load`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, Element, Event, Outcome, StreamManagement};
use crate::load::{Stream, Target, now};
use crate::servers::Users;
use crate::servers::pair::Pair;

/// Who keep something, beside those who chat.
pub const USERS: usize = 3;
const CARBONS: &str = "urn:xmpp:carbons:2";
/// How long one thing may be awaited.
const PATIENCE: Duration = Duration::from_secs(15);
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// With a policy `ctl` shows this, without it another word.
const POLICY: &str = "external=block";
const POLICY_SHOWN: [&str; 2] = ["external", "block"];

type Device = Client<Stream, ()>;

/// A user with a device that is here when the fault comes. Of the two others the friend is away,
/// and the pest is blocked.
pub struct Keepsakes {
    desk: Device,
    /// The number of the first of the three.
    first: usize,
    /// Tells what this run put down from what others did.
    mark: String,
}

/// A policy is an administrator's.
pub fn set_policy(pair: &Pair, users: &Users) -> anyhow::Result<()> {
    let keeper = users.name(users.count - USERS);
    let station = &pair.stations[pair.owner(pair.onlooker())?];
    let set = station.ctl(&["user", "privacy", &keeper, POLICY]);
    set.map(drop).context("set a privacy policy")
}

/// Whether the policy is gone.
pub fn is_policy_lost(pair: &Pair, users: &Users) -> anyhow::Result<bool> {
    let keeper = users.name(users.count - USERS);
    let station = &pair.stations[pair.owner(pair.onlooker())?];
    let shown = station.ctl(&["user", "privacy", &keeper])?;
    let has = |line: &str| {
        let mut words = line.split_whitespace().filter(|word| *word != "*");
        POLICY_SHOWN.iter().all(|word| words.next() == Some(*word))
    };
    Ok(!shown.lines().any(has))
}

impl Keepsakes {
    /// All of it is acknowledged when this returns.
    pub async fn put(target: &Target, seed: u64) -> anyhow::Result<Self> {
        let first = target.users.count - USERS;
        let mark = format!("run {seed}");
        let mut desk = device(target, first, "desk", seed)?;
        come(target, &mut desk).await?;
        let (friend, pest) = (bare(target, first + 1)?, bare(target, first + 2)?);
        for payload in [
            format!("<vCard xmlns='vcard-temp'><FN>{mark}</FN></vCard>"),
            format!("<query xmlns='jabber:iq:private'><kept xmlns='drill'>{mark}</kept></query>"),
            format!("<query xmlns='jabber:iq:roster'><item jid='{friend}' name='{mark}'/></query>"),
            format!("<block xmlns='urn:xmpp:blocking'><item jid='{pest}'/></block>"),
            format!("<enable xmlns='{CARBONS}'/>"),
        ] {
            ask(&mut desk, "set", &payload).await?;
        }
        desk.message(&friend, &stored(&mark), &mark)?;
        let acknowledged = async {
            while desk.unacknowledged() > 0 {
                desk.next().await?;
            }
            anyhow::Ok(())
        };
        let acknowledged = timeout(PATIENCE, acknowledged).await;
        acknowledged.context("wait until all is acknowledged")??;
        Ok(Keepsakes { desk, first, mark })
    }

    /// What is not there any more, in words.
    pub async fn missing(mut self, target: &Target) -> anyhow::Result<Vec<String>> {
        let mut missing = Vec::new();
        self.desk.cut();
        let resumed = reach(target, &mut self.desk).await?;
        if !matches!(resumed, Outcome::Resumed { .. }) {
            missing.push("the session".to_owned());
        }
        let pest = bare(target, self.first + 2)?;
        for (what, payload, word) in [
            ("vCard", "<vCard xmlns='vcard-temp'/>", &self.mark),
            (
                "private data",
                "<query xmlns='jabber:iq:private'><kept xmlns='drill'/></query>",
                &self.mark,
            ),
            (
                "contact list",
                "<query xmlns='jabber:iq:roster'/>",
                &self.mark,
            ),
            (
                "block list",
                "<blocklist xmlns='urn:xmpp:blocking'/>",
                &pest,
            ),
        ] {
            if !ask(&mut self.desk, "get", payload).await?.contains(word) {
                missing.push(what.to_owned());
            }
        }
        if !self.is_refused(target).await? {
            missing.push("blocking".to_owned());
        }
        if !self.is_stored(target).await? {
            missing.push("the stored message".to_owned());
        }
        if !self.is_copied(target).await? {
            missing.push("copies that were switched on".to_owned());
        }
        self.desk.close().await.context("sign off")?;
        Ok(missing)
    }

    /// Whether whom the keeper blocks is refused.
    async fn is_refused(&self, target: &Target) -> anyhow::Result<bool> {
        let mut pest = device(target, self.first + 2, "pest", 2)?;
        come(target, &mut pest).await?;
        pest.message(&bare(target, self.first)?, "blocked", "hello")?;
        let refused = timeout(PATIENCE, async {
            loop {
                if let Event::Message(message) = pest.next().await? {
                    return anyhow::Ok(message.kind() == "error");
                }
            }
        });
        // Silence is an answer too: then the message was taken.
        let refused = refused.await.unwrap_or(Ok(false))?;
        pest.close().await.context("sign off")?;
        Ok(refused)
    }

    /// Whether the friend finds what was stored, once.
    async fn is_stored(&self, target: &Target) -> anyhow::Result<bool> {
        let mut friend = device(target, self.first + 1, "friend", 3)?;
        come(target, &mut friend).await?;
        let id = stored(&self.mark);
        let (mut found, mut ping): (u32, Option<String>) = (0, None);
        let answered = timeout(PATIENCE, async {
            loop {
                match friend.next().await? {
                    Event::Message(message) if is(message, &id) => found += 1,
                    Event::Iq(iq) if ping.as_deref().is_some_and(|ping| is(iq, ping)) => {
                        return anyhow::Ok(());
                    }
                    _ => {}
                }
                // What comes twice comes before the answer to what is asked now.
                if found == 1 && ping.is_none() {
                    ping = Some(friend.request_ping()?);
                }
            }
        });
        // Silence is an answer too: then it was not stored.
        answered.await.unwrap_or(Ok(()))?;
        friend.close().await.context("sign off")?;
        Ok(found == 1)
    }

    /// Whether the desk gets a copy of what its user says elsewhere.
    async fn is_copied(&mut self, target: &Target) -> anyhow::Result<bool> {
        let mut sofa = device(target, self.first, "sofa", 4)?;
        come(target, &mut sofa).await?;
        sofa.message(&bare(target, self.first + 1)?, "copied", &self.mark)?;
        sofa.flush().await?;
        let copied = timeout(PATIENCE, async {
            loop {
                if let Event::Message(message) = self.desk.next().await? {
                    let sent = message.child("sent").and_then(|sent| sent.namespace());
                    if sent.is_some_and(|namespace| namespace == CARBONS) {
                        return anyhow::Ok(true);
                    }
                }
            }
        });
        let copied = copied.await.unwrap_or(Ok(false))?;
        sofa.close().await.context("sign off")?;
        Ok(copied)
    }
}

fn stored(mark: &str) -> String {
    format!("stored, {mark}")
}

fn is(stanza: Element<'_>, id: &str) -> bool {
    stanza.attribute("id").is_some_and(|found| found == id)
}

fn bare(target: &Target, user: usize) -> anyhow::Result<String> {
    Ok(target.users.account(user, "")?.bare_jid())
}

fn device(target: &Target, user: usize, resource: &str, seed: u64) -> anyhow::Result<Device> {
    let account = target.users.account(user, resource)?;
    let options = target.options(StreamManagement::Resumable, 1);
    // Another run, and another device, has other ids.
    let seed = seed << 8 | user as u64 & 0xff;
    Ok(Client::new(account, options, seed, ()))
}

/// Signs in and is available.
async fn come(target: &Target, device: &mut Device) -> anyhow::Result<()> {
    reach(target, device).await?;
    device.available().context("say that it is here")
}

/// Connects to whichever node answers: after a fault the first one may be away.
async fn reach(target: &Target, device: &mut Device) -> anyhow::Result<Outcome> {
    let start = now();
    let mut addresses = target.addresses.iter().cycle();
    loop {
        let address: &SocketAddr = addresses.next().context("no node has an address")?;
        match target.connect_to(device, *address).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) if is_over(start) => return Err(error).context("reach a node"),
            Err(_) => sleep(TRY_AGAIN).await,
        }
    }
}

fn is_over(start: Instant) -> bool {
    start.elapsed() > PATIENCE
}

/// The answer to a request to the own account, as text.
async fn ask(device: &mut Device, kind: &str, payload: &str) -> anyhow::Result<String> {
    let id = device.request(kind, "", payload)?;
    let answered = timeout(PATIENCE, async {
        loop {
            if let Event::Iq(iq) = device.next().await?
                && is(iq, &id)
            {
                if iq.kind() != "result" {
                    bail!("{payload} is refused: {}", iq.as_str());
                }
                return Ok(iq.as_str().to_owned());
            }
        }
    });
    let answered = answered.await;
    answered.with_context(|| format!("wait for the answer to {payload}"))?
}
