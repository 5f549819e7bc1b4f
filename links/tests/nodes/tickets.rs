//! Tickets of TLS that one process makes and another takes.

use std::sync::Arc;

use super::common::{Ca, ambient, loopback, run};
use pollux_domain::ids::WallMs;
use pollux_links::net::{Net, SystemNet};
use pollux_links::tickets::{Secrets, SharedTickets, TICKET_SECONDS};
use pollux_links::tls::TlsSocket;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::ProducesTickets;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn server(ca: &Ca, secret: u8) -> Arc<ServerConfig> {
    let credentials = ca.credentials(1);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![credentials.certificate],
            PrivateKeyDer::from(credentials.key),
        )
        .unwrap();
    config.ticketer = Arc::new(SharedTickets::new([secret; 32], ambient()));
    Arc::new(config)
}

fn client(ca: &Ca) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.0.certificate().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// One connection from handshake to end; was it resumed?
async fn resumed(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> bool {
    let mut listener = SystemNet.listen(loopback()).await.unwrap();
    let address = listener.local_address().unwrap().to_string();
    let server = server.clone();
    let serving = tokio::task::spawn_local(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = TlsSocket::accept(socket, server).await.unwrap();
        socket.write_all(b"x").await.unwrap();
        socket.flush().await.unwrap();
        let _end = socket.read(&mut [0; 1]).await;
    });
    let name =
        pollux_links::authority::node_name(pollux_domain::ids::NodeId(1), super::common::CLUSTER);
    let name = ServerName::try_from(name).unwrap();
    let socket = SystemNet.connect(&address).await.unwrap();
    let mut socket = TlsSocket::connect(socket, client.clone(), name)
        .await
        .unwrap();
    // The tickets come before the first byte.
    socket.read_exact(&mut [0; 1]).await.unwrap();
    let resumed = socket.is_resumed();
    socket.shutdown().await.unwrap();
    serving.await.unwrap();
    resumed
}

#[test]
fn a_ticket_of_one_server_is_good_at_another_with_the_same_secret() {
    run(async {
        let ca = Ca::make();
        let (one, two, stranger) = (server(&ca, 1), server(&ca, 1), server(&ca, 2));
        let client = client(&ca);
        assert!(!resumed(&client, &one).await);
        assert!(resumed(&client, &two).await);
        assert!(resumed(&client, &one).await);
        assert!(!resumed(&client, &stranger).await);
    });
}

#[test]
fn a_ticket_that_was_changed_is_not_taken() {
    let tickets = SharedTickets::new([7; 32], ambient());
    let ticket = tickets.encrypt(b"state").unwrap();
    assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
    assert_ne!(ticket, tickets.encrypt(b"state").unwrap());
    for index in 0..ticket.len() {
        let mut changed = ticket.clone();
        changed[index] ^= 1;
        assert_eq!(tickets.decrypt(&changed), None, "byte {index}");
        assert_eq!(tickets.decrypt(&ticket[..index]), None);
    }
}

#[test]
fn tickets_of_a_former_secret_are_taken_for_their_life_and_none_is_made_later() {
    let (old, new) = ([7; 32], [8; 32]);
    let tickets = SharedTickets::new(old, ambient());
    let ticket = tickets.encrypt(b"state").unwrap();
    let now = ambient().clock.wall();
    let period = u64::from(TICKET_SECONDS) * 1_000;
    let earlier = WallMs(now.0 - period);
    for (take, former, is_taken) in [
        (Some(old), None, true),
        (None, Some((old, now)), true),
        // It was used in the period before, and this ticket says that it is of this one.
        (None, Some((old, earlier)), false),
        (None, None, false),
    ] {
        let secrets = Secrets {
            make: new,
            take,
            former,
        };
        tickets.set(secrets);
        assert_eq!(tickets.decrypt(&ticket).is_some(), is_taken, "{former:?}");
        let newer = tickets.encrypt(b"state").unwrap();
        assert!(tickets.decrypt(&newer).is_some());
        let elsewhere = SharedTickets::new(old, ambient());
        assert!(elsewhere.decrypt(&newer).is_none(), "made with the new one");
    }
}
