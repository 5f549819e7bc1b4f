//! One living connection to another node, as those who talk over it hold it: bounded queues, asks
//! with their answers, counts. Not for the bytes: `serve` moves them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::limits;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::frame::{Frame, Kind};
use crate::hello::Life;
use crate::peers::{Answer, Lane, LinkError, Topic};

/// The two speeds of the two lanes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Who has said nothing for so long says a ping.
    pub ping: Duration,
    /// Who was not heard for so long is gone.
    pub dead: Duration,
    pub body_max: usize,
    pub queue_bytes_max: usize,
}

const CONTROL: Pace = Pace {
    ping: Duration::from_millis(100),
    dead: Duration::from_secs(1),
    body_max: limits::LINK_CONTROL_BYTES_MAX,
    queue_bytes_max: limits::LINK_CONTROL_QUEUE_BYTES_MAX,
};
const BULK: Pace = Pace {
    ping: Duration::from_millis(500),
    dead: Duration::from_secs(3),
    body_max: limits::LINK_BULK_BYTES_MAX,
    queue_bytes_max: limits::LINK_BULK_QUEUE_BYTES_MAX,
};

impl Lane {
    pub const ALL: [Lane; 2] = [Lane::Control, Lane::Bulk];

    pub const fn pace(self) -> Pace {
        match self {
            Lane::Control => CONTROL,
            Lane::Bulk => BULK,
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// Sums over all connections of one lane to one node.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub connections: AtomicU64,
    pub garbage: AtomicU64,
}

/// Both ends of one connection's shared half are in this process: the handle, and `serve`.
#[derive(Debug)]
pub(crate) struct Link {
    pub node: NodeId,
    pub lane: Lane,
    pub life: Life,
    pub since: Duration,
    pub counts: Arc<Counts>,
    pub hang_up: Notify,
    queue: mpsc::Sender<Frame>,
    queued_bytes: AtomicUsize,
    asks: Mutex<Asks>,
    /// Milliseconds of the clock at which the other side was last heard, and last spoken to.
    heard: AtomicU64,
    said: AtomicU64,
    ping: Mutex<Ping>,
}

#[derive(Debug)]
struct Asks {
    open: bool,
    next: u32,
    waiting: BTreeMap<u32, oneshot::Sender<Result<Bytes, LinkError>>>,
}

#[derive(Debug, Default)]
struct Ping {
    id: u32,
    sent: Duration,
    round_trip: Option<Duration>,
}

impl Link {
    /// With the frames that wait to be written.
    pub fn new(
        node: NodeId,
        lane: Lane,
        life: Life,
        now: Duration,
        counts: Arc<Counts>,
    ) -> (Arc<Link>, mpsc::Receiver<Frame>) {
        let (queue, waiting) = mpsc::channel(limits::LINK_QUEUE_MAX);
        let link = Link {
            node,
            lane,
            life,
            since: now,
            counts,
            hang_up: Notify::new(),
            queue,
            queued_bytes: AtomicUsize::new(0),
            asks: Mutex::new(Asks {
                open: true,
                next: 0,
                waiting: BTreeMap::new(),
            }),
            heard: AtomicU64::new(millis(now)),
            said: AtomicU64::new(millis(now)),
            ping: Mutex::default(),
        };
        (Arc::new(link), waiting)
    }

    pub fn tell(&self, topic: Topic, body: Bytes) -> Result<(), LinkError> {
        self.say(Kind::Tell, topic, 0, body)
    }

    pub fn ask(self: &Arc<Self>, topic: Topic, body: Bytes) -> Answer {
        let (id, answer) = match self.expect_answer() {
            Ok(expected) => expected,
            Err(error) => return Box::pin(async move { Err(error) }),
        };
        // From here on the place is given back however the question ends.
        let place = AskPlace {
            link: self.clone(),
            id,
        };
        let said = self.say(Kind::Ask, topic, id, body);
        Box::pin(async move {
            said?;
            let lost = LinkError::Lost(place.link.node);
            answer.await.unwrap_or(Err(lost))
        })
    }

    fn say(&self, kind: Kind, topic: Topic, id: u32, body: Bytes) -> Result<(), LinkError> {
        self.queue(Frame {
            kind,
            subject: topic.subject as u8,
            group: topic.group.number(),
            id,
            body,
        })
    }

    /// Puts a frame behind the others, if there is room.
    pub fn queue(&self, frame: Frame) -> Result<(), LinkError> {
        let pace = self.lane.pace();
        if pace.body_max < frame.body.len() {
            return Err(LinkError::TooLong(frame.body.len()));
        }
        let length = frame.length();
        let before = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        // The largest message is far smaller than a queue: an empty one takes any.
        let result = if pace.queue_bytes_max < before + length {
            Err(LinkError::Full(self.node))
        } else {
            self.queue.try_send(frame).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => LinkError::Full(self.node),
                mpsc::error::TrySendError::Closed(_) => LinkError::NotConnected(self.node),
            })
        };
        if result.is_err() {
            self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        }
        result
    }

