//! Moves the bytes of one living connection: reads frames and hands them to the desks, writes what
//! waits, pings, and notices when the other side is gone. Not for making the connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pollux_domain::ids::GroupId;
use pollux_domain::limits;
use pollux_domain::seams::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::frame::{Decoder, Frame, FrameError, Kind};
use crate::link::Link;
use crate::links::Inner;
use crate::net::Socket;
use crate::peer::Peer;
use crate::peers::{LinkError, Subject, Topic};
use crate::refusal::Refusal;
use crate::security::Trusted;

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The other side closed it, or the network did.
    Closed(String),
    Garbage(String),
    Silent,
    /// We did: a newer connection, or the node has no place any more.
    HungUp,
    Refused(Refusal),
}

/// Room for what one read brings.
const READ_BYTES: usize = 16 * 1024;
/// Reads, before what waits to be written has its turn. tokio gives a task 128 operations a turn.
const READS_PER_TURN: u32 = 16;
/// Frames are written together up to this.
const WRITE_BYTES: usize = 64 * 1024;
/// Round trips are measured so often even while there is traffic.
const MEASURE: Duration = Duration::from_secs(1);
/// After an authority was given up, for those it had let in to show something newer.
const TRUST_LINGERS: Duration = Duration::from_secs(5);
/// Between two attempts to put an answer into a full queue.
const ANSWER_STEP: Duration = Duration::from_millis(10);

/// Until the connection is over. The link has its seat.
pub(crate) async fn serve(
    inner: &Inner,
    peer: &Arc<Peer>,
    link: &Arc<Link>,
    mut waiting: mpsc::Receiver<Frame>,
    socket: Box<dyn Socket>,
    trusted: Trusted,
) -> Ended {
    let _seat = Seat { peer, link };
    let clock = &*inner.ambient.clock;
    let (reader, writer) = tokio::io::split(socket);
    // Reading stands before watching: after a pause of this thread what has come is heard first.
    tokio::select! {
        biased;
        () = peer.removed() => Ended::HungUp,
        () = link.hang_up.notified() => Ended::HungUp,
        ended = receive(inner, peer, link, reader) => ended,
        ended = watch(link, clock) => ended,
        ended = outlive_trust(trusted) => ended,
        ended = send(link, &mut waiting, writer, clock) => ended,
    }
}

/// Whoever dials has made a newer connection by then, if the other side is believed.
async fn outlive_trust(trusted: Trusted) -> Ended {
    trusted.lapses().await;
    tokio::time::sleep(TRUST_LINGERS).await;
    Ended::Closed("it stood on an authority that is not believed any more".to_owned())
}

/// Leaves also when a desk panics.
struct Seat<'a> {
    peer: &'a Arc<Peer>,
    link: &'a Arc<Link>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.peer.leave(self.link);
        self.link.close();
    }
}

// === out ===

async fn send(
    link: &Link,
    waiting: &mut mpsc::Receiver<Frame>,
    mut writer: WriteHalf<Box<dyn Socket>>,
    clock: &dyn Clock,
) -> Ended {
    let mut out = BytesMut::new();
    while let Some(frame) = waiting.recv().await {
        frame.write(&mut out);
        while out.len() < WRITE_BYTES
            && let Ok(frame) = waiting.try_recv()
        {
            frame.write(&mut out);
        }
        let written = async {
            writer.write_all(&out).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            return Ended::Closed(error.to_string());
        }
        link.written(out.len(), clock.now());
        out.clear();
        if 2 * WRITE_BYTES < out.capacity() {
            out = BytesMut::new();
        }
    }
    Ended::HungUp
}

async fn watch(link: &Link, clock: &dyn Clock) -> Ended {
    let pace = link.lane.pace();
    loop {
        tokio::time::sleep(pace.ping).await;
        let now = clock.now();
        if pace.dead <= now.saturating_sub(link.heard()) {
            return Ended::Silent;
        }
        // Half a step of tolerance: a sleep is never shorter than asked, and a clock counts
        // milliseconds.
        let quiet = pace.ping / 2 <= now.saturating_sub(link.said());
        if quiet || MEASURE <= now.saturating_sub(link.pinged()) {
            link.ping(now);
        }
    }
}

// === in ===

