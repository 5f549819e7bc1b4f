//! Takes connections and gives each to a door in turn, as far as strangers have room.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_xmpp::stream_error::StreamCondition;
use tracing::Instrument;

use super::claims::Arrival;
use super::negotiate;
use super::strangers::Stranger;
use super::wire::{Broken, Wire};
use crate::node::{Node, PREAUTH_PATIENCE};
use crate::services::client_port::Port;
use pollux_links::net::{Listener, Socket};

/// How a stream begins at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// In the clear, with TLS at the client's request (RFC 6120 section 5).
    StartTls,
    /// With TLS (XEP-0368).
    DirectTls,
}

impl Entrance {
    /// As the records in the DNS begin (XEP-0368 section 3).
    pub fn protocol(self) -> &'static str {
        match self {
            Entrance::StartTls => "xmpp",
            Entrance::DirectTls => "xmpps",
        }
    }
}

/// Serves the clients that come to `listener` until the node stops. Runs on the thread that
/// listens.
pub async fn serve(node: Arc<Node>, listener: Box<dyn Listener>, entrance: Entrance) {
    serve_port(node, listener, entrance, &Port::default()).await;
}

/// As [`serve`], until the port is closed.
pub(crate) async fn serve_port(
    node: Arc<Node>,
    mut listener: Box<dyn Listener>,
    entrance: Entrance,
    port: &Port,
) {
    let mut next = 0;
    while !node.is_stopping() {
        node.metrics.strangers.room().await;
        let accepted = tokio::select! {
            biased;
            () = port.closes() => return,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok((_, peer)) if !port.took(peer) => continue,
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: those who are here go on, newcomers wait in
                // the backlog.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        node.metrics.connections.fetch_add(1, Ordering::Relaxed);
        let travelling = match socket.depart() {
            Ok(travelling) => travelling,
            Err(error) => {
                tracing::debug!(%peer, %error, "connection was lost at once");
                continue;
            }
        };
        let there = node.clone();
        let arrival = node.claims.arrive();
        let stranger = node.metrics.strangers.enter();
        next += 1;
        node.placement.receive(
            next,
            Box::new(move || {
                if let Ok(socket) = travelling.arrive() {
                    let span = tracing::debug_span!("listener", proto = "c2s", %peer);
                    actix_rt::spawn(
                        welcome(there, socket, peer.ip(), entrance, arrival, stranger)
                            .instrument(span),
                    );
                }
            }),
        );
    }
}

async fn welcome(
    node: Arc<Node>,
    socket: Box<dyn Socket>,
    address: IpAddr,
    entrance: Entrance,
    arrival: Arrival,
    stranger: Stranger,
) {
    if !stranger.is_welcome() {
        node.metrics
            .connections_refused
            .fetch_add(1, Ordering::Relaxed);
        if entrance == Entrance::DirectTls {
            // Whoever waits for TLS does not read a word in the clear.
            return;
        }
        let refusal = Wire::new(node.clone(), socket, arrival)
            .end(StreamCondition::ResourceConstraint.into());
        let _too_slow = tokio::time::timeout(Duration::from_secs(1), refusal).await;
        return;
    }
    let mut wire = Wire::new(node.clone(), socket, arrival);
    tracing::debug!("connection accepted");
    let signed_in = negotiate::sign_in(&mut wire, entrance, address);
    let signed_in = tokio::select! {
        biased;
        signed_in = tokio::time::timeout(PREAUTH_PATIENCE, signed_in) => signed_in,
        () = node.stops() => Ok(Err(StreamCondition::SystemShutdown.into())),
    };
    match signed_in {
        Ok(Ok(signed_in)) => negotiate::hand_over(wire, signed_in),
        Ok(Err(broken)) => farewell(wire, broken).await,
        Err(_late) => {
            node.metrics.strangers_late.fetch_add(1, Ordering::Relaxed);
            farewell(wire, StreamCondition::ConnectionTimeout.into()).await;
        }
    }
    drop(stranger);
}

/// Says why, to one who may not listen any more.
pub(super) async fn farewell(wire: Wire, broken: Broken) {
    let _too_slow = tokio::time::timeout(Duration::from_secs(5), wire.end(broken)).await;
}
