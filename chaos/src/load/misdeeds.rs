//! What each kind of hostile neighbour does to a server. Who starts and ends them is `neighbours`.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::select;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::dial::{Stream, dial_as};
use super::neighbours::{Door, Guest, Phase, RESOURCE};
use crate::client::{Error, Event};

/// How long one who was turned away stays away.
const COME_AGAIN: Duration = Duration::from_secs(5);
/// What the kernel takes for a slow reader: little, so that the server has the rest.
const SLOW_RECEIVE_BYTES: u32 = 4096;
/// Body of what a slow reader is sent once a second.
const FED_BYTES: usize = 4096;
/// Messages that a flood writes at a time.
const FLOOD_AT_ONCE: usize = 64;
const FLOOD_BYTES: usize = 64;
/// How long a flood waits for its socket before it looks what the server says.
const LOOK_AFTER: Duration = Duration::from_millis(50);

/// Opens a stream and says no more; comes again when it is thrown out.
pub async fn lurk(door: Rc<Door>, number: usize) -> anyhow::Result<()> {
    door.ready();
    door.until(Phase::Acting).await;
    select! {
        biased;
        () = door.until(Phase::Leaving) => Ok(()),
        lurked = lurk_on(&door, number) => lurked,
    }
}

async fn lurk_on(door: &Door, number: usize) -> anyhow::Result<()> {
    let header = format!(
        "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        door.gang.users.domain
    );
    loop {
        // Whether it is the server or the kernel that has no room: it comes again.
        if let Ok(stream) = dial_as(number, door.gang.address, None).await {
            hold(door, stream, &header).await;
        }
        door.ended();
        sleep(COME_AGAIN).await;
    }
}

/// Until the server ends it.
async fn hold(door: &Door, mut stream: Stream, header: &str) {
    if stream.write_all(header.as_bytes()).await.is_err() {
        return;
    }
    door.sent(header.len());
    let mut heard = [0; 1024];
    while stream.read(&mut heard).await.is_ok_and(|count| count > 0) {}
}

/// Reads one byte a second.
pub async fn dawdle(door: Rc<Door>, user: usize) -> anyhow::Result<()> {
    let guest = door.enter(user, Some(SLOW_RECEIVE_BYTES)).await;
    let Guest { mut client, tap } = guest.context("be a slow reader")?;
    select! {
        biased;
        () = door.until(Phase::Acting) => {}
        ended = listen(&mut client) => return Err(ended).context("wait as a slow reader"),
    }
    tap.slow();
    select! {
        biased;
        () = door.until(Phase::Leaving) => return Ok(()),
        _ = listen(&mut client) => door.ended(),
    }
    door.until(Phase::Leaving).await;
    Ok(())
}

/// Sends something to each slow reader once a second.
pub async fn feed(door: Rc<Door>, user: usize, fed: Range<usize>) -> anyhow::Result<()> {
    let Guest { mut client, .. } = door.enter(user, None).await.context("feed slow readers")?;
    let body = "x".repeat(FED_BYTES);
    let mut turns = fed.clone().cycle();
    let mut tick = interval(Duration::from_secs(1) / fed.len().max(1) as u32);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    select! {
        biased;
        () = door.until(Phase::Acting) => {}
        ended = listen(&mut client) => return Err(ended).context("wait to feed slow readers"),
    }
    tick.reset();
    loop {
        select! {
            biased;
            () = door.until(Phase::Leaving) => return Ok(()),
            _ = tick.tick() => {
                let user = turns.next().context("feed somebody")?;
                let to = door.gang.users.account(user, "")?.bare_jid();
                match client.message(&format!("{to}/{RESOURCE}"), "fed", &body) {
                    Ok(()) => door.sent(body.len()),
                    // The server reads no more for now: who feeds has to wait.
                    Err(Error::Full(_)) => {}
                    Err(error) => return Err(error).context("feed a slow reader"),
                }
            }
            // Some come back, because a slow reader has no room or is gone.
            event = client.next() => { event.context("feed slow readers")?; }
        }
    }
}

/// Sends as fast as its socket takes it.
pub async fn flood(door: Rc<Door>, user: usize, to: usize) -> anyhow::Result<()> {
    let Guest { mut client, .. } = door.enter(user, None).await.context("flood")?;
    let to = format!("{}/{RESOURCE}", door.gang.users.account(to, "")?.bare_jid());
    let body = "x".repeat(FLOOD_BYTES);
    select! {
        biased;
        () = door.until(Phase::Acting) => {}
        ended = listen(&mut client) => return Err(ended).context("wait to flood"),
    }
    let flooding = async {
        loop {
            for _ in 0..FLOOD_AT_ONCE {
                client.message(&to, "flood", &body)?;
            }
            select! {
                biased;
                flushed = client.flush() => { flushed?; door.sent(FLOOD_AT_ONCE * body.len()); }
                () = sleep(LOOK_AFTER) => {}
            }
            // What came back meanwhile must be read, or both would wait for each other.
            while select! {
                biased;
                event = client.next() => {
                    if event? == Event::Closed {
                        return Err(Error::Closed);
                    }
                    true
                }
                () = yield_now() => false,
            } {}
        }
    };
    select! {
        biased;
        () = door.until(Phase::Leaving) => return Ok(()),
        // To throw a flood out is a server's right.
        Err::<(), Error>(_) = flooding => door.ended(),
    }
    door.until(Phase::Leaving).await;
    Ok(())
}

/// Reads what a flood sends to it.
pub async fn swallow(door: Rc<Door>, user: usize) -> anyhow::Result<()> {
    let Guest { mut client, .. } = door.enter(user, None).await.context("be flooded")?;
    select! {
        biased;
        () = door.until(Phase::Leaving) => Ok(()),
        _ = listen(&mut client) => {
            door.ended();
            door.until(Phase::Leaving).await;
            Ok(())
        }
    }
}

/// Takes what comes, until the connection ends; why it did.
async fn listen<S>(client: &mut crate::client::Client<S, ()>) -> Error
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        match client.next().await {
            Ok(Event::Closed) => return Error::Closed,
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}
