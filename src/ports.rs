//! Opens the ports for clients, in order, and says where they are. Not for who comes there: see
//! `pollux_actors::stream`.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use pollux_actors::node::{Listening, Node};
use pollux_actors::stream::{self, Entrance};
use pollux_links::net::{Net, SystemNet};
use tokio::sync::oneshot;

use crate::config::Config;

/// A port that is needed and cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address} ({setting}): {source}")]
pub struct PortError {
    pub setting: &'static str,
    pub address: SocketAddr,
    pub source: io::Error,
}

/// All of them, or the node does not start. They are announced when the last is open.
pub async fn open(config: &Config, node: &Arc<Node>) -> Result<(), PortError> {
    let direct = match (config.xmpp.direct_tls_listen, &node.settings.tls) {
        (Some(address), Some(_)) => {
            let setting = "xmpp.direct_tls_listen";
            Some(open_one(node, setting, address, Entrance::DirectTls).await?)
        }
        _ => None,
    };
    let address = config.xmpp.listen;
    let bound = open_one(node, "xmpp.listen", address, Entrance::StartTls).await?;
    tracing::info!(address = %bound, "client port is open");
    announce(node, "xmpp", bound);
    if let Some(bound) = direct {
        tracing::info!(address = %bound, "direct TLS port is open");
        announce(node, "xmpps", bound);
    }
    Ok(())
}

fn announce(node: &Node, protocol: &'static str, address: SocketAddr) {
    let listening = Listening { protocol, address };
    let listeners = node.listeners.lock();
    listeners
        .unwrap_or_else(PoisonError::into_inner)
        .push(listening);
}

/// Its clients are accepted at the first door.
async fn open_one(
    node: &Arc<Node>,
    setting: &'static str,
    address: SocketAddr,
    entrance: Entrance,
) -> Result<SocketAddr, PortError> {
    let (tell, told) = oneshot::channel();
    let served = node.clone();
    let job = move || {
        tokio::task::spawn_local(async move {
            let opened = SystemNet.listen(address).await;
            let opened = opened.and_then(|listener| Ok((listener.local_address()?, listener)));
            match opened {
                Ok((bound, listener)) => {
                    let _gone = tell.send(Ok(bound));
                    stream::serve(served, listener, entrance).await;
                }
                Err(error) => {
                    let _gone = tell.send(Err(error));
                }
            }
        });
    };
    node.placement.receive(0, Box::new(job));
    let opened = told.await;
    opened
        .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
        .map_err(|source| PortError {
            setting,
            address,
            source,
        })
}