    /// Frames of so many bytes were written.
    pub fn written(&self, length: usize, now: Duration) {
        self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        self.counts
            .bytes_out
            .fetch_add(length as u64, Ordering::Relaxed);
        self.said.store(millis(now), Ordering::Relaxed);
    }

    /// So many bytes came.
    pub fn received(&self, length: usize, now: Duration) {
        self.counts
            .bytes_in
            .fetch_add(length as u64, Ordering::Relaxed);
        self.heard.store(millis(now), Ordering::Relaxed);
    }

    pub fn heard(&self) -> Duration {
        Duration::from_millis(self.heard.load(Ordering::Relaxed))
    }

    pub fn said(&self) -> Duration {
        Duration::from_millis(self.said.load(Ordering::Relaxed))
    }

    pub fn queue_lengths(&self) -> (usize, usize) {
        let frames = self.queue.max_capacity() - self.queue.capacity();
        (frames, self.queued_bytes.load(Ordering::Relaxed))
    }

    // === asks ===

    fn expect_answer(
        &self,
    ) -> Result<(u32, oneshot::Receiver<Result<Bytes, LinkError>>), LinkError> {
        let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        if !asks.open {
            return Err(LinkError::NotConnected(self.node));
        }
        if limits::LINK_ASKS_MAX <= asks.waiting.len() {
            return Err(LinkError::Full(self.node));
        }
        // Fewer wait than there are numbers: a free one is near.
        let id = loop {
            asks.next = asks.next.wrapping_add(1);
            if !asks.waiting.contains_key(&asks.next) {
                break asks.next;
            }
        };
        let (sender, receiver) = oneshot::channel();
        asks.waiting.insert(id, sender);
        Ok((id, receiver))
    }

    /// The answer came; nobody may wait for it any more.
    pub fn answered(&self, id: u32, answer: Result<Bytes, LinkError>) {
        let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = asks.waiting.remove(&id);
        drop(asks);
        if let Some(waiting) = waiting {
            let _given_up = waiting.send(answer);
        }
    }

    /// The connection is gone: nobody waits any more.
    pub fn close(&self) {
        let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        asks.open = false;
        let waiting = std::mem::take(&mut asks.waiting);
        drop(asks);
        for sender in waiting.into_values() {
            let _given_up = sender.send(Err(LinkError::Lost(self.node)));
        }
    }

    // === pings ===

    /// When the last ping was sent.
    pub fn pinged(&self) -> Duration {
        let ping = self.ping.lock().unwrap_or_else(PoisonError::into_inner);
        ping.sent
    }

    pub fn ping(&self, now: Duration) {
        let mut ping = self.ping.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ping.id.wrapping_add(1);
        // A full queue says as much as a ping.
        if self
            .queue(Frame::plain(Kind::Ping, id, Bytes::new()))
            .is_ok()
        {
            ping.id = id;
            ping.sent = now;
        }
    }

    /// Says whether it is the first answer to a ping on this connection.
    pub fn ponged(&self, id: u32, now: Duration) -> bool {
        let mut ping = self.ping.lock().unwrap_or_else(PoisonError::into_inner);
        if ping.id != id {
            return false;
        }
        let round_trip = now.saturating_sub(ping.sent);
        ping.round_trip.replace(round_trip).is_none()
    }

