//! Opens the ports for clients, in order, and says where they are. Not for who comes there: see
//! `pollux_actors::stream`; nor for what becomes of a port later: see `pollux_actors::services`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use pollux_actors::node::Node;
use pollux_actors::services::client_port::ClientPort;
use pollux_actors::stream::Entrance;
use pollux_domain::services::Service;
use pollux_links::net::SystemNet;

use crate::config::Config;

/// A port that is needed and cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address} ({setting}): {source}")]
pub struct PortError {
    pub setting: &'static str,
    pub address: SocketAddr,
    pub source: io::Error,
}

/// All of them, or the node does not start; but for those that its operator has stopped. They are
/// services from then on.
pub async fn open(config: &Config, node: &Arc<Node>) -> Result<(), PortError> {
    if let (Some(address), Some(_)) = (config.xmpp.direct_tls_listen, &node.settings.tls) {
        let port = Arc::new(ClientPort::new(
            node,
            Arc::new(SystemNet),
            Entrance::DirectTls,
            address,
        ));
        if node.services.is_wanted(Service::DirectTls) {
            let opened = port.open().await;
            let bound = opened.map_err(|source| PortError {
                setting: "xmpp.direct_tls_listen",
                address,
                source,
            })?;
            tracing::info!(address = %bound, "direct TLS port is open");
        }
        let now = node.ambient.clock.now();
        node.services.add(Service::DirectTls, port, now);
    }
    let address = config.xmpp.listen;
    let port = Arc::new(ClientPort::new(
        node,
        Arc::new(SystemNet),
        Entrance::StartTls,
        address,
    ));
    if node.services.is_wanted(Service::Clients) {
        let opened = port.open().await;
        let bound = opened.map_err(|source| PortError {
            setting: "xmpp.listen",
            address,
            source,
        })?;
        tracing::info!(address = %bound, "client port is open");
    }
    let now = node.ambient.clock.now();
    node.services.add(Service::Clients, port, now);
    Ok(())
}
