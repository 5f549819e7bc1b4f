//! A node that has another address than others know says so to those who call it: the one with the
//! smaller id calls, and would call in vain. Not for the topology, which it tells when it is heard
//! again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::limits;

use crate::accept::welcome;
use crate::dial::call;
use crate::frame::Kind;
use crate::greeting::{self, Broken};
use crate::hello::{Hello, Purpose};
use crate::links::Inner;
use crate::net::Socket;
use crate::peers::Lane;

/// For so long a node waits to be called, before it says where it is, and says it again.
const PATIENCE: Duration = Duration::from_secs(1);
/// For the address to come.
const ADDRESS: Duration = Duration::from_secs(limits::LINK_HELLO_SECONDS_MAX);
/// A host name (RFC 1035 section 2.3.4) with a colon and a port.
const ADDRESS_BYTES_MAX: usize = 255 + 6;

/// Says it to everybody who should have called and has not, until they have.
pub(crate) async fn announce(inner: Arc<Inner>) {
    let Some(address) = inner.address.clone() else {
        return;
    };
    loop {
        tokio::time::sleep(PATIENCE).await;
        let us = inner.identity.node;
        for peer in inner.all() {
            if us < peer.node() || peer.link(Lane::Bulk).is_some() {
                continue;
            }
            let address = Bytes::from(address.clone());
            let said = call(&inner, &peer, Purpose::Moved, Some(address));
            match Box::pin(said).await {
                Ok(_heard) => tracing::debug!(to = %peer.node(), "has told where this node is"),
                // One that is away is told when it comes.
                Err(Broken::Io(_)) => {}
                Err(broken) => tracing::debug!(to = %peer.node(), %broken, "was not heard"),
            }
        }
    }
}

/// Takes what such a node says. Its certificate and its hello are judged already.
pub(crate) async fn receive(inner: &Inner, hello: Hello, mut socket: Box<dyn Socket>) {
    let node = hello.identity.node;
    let frame = greeting::receive(&mut socket, ADDRESS_BYTES_MAX);
    let Ok(Ok(frame)) = tokio::time::timeout(ADDRESS, frame).await else {
        return;
    };
    let address = std::str::from_utf8(&frame.body).ok();
    let address = address.filter(|text| frame.kind == Kind::Header && is_address(text));
    let Some(address) = address else {
        return inner.garbage(Some(node), None, "an address that is none");
    };
    note(inner, node, address);
    // Whether it is heard makes no difference: what was said was taken.
    let _told = greeting::send(&mut socket, &[welcome(inner, node)]).await;
}

fn note(inner: &Inner, node: NodeId, address: &str) {
    if let Some(peer) = inner.peer(node)
        && peer.move_to(address)
    {
        tracing::info!(%node, address, "another node says that it has moved");
    }
}

fn is_address(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let port = text.rsplit_once(':').and_then(|(host, port)| {
        let port: u16 = port.parse().ok()?;
        (!host.is_empty()).then_some(port)
    });
    is_plain && port.is_some_and(|port| 0 < port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in [
            "castor.example.org:7222",
            "192.0.2.1:1",
            "[2001:db8::1]:7222",
        ] {
            assert!(is_address(good), "{good}");
        }
        for wrong in [
            "",
            "castor",
            ":7222",
            "castor:",
            "castor:0",
            "castor:70000",
            "a b:1",
            "a\n:1",
        ] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
