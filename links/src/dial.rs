//! Calls other nodes: the lanes again and again, a visit once. Not for what comes in: see `accept`.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::limits;

use crate::frame::{Frame, Kind};
use crate::greeting::{self, Broken};
use crate::hello::{Hello, Known, Purpose, judge, judge_certificate, judge_formats};
use crate::link::Link;
use crate::links::Inner;
use crate::net::Socket;
use crate::peer::Peer;
use crate::peers::Lane;
use crate::security::Trusted;
use crate::serve::{Ended, serve};

/// Until the next attempt: doubles from the first to the last.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// For the network to connect.
const CONNECT: Duration = Duration::from_secs(1);
/// For TLS and the hello; longer than a connection that is in the way takes to be found dead.
const GREETING: Duration = Duration::from_secs(limits::LINK_HELLO_SECONDS_MAX);

/// Keeps one lane to one node connected, until the node has no place any more.
pub(crate) async fn dial(inner: Arc<Inner>, peer: Arc<Peer>, lane: Lane) {
    let _mark = Dialling { peer: &peer, lane };
    let mut pause = PAUSE_MIN;
    while !peer.is_removed() {
        match Box::pin(lasting(&inner, &peer, lane)).await {
            Ok(ended) => {
                let refused = matches!(ended, Ended::Refused(_));
                pause = if refused { PAUSE_MAX } else { PAUSE_MIN };
                inner.ended(&peer, lane, ended);
            }
            Err(Broken::Io(error)) => peer.unreachable(error.to_string()),
            Err(Broken::Garbage(text)) => inner.garbage(Some(peer.node()), Some(lane), &text),
            Err(Broken::Refused(refusal)) => {
                inner.refused(Some(peer.node()), &refusal);
                pause = PAUSE_MAX;
            }
        }
        tokio::select! {
            biased;
            () = peer.removed() => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = PAUSE_MAX.min(2 * pause);
    }
}

/// A caller that dies is replaced.
struct Dialling<'a> {
    peer: &'a Peer,
    lane: Lane,
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        self.peer.dialling[self.lane.index()].store(false, Ordering::Relaxed);
    }
}

/// A connection to its end; and when an authority is not believed any more, another one, which
/// stands before the older one is hung up.
async fn lasting(inner: &Inner, peer: &Arc<Peer>, lane: Lane) -> Result<Ended, Broken> {
    let mut older = None;
    loop {
        let mut lapse = pin!(inner.security.trusted().lapses());
        let mut newer = Box::pin(attempt(inner, peer, lane));
        loop {
            let replaced = async {
                match &mut older {
                    Some(older) => drop(older.await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ended = &mut newer => return match (ended, older) {
                    (Err(_), Some(older)) => older.await,
                    (ended, _) => ended,
                },
                () = &mut lapse => break,
                () = replaced => older = None,
            }
        }
        older = Some(newer);
    }
}

/// One connection, from the call to its end.
async fn attempt(inner: &Inner, peer: &Arc<Peer>, lane: Lane) -> Result<Ended, Broken> {
    let purpose = Purpose::Lane(lane);
    let called = tokio::select! {
        biased;
        () = peer.removed() => return Ok(Ended::HungUp),
        called = call(inner, peer, purpose, None) => called,
    };
    let (hello, socket, trusted) = called?;
    let clock = &*inner.ambient.clock;
    let (link, waiting) = Link::new(
        peer.node(),
        lane,
        hello.life,
        clock.now(),
        peer.counts(lane),
    );
    if let Err(refusal) = peer.settle(&link, clock).await {
        greeting::farewell(socket, &refusal).await;
        return Err(Broken::Refused(refusal));
    }
    tracing::debug!(node = %peer.node(), ?lane, "connected to another node");
    Ok(serve(inner, peer, &link, waiting, socket, trusted).await)
}

/// Who the other side is, and by what it is believed.
pub(crate) type Connected = (Hello, Box<dyn Socket>, Trusted);

/// A connection on which both sides know who the other is.
pub(crate) async fn call(
    inner: &Inner,
    peer: &Peer,
    purpose: Purpose,
    header: Option<Bytes>,
) -> Result<Connected, Broken> {
    let late = || Broken::Io(io::ErrorKind::TimedOut.into());
    let address = peer.dialled();
    let connected = inner.net.connect(&address);
    let socket = tokio::time::timeout(CONNECT, connected)
        .await
        .map_err(|_| late())??;
    let greeting = greet(inner, peer.node(), socket, purpose, header);
    tokio::time::timeout(GREETING, greeting)
        .await
        .map_err(|_| late())?
}

async fn greet(
    inner: &Inner,
    node: NodeId,
    socket: Box<dyn Socket>,
    purpose: Purpose,
    header: Option<Bytes>,
) -> Result<Connected, Broken> {
    let trusted = inner.security.trusted();
    let (mut socket, certified) = inner.security.call(socket, node).await?;
    // Before this side says who it is. Whom it found there is told so.
    let named = certified.map_or(Ok(()), |certified| {
        judge_certificate(&inner.identity, node, certified)
    });
    if let Err(refusal) = named {
        greeting::farewell(socket, &refusal).await;
        return Err(Broken::Refused(refusal));
    }
    let hello = inner.hello(purpose, node).write();
    let mut frames = vec![Frame::plain(Kind::Hello, 0, hello)];
    frames.extend(header.map(|header| Frame::plain(Kind::Header, 0, header)));
    greeting::send(&mut socket, &frames).await?;
    let hello = greeting::welcomed(&mut socket).await?;
    let known = Known {
        certified,
        place: inner.place(node),
        dialled: Some(node),
    };
    let judged = judge(&inner.identity, &hello, known);
    let judged = judged.and_then(|()| judge_formats(&inner.build, inner.in_use.get(), &hello));
    if let Err(refusal) = judged {
        greeting::farewell(socket, &refusal).await;
        return Err(Broken::Refused(refusal));
    }
    Ok((hello, socket, trusted))
}

/// A stream of its own to another node.
pub(crate) async fn visit(inner: &Inner, to: NodeId, header: Bytes) -> io::Result<Box<dyn Socket>> {
    if limits::VISIT_HEADER_BYTES_MAX < header.len() {
        let text = "the header of the visit is too long";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let Some(peer) = inner.peer(to) else {
        let text = format!("node {to} has no place in the topology");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    };
    match Box::pin(call(inner, &peer, Purpose::Visit, Some(header))).await {
        Ok((_hello, socket, _trusted)) => Ok(socket),
        Err(broken) => {
            if let Broken::Refused(refusal) = &broken {
                inner.refused(Some(to), refusal);
            }
            Err(broken.into())
        }
    }
}

impl Inner {
    /// Notes how a connection ended that stood.
    pub(crate) fn ended(&self, peer: &Peer, lane: Lane, ended: Ended) {
        let node = peer.node();
        match ended {
            Ended::Garbage(text) => self.garbage(Some(node), Some(lane), &text),
            Ended::Refused(refusal) => self.refused(Some(node), &refusal),
            ended => {
                let why = match ended {
                    Ended::Closed(why) => why,
                    Ended::Silent => "nothing was heard".to_owned(),
                    _ => "hung up here".to_owned(),
                };
                tracing::debug!(%node, ?lane, why, "a connection to another node is over");
                peer.unreachable(why);
            }
        }
    }
}
