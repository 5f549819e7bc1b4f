//! A client that came to this node while another serves it: its bytes go there and back, unread.
//! Here it has proved who it is; there its session lives. Not for streams before that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_links::net::{Socket, Travelling};
use pollux_raft::duty::Tenure;
use pollux_store::codec;
use pollux_xml::Framer;
use pollux_xmpp::stream_error::{StreamCondition, StreamError};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::accept::farewell;
use super::bind;
use super::carry::{Over, Relayed, carry};
use super::inline::{self, Asked};
use super::wire::{CLIENT, Wire};
use crate::node::Node;
use crate::serving::{ServedBy, home_of, served_by};
use crate::users;

const VERSION: u16 = 3;
/// A stream goes through so many nodes at most: the tables of two nodes may differ for a moment.
const HOPS_MAX: u8 = 3;
/// Before another look at who serves.
const PAUSE: Duration = Duration::from_millis(50);
/// For so long a client waits at a node that cannot go on with it: a takeover takes less. Then it
/// is told of another node, which may be reached by it, or may know more.
const WAIT: Duration = Duration::from_secs(1);
/// For so long where the other node commits what the client has asked for before it says anything.
const COMMIT_WAIT: Duration = Duration::from_secs(5);

/// What a client may say before it is answered; what it says beyond waits in its socket.
const SAID_MAX: usize = 16 * 1024;

/// What the serving node is told of a stream that comes to it.
#[derive(Debug, Deserialize)]
struct Introduction {
    user: BareJid,
    hops: u8,
    encrypted: bool,
    asked: Option<Asked>,
}

/// The same, without taking anything from who says it.
#[derive(Debug, Serialize)]
struct Introducing<'a> {
    user: &'a BareJid,
    hops: u8,
    encrypted: bool,
    asked: &'a Option<Asked>,
}

/// Goes on with a client that is known: here, or at the node that serves it. To be called on the
/// user's arbiter. `asked`: what it waits for, where its stream does not begin afresh.
pub async fn go_on(
    mut wire: Wire,
    user: BareJid,
    asked: Option<Asked>,
    hops: u8,
    _until_bound: Unbound,
) {
    let node = wire.node.clone();
    if asked.is_some() {
        wire.has_begun();
    }
    let mut serving = node.directory.serving();
    if !users::is_judged(&node, &user).await {
        return farewell(wire, StreamCondition::InternalServerError.into()).await;
    }
    let Some(home) = home_of(&node, &user) else {
        return farewell(wire, StreamCondition::NotAuthorized.into()).await;
    };
    let begun = node.ambient.clock.now();
    while node.ambient.clock.now() < begun + crate::node::PREAUTH_PATIENCE {
        serving.borrow_and_update();
        if node.is_stopping() {
            return part(wire, hops).await;
        }
        let served = served_by(&node, home);
        if begun + WAIT <= node.ambient.clock.now()
            && let Some(error) = elsewhere(&node, &served, hops)
        {
            return farewell(wire, error.into()).await;
        }
        match served {
            ServedBy::Here(tenure) => return bind_here(wire, &user, &tenure, asked, hops).await,
            ServedBy::There(there) if hops < HOPS_MAX => {
                if hops == 0
                    && node.cluster_settings().see_other_host.is_on()
                    && let Some(address) = client_address(&node, there)
                {
                    let error = StreamError::see_other_host(address);
                    return farewell(wire, error.into()).await;
                }
                match relay(wire, &user, &asked, home, there, hops).await {
                    None => return,
                    Some(back) => wire = back,
                }
            }
            ServedBy::There(_) | ServedBy::Nobody => {}
        }
        let _changed = tokio::time::timeout(PAUSE, serving.changed()).await;
    }
    let error = StreamError::new(StreamCondition::ResourceConstraint);
    let error = error.with_text("nobody serves this user at the moment, try again");
    farewell(wire, error.into()).await;
}