    pub fn round_trip(&self) -> Option<Duration> {
        let ping = self.ping.lock().unwrap_or_else(PoisonError::into_inner);
        ping.round_trip
    }
}

/// A question's place among those that wait.
struct AskPlace {
    link: Arc<Link>,
    id: u32,
}

impl Drop for AskPlace {
    fn drop(&mut self) {
        let mut asks = self
            .link
            .asks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        asks.waiting.remove(&self.id);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Subject;
    use pollux_domain::ids::GroupId;

    const TOPIC: Topic = Topic {
        subject: Subject::Log,
        group: GroupId::Configuration,
    };
    const NODE: NodeId = NodeId(2);

    fn link(lane: Lane) -> (Arc<Link>, mpsc::Receiver<Frame>) {
        Link::new(NODE, lane, Life([1; 16]), Duration::ZERO, Arc::default())
    }

    #[test]
    fn a_full_queue_answers_by_count_and_by_bytes() {
        let (one, _waiting) = link(Lane::Control);
        for _ in 0..limits::LINK_QUEUE_MAX {
            one.tell(TOPIC, Bytes::new()).unwrap();
        }
        assert_eq!(one.tell(TOPIC, Bytes::new()), Err(LinkError::Full(NODE)));

        let (one, mut waiting) = link(Lane::Control);
        let body = Bytes::from(vec![0; limits::LINK_CONTROL_BYTES_MAX]);
        let taken = (0..100)
            .take_while(|_| one.tell(TOPIC, body.clone()).is_ok())
            .count();
        assert_eq!(taken, 15, "sixteen with their headers are more than 1 MiB");
        let length = waiting.try_recv().unwrap().length();
        one.written(length, Duration::ZERO);
        assert_eq!(one.tell(TOPIC, body), Ok(()));
    }

    #[test]
    fn a_message_beyond_its_lane_is_too_long() {
        let (control, _a) = link(Lane::Control);
        let (bulk, _b) = link(Lane::Bulk);
        let body = Bytes::from(vec![0; limits::LINK_CONTROL_BYTES_MAX + 1]);
        assert_eq!(
            control.tell(TOPIC, body.clone()),
            Err(LinkError::TooLong(body.len()))
        );
        assert_eq!(bulk.tell(TOPIC, body), Ok(()));
    }

    #[test]
    fn the_answer_to_the_last_ping_is_measured_and_the_first_one_noticed() {
        let (one, _waiting) = link(Lane::Control);
        let at = Duration::from_millis;
        one.ping(at(10));
        assert!(!one.ponged(7, at(11)));
        assert_eq!(one.round_trip(), None);
        assert!(one.ponged(1, at(12)));
        one.ping(at(110));
        assert!(!one.ponged(2, at(113)));
        assert_eq!(one.round_trip(), Some(at(3)));
    }

    #[tokio::test]
    async fn asks_have_a_bound_and_give_their_place_back() {
        let (one, mut waiting) = link(Lane::Bulk);
        let mut open: Vec<Answer> = Vec::new();
        for _ in 0..limits::LINK_ASKS_MAX {
            open.push(one.ask(TOPIC, Bytes::new()));
        }
        while waiting.try_recv().is_ok() {}
        let refused = one.ask(TOPIC, Bytes::new()).await;
        assert_eq!(refused, Err(LinkError::Full(NODE)));
        open.pop();
        let last = one.ask(TOPIC, Bytes::new());
        one.answered(
            waiting.try_recv().unwrap().id,
            Ok(Bytes::from_static(b"yes")),
        );
        assert_eq!(last.await, Ok(Bytes::from_static(b"yes")));
        let lost = open.pop().unwrap();
        one.close();
        assert_eq!(lost.await, Err(LinkError::Lost(NODE)));
        let late = one.ask(TOPIC, Bytes::new()).await;
        assert_eq!(late, Err(LinkError::NotConnected(NODE)));
    }
}
