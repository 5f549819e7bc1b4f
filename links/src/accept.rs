//! Takes what comes to the port between nodes: finds out who it is and what for, and passes it to
//! its lane, to the visitors or to the admission. Not for calling: see `dial`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::{ClusterId, NodeId};
use pollux_domain::limits;

use crate::frame::{Frame, Kind};
use crate::greeting::{self, Broken};
use crate::hello::{HELLO_BYTES_MAX, Hello, Known, Purpose, judge, judge_formats};
use crate::join;
use crate::link::Link;
use crate::links::{Arrival, Inner, Place};
use crate::moved;
use crate::net::Socket;
use crate::peers::Lane;
use crate::refusal::{Reason, Refusal};
use crate::security::{Opened, Trusted};
use crate::serve::serve;
use crate::visit;

/// From accept to a complete hello.
const PATIENCE: Duration = Duration::from_secs(limits::LINK_HELLO_SECONDS_MAX);

/// One connection, from accept on.
pub(crate) async fn greet(
    inner: Arc<Inner>,
    socket: Box<dyn Socket>,
    from: SocketAddr,
    place: Place,
) {
    let opened = tokio::time::timeout(PATIENCE, open(&inner, socket)).await;
    drop(place);
    match opened {
        Ok(Ok(Opening::Join(socket))) => Box::pin(join::serve(&inner, socket)).await,
        Ok(Ok(Opening::Link(hello, socket, trusted))) => {
            Box::pin(pass(&inner, hello, socket, trusted)).await;
        }
        Ok(Ok(Opening::Over)) => {}
        Ok(Err(broken)) => {
            tracing::debug!(%from, %broken, "a connection between nodes did not open");
            match broken {
                Broken::Io(_) => {}
                Broken::Garbage(text) => inner.garbage_at(None, None, Some(from), &text),
                Broken::Refused(refusal) => inner.refused_at(None, Some(from), &refusal),
            }
        }
        Err(_late) => tracing::debug!(%from, "a connection between nodes said nothing"),
    }
}

enum Opening {
    Link(Hello, Box<dyn Socket>, Trusted),
    Join(Box<dyn Socket>),
    /// All is said and noted.
    Over,
}

/// The caller is known when this returns.
async fn open(inner: &Inner, socket: Box<dyn Socket>) -> Result<Opening, Broken> {
    let trusted = inner.security.trusted();
    let (mut socket, certified) = match inner.security.answer(socket).await? {
        Opened::Link(socket, certified) => (socket, certified),
        Opened::Join(socket) => return Ok(Opening::Join(socket)),
    };
    let node = certified.map(|(node, _)| node);
    match read_hello(&mut socket).await {
        Ok(hello) => match judged(inner, &hello, certified) {
            Ok(()) => Ok(Opening::Link(hello, socket, trusted)),
            Err(refusal) => {
                inner.refused(Some(hello.identity.node), &refusal);
                greeting::farewell(socket, &refusal).await;
                Ok(Opening::Over)
            }
        },
        Err(Called::Refused(refusal)) => {
            inner.refused(node, &refusal);
            Ok(Opening::Over)
        }
        Err(Called::Broken(Broken::Refused(refusal))) => {
            inner.refused(node, &refusal);
            greeting::farewell(socket, &refusal).await;
            Ok(Opening::Over)
        }
        Err(Called::Broken(Broken::Garbage(text))) => {
            inner.garbage(node, None, &text);
            let refusal = Refusal::new(Reason::NotUnderstood, text);
            greeting::farewell(socket, &refusal).await;
            Ok(Opening::Over)
        }
        Err(Called::Broken(broken)) => Err(broken),
    }
}

/// Why there is no hello: the caller refused us, or what came is wrong.
enum Called {
    Refused(Refusal),
    Broken(Broken),
}

async fn read_hello(socket: &mut Box<dyn Socket>) -> Result<Hello, Called> {
    let frame = greeting::receive(socket, HELLO_BYTES_MAX)
        .await
        .map_err(Called::Broken)?;
    let garbage = |text: String| Called::Broken(Broken::Garbage(text));
    match frame.kind {
        Kind::Hello => {
            Hello::read(&frame.body).ok_or_else(|| garbage("a hello that does not read".to_owned()))
        }
        Kind::Refusal => Err(Called::Refused(Refusal::read(&frame.body))),
        kind => Err(garbage(format!("{kind:?} instead of a hello"))),
    }
}

fn judged(
    inner: &Inner,
    hello: &Hello,
    certified: Option<(NodeId, ClusterId)>,
) -> Result<(), Refusal> {
    let known = Known {
        certified,
        place: inner.place(hello.identity.node),
        dialled: None,
    };
    judge(&inner.identity, hello, known)?;
    judge_formats(&inner.build, inner.in_use.get(), hello)
}

/// To where it belongs.
async fn pass(inner: &Arc<Inner>, hello: Hello, socket: Box<dyn Socket>, trusted: Trusted) {
    match hello.purpose {
        Purpose::Lane(Lane::Bulk) => lane(inner, Lane::Bulk, hello, socket, trusted).await,
        Purpose::Lane(Lane::Control) => {
            // A connection that cannot travel, or finds nobody there, is dialled again.
            if let Ok(socket) = socket.depart() {
                let arrival = Arrival {
                    hello,
                    socket,
                    trusted,
                };
                let _stopped = inner.arrivals.send(arrival).await;
            }
        }
        Purpose::Visit => visit::receive(inner, hello, socket).await,
        Purpose::Moved => moved::receive(inner, hello, socket).await,
    }
}

/// A connection of the control lane, on its own thread now.
pub(crate) async fn control(inner: Arc<Inner>, arrival: Arrival) {
    if let Ok(socket) = arrival.socket.arrive() {
        let trusted = arrival.trusted;
        lane(&inner, Lane::Control, arrival.hello, socket, trusted).await;
    }
}

async fn lane(
    inner: &Arc<Inner>,
    lane: Lane,
    hello: Hello,
    socket: Box<dyn Socket>,
    trusted: Trusted,
) {
    let node = hello.identity.node;
    // Removed since it was judged: the other side hears it when it comes again.
    let Some(peer) = inner.peer(node) else {
        return;
    };
    let clock = &*inner.ambient.clock;
    let (link, waiting) = Link::new(node, lane, hello.life, clock.now(), peer.counts(lane));
    // The first frame of the queue, before anybody can use it.
    let welcome = Frame::plain(Kind::Welcome, 0, inner.hello(hello.purpose, node).write());
    let _empty = link.queue(welcome);
    if let Err(refusal) = peer.settle(&link, clock).await {
        inner.refused(Some(node), &refusal);
        return greeting::farewell(socket, &refusal).await;
    }
    tracing::debug!(%node, ?lane, "another node is connected");
    let ended = Box::pin(serve(inner, &peer, &link, waiting, socket, trusted)).await;
    inner.ended(&peer, lane, ended);
}

/// What a welcome to a visit says.
pub(crate) fn welcome(inner: &Inner, to: NodeId) -> Frame {
    let body: Bytes = inner.hello(Purpose::Visit, to).write();
    Frame::plain(Kind::Welcome, 0, body)
}