/// What a client is told that has waited for long; none where there is nowhere to go.
fn elsewhere(node: &Node, served: &ServedBy, hops: u8) -> Option<StreamError> {
    let address = match served {
        ServedBy::Here(_) => None,
        ServedBy::There(there) => client_address(node, *there),
        ServedBy::Nobody => node.client_address_of_twin(),
    };
    let address = address?;
    Some(match hops {
        0 => StreamError::see_other_host(address),
        // The node that relays the stream may be the one that should be seen.
        _ => StreamError::new(StreamCondition::Reset),
    })
}

/// This node stops. A client that another node relays, and that has heard nothing from here, is
/// hung up without a word: that node goes on with it.
async fn part(wire: Wire, hops: u8) {
    if hops == 0 || wire.has_spoken() {
        farewell(wire, StreamCondition::SystemShutdown.into()).await;
    }
}

async fn bind_here(
    mut wire: Wire,
    user: &BareJid,
    tenure: &Arc<Tenure>,
    asked: Option<Asked>,
    hops: u8,
) {
    let node = wire.node.clone();
    let patience = crate::node::PREAUTH_PATIENCE;
    let bound = async {
        match asked {
            Some(asked) => {
                wire.read_on(asked.header())?;
                inline::complete(&mut wire, user, tenure, asked).await
            }
            None => bind::bind(&mut wire, user, tenure).await,
        }
    };
    let bound = tokio::select! {
        biased;
        bound = tokio::time::timeout(patience, bound) => Some(bound),
        () = node.stops() => None,
    };
    match bound {
        None => part(wire, hops).await,
        Some(Ok(Ok(bound))) => bound.begin(wire),
        Some(Ok(Err(broken))) => farewell(wire, broken).await,
        Some(Err(_late)) => {
            let late = &node.metrics.strangers_late;
            late.fetch_add(1, Ordering::Relaxed);
            farewell(wire, StreamCondition::ConnectionTimeout.into()).await;
        }
    }
}

fn client_address(node: &Node, there: NodeId) -> Option<String> {
    node.configuration.read(|configuration| {
        let entry = configuration.topology().node(there)?;
        entry.client_address.clone()
    })
}

/// Carries the stream as long as that node serves the user. The wire comes back where it cannot be
/// reached, or serves no more before it has answered.
async fn relay(
    mut wire: Wire,
    user: &BareJid,
    asked: &Option<Asked>,
    home: NodeId,
    there: NodeId,
    hops: u8,
) -> Option<Wire> {
    let node = wire.node.clone();
    let introduction = Introducing {
        user,
        hops: hops + 1,
        encrypted: wire.encrypted,
        asked,
    };
    let Ok(header) = codec::encode(VERSION, &introduction) else {
        return Some(wire);
    };
    // A node that has just died answers nobody, for longer than a takeover takes.
    let visited = tokio::select! {
        biased;
        visited = node.visits.visit(there, header.into()) => visited,
        () = served_otherwise(&node, home, there) => Err(io::ErrorKind::Interrupted.into()),
        () = tokio::time::sleep(WAIT) => Err(io::ErrorKind::TimedOut.into()),
    };
    let mut other = match visited {
        Ok(other) => other,
        Err(error) => {
            tracing::debug!(%there, %error, "serving node cannot be reached");
            return Some(wire);
        }
    };
    let patience = match asked {
        None => WAIT,
        Some(_) => COMMIT_WAIT,
    };
    let mut said = wire.framer.take_buffered();
    let answered = tokio::select! {
        biased;
        answered = first_word(&mut wire, &mut other, &mut said) => answered,
        () = served_otherwise(&node, home, there) => Ok(None),
        () = node.stops() => Ok(None),
        () = tokio::time::sleep(patience) => Ok(None),
    };
    match answered {
        // From here on the client has a stream, which goes on there or ends.
        Ok(Some(word)) => {
            let passed = wire.socket.write_all(&word).await;
            if passed.is_err() || wire.socket.flush().await.is_err() {
                return None;
            }
        }
        Ok(None) => {
            tracing::debug!(%there, "serving node has not answered");
            wire.framer.push(&said);
            return Some(wire);
        }
        Err(error) => {
            tracing::debug!(%error, "client went while it was relayed");
            return None;
        }
    }
    let _relayed = Relayed::begin(&node);
    if let Over::Stops = carry(&node, home, &mut wire, &mut other).await {
        // Its header came from the serving node.
        wire.has_begun();
        farewell(wire, StreamCondition::SystemShutdown.into()).await;
        return None;
    }
    let closing = wire.socket.shutdown();
    let _too_slow = tokio::time::timeout(Duration::from_millis(100), closing).await;
    None
}