async fn receive(
    inner: &Inner,
    peer: &Peer,
    link: &Arc<Link>,
    mut reader: ReadHalf<Box<dyn Socket>>,
) -> Ended {
    let mut decoder = Decoder::new(link.lane.pace().body_max);
    let mut answers = JoinSet::new();
    let mut reads = 0_u32;
    loop {
        // Else a flood from there would use up this task's turn, and nothing would be written.
        reads = reads.wrapping_add(1);
        if reads.is_multiple_of(READS_PER_TURN) {
            tokio::task::yield_now().await;
        }
        decoder.buffer().reserve(READ_BYTES);
        match reader.read_buf(decoder.buffer()).await {
            Ok(0) => return Ended::Closed("end of stream".to_owned()),
            Ok(length) => link.received(length, inner.ambient.clock.now()),
            Err(error) => return Ended::Closed(error.to_string()),
        }
        while let Some(ended) = answers.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "answering another node failed");
            }
        }
        loop {
            let ended = match decoder.frame() {
                Ok(None) => break,
                Ok(Some(frame)) => take(inner, peer, link, frame, &mut answers),
                Err(FrameError::Version { found }) => Err(Ended::Refused(Refusal::version(found))),
                Err(error) => Err(Ended::Garbage(error.to_string())),
            };
            if let Err(ended) = ended {
                return ended;
            }
        }
    }
}

fn take(
    inner: &Inner,
    peer: &Peer,
    link: &Arc<Link>,
    frame: Frame,
    answers: &mut JoinSet<()>,
) -> Result<(), Ended> {
    let node = link.node;
    match frame.kind {
        Kind::Tell => match topic(&frame).and_then(|topic| inner.desks.desk(topic)) {
            Some(desk) => desk.told(node, frame.body),
            None => {
                let (subject, group) = (frame.subject, frame.group);
                tracing::debug!(%node, subject, group, "told about an unknown topic");
            }
        },
        Kind::Ask => asked(inner, link, frame, answers),
        Kind::Answer => link.answered(frame.id, Ok(frame.body)),
        Kind::Refused => {
            let words = String::from_utf8_lossy(&frame.body).into_owned();
            link.answered(frame.id, Err(LinkError::Refused(node, words)));
        }
        Kind::NoSuchTopic => link.answered(frame.id, Err(LinkError::NoSuchTopic(node))),
        Kind::Ping => {
            // A full queue is heard as well as an answer.
            let _full = link.queue(Frame::plain(Kind::Pong, frame.id, Bytes::new()));
        }
        Kind::Pong => {
            // Once: else a second process that is refused all the time would be news all the time.
            if link.ponged(frame.id, inner.ambient.clock.now()) {
                peer.works();
            }
        }
        Kind::Refusal => return Err(Ended::Refused(Refusal::read(&frame.body))),
        Kind::Hello | Kind::Welcome | Kind::Header | Kind::Join | Kind::Grant => {
            return Err(Ended::Garbage(format!(
                "{:?} on a standing link",
                frame.kind
            )));
        }
    }
    Ok(())
}

fn topic(frame: &Frame) -> Option<Topic> {
    let subject = Subject::ALL
        .into_iter()
        .find(|subject| *subject as u8 == frame.subject)?;
    Some(Topic {
        subject,
        group: GroupId::from_number(frame.group),
    })
}

/// Each question is answered in its own time: a slow one delays no other.
fn asked(inner: &Inner, link: &Arc<Link>, frame: Frame, answers: &mut JoinSet<()>) {
    let id = frame.id;
    let refused = move |words: String| Frame::plain(Kind::Refused, id, words.into());
    let desk = topic(&frame).and_then(|topic| inner.desks.desk(topic));
    // More than the other side may have open: it does not keep the rules.
    if 2 * limits::LINK_ASKS_MAX <= answers.len() {
        let _full = link.queue(refused("too many questions wait here".to_owned()));
        return;
    }
    let link = link.clone();
    answers.spawn_local(async move {
        let answer = match desk {
            None => Frame::plain(Kind::NoSuchTopic, id, Bytes::new()),
            Some(desk) => match desk.asked(link.node, frame.body).await {
                Ok(body) if link.lane.pace().body_max < body.len() => refused(format!(
                    "the answer has {} bytes, too many for the lane",
                    body.len()
                )),
                Ok(body) => Frame::plain(Kind::Answer, id, body),
                Err(words) => refused(words),
            },
        };
        // Waits for room as long as the connection lives.
        while let Err(LinkError::Full(_)) = link.queue(answer.clone()) {
            tokio::time::sleep(ANSWER_STEP).await;
        }
    });
}