/// Passes on what the client has said and says, and keeps it, until the serving node says
/// something: a node that does not, because it serves no more, has not begun a stream either, and
/// this one can go on. None: it has hung up without a word. An error is the client's. May be
/// dropped at any point.
async fn first_word(
    wire: &mut Wire,
    other: &mut Box<dyn Socket>,
    said: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    let mut from_client = [0; 1024];
    let mut from_there = [0; 4096];
    // Whoever has given up while the way was opened may have come again elsewhere: nothing of what
    // it said here is to be done after that.
    tokio::select! {
        biased;
        spoken = wire.socket.read(&mut from_client) => {
            let spoken = heard(spoken, &from_client)?;
            said.extend_from_slice(spoken);
        }
        () = std::future::ready(()) => {}
    }
    if other.write_all(said).await.is_err() || other.flush().await.is_err() {
        return Ok(None);
    }
    loop {
        tokio::select! {
            biased;
            heard = other.read(&mut from_there) => match heard {
                Ok(0) | Err(_) => return Ok(None),
                Ok(count) => return Ok(Some(from_there[..count].to_vec())),
            },
            spoken = wire.socket.read(&mut from_client), if said.len() < SAID_MAX => {
                let spoken = heard(spoken, &from_client)?;
                said.extend_from_slice(spoken);
                let passed = other.write_all(spoken).await;
                if passed.is_err() || other.flush().await.is_err() {
                    return Ok(None);
                }
            }
        }
    }
}

fn heard(count: io::Result<usize>, bytes: &[u8]) -> io::Result<&[u8]> {
    match count? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(&bytes[..count]),
    }
}

/// Resolves when another node than `there` serves the users of `home`.
async fn served_otherwise(node: &Node, home: NodeId, there: NodeId) {
    let mut serving = node.directory.serving();
    let is_there = || matches!(served_by(node, home), ServedBy::There(now) if now == there);
    while is_there() && serving.changed().await.is_ok() {}
}

/// Counts a stream whose client is known and has no session here, until that is so no more: a node
/// that stops waits for it.
pub struct Unbound(Arc<Node>);

impl Unbound {
    pub fn begin(node: &Arc<Node>) -> Unbound {
        node.unbound.fetch_add(1, Ordering::Relaxed);
        Unbound(node.clone())
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        self.0.unbound.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes a stream that another node has accepted for a user whom this one serves.
pub fn arrive(node: &Arc<Node>, from: NodeId, header: &[u8], socket: Box<dyn Travelling>) {
    let introduction: Introduction = match codec::decode(VERSION, header) {
        Ok(introduction) => introduction,
        Err(error) => {
            tracing::warn!(%from, %error, "relayed stream has no introduction");
            return;
        }
    };
    let arrival = node.claims.arrive();
    let arbiter = node.placement.arbiter_of(&introduction.user);
    let there = node.clone();
    let unbound = Unbound::begin(node);
    node.placement.run(
        arbiter,
        Box::new(move || {
            let socket: io::Result<Box<dyn Socket>> = socket.arrive();
            let Ok(socket) = socket else { return };
            let mut wire = Wire::resumed(there, socket, Framer::new(CLIENT), arrival);
            let Introduction {
                user,
                hops,
                encrypted,
                asked,
            } = introduction;
            wire.encrypted = encrypted;
            actix_rt::spawn(go_on(wire, user, asked, hops, unbound));
        }),
    );
}
