//! How the port between nodes is protected: mutual TLS 1.3 with certificates of the cluster's own
//! authority, or nothing in a simulation. Not for who may come: see `hello`.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pollux_domain::ids::{ClusterId, NodeId};
use pollux_domain::seams::{Ambient, Clock};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, version,
};
use tokio::sync::watch;

use crate::authority;
use crate::credentials::{Credentials, Held};
use crate::gather::Gathered;
use crate::greeting::Broken;
use crate::net::Socket;
use crate::tickets::SharedTickets;
use crate::tls::TlsSocket;

/// What both sides of a link agree to speak (RFC 7301).
pub const LINK_PROTOCOL: &[u8] = b"pollux-link/1";
/// What a node speaks that joins.
pub const JOIN_PROTOCOL: &[u8] = b"pollux-join/1";

/// How the port between nodes is protected.
#[derive(Clone)]
pub enum Security {
    /// In simulations and tests only: whoever reaches the port is believed.
    Plain,
    Tls(Arc<TlsSecurity>),
}

/// Mutual TLS 1.3 within one cluster. Its credentials may be replaced while it is used: who
/// connects from then on is shown the new ones, and judged by them.
pub struct TlsSecurity {
    cluster: ClusterId,
    ambient: Ambient,
    current: RwLock<Arc<Current>>,
    /// How often somebody lost trust.
    lapses: watch::Sender<u64>,
}

/// What is used at a moment.
pub(crate) struct Current {
    link: Arc<ServerConfig>,
    join: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    pub(crate) authority: CertificateDer<'static>,
    held: Held,
}

/// The trust by which a connection was let in. It may lapse while the connection lives.
#[derive(Debug, Clone)]
pub(crate) struct Trusted(Option<watch::Receiver<u64>>);

impl Trusted {
    /// Resolves when some authority is not believed any more: the other side shows anew what it
    /// has, or is hung up.
    pub(crate) async fn lapses(mut self) {
        let lapsed = match &mut self.0 {
            Some(lapses) => lapses.changed().await.is_ok(),
            None => false,
        };
        if !lapsed {
            std::future::pending().await
        }
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Security::Plain => "Plain",
            Security::Tls(_) => "Tls",
        })
    }
}

/// Whom a certificate names.
pub(crate) type Certified = Option<(NodeId, ClusterId)>;

/// A connection to the port, after its handshake.
pub(crate) enum Opened {
    Link(Box<dyn Socket>, Certified),
    Join(Box<dyn Socket>),
}

impl Security {
    /// Fails when certificate, key and authority do not fit together.
    pub fn tls(
        credentials: Credentials,
        cluster: ClusterId,
        ambient: &Ambient,
    ) -> Result<Security, rustls::Error> {
        let current = Current::of(&credentials, ambient)?;
        Ok(Security::Tls(Arc::new(TlsSecurity {
            cluster,
            ambient: ambient.clone(),
            current: RwLock::new(Arc::new(current)),
            lapses: watch::Sender::new(0),
        })))
    }

    /// Shows and believes this from now on. Standing connections stay, unless an authority is not
    /// believed any more.
    pub(crate) fn hold(&self, credentials: &Credentials) -> Result<(), rustls::Error> {
        let Security::Tls(tls) = self else {
            return Ok(());
        };
        let next = Current::of(credentials, &tls.ambient)?;
        let mut current = tls.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, Arc::new(next));
        let trusts = &current.held.trusts;
        let is_lapse = before.held.trusts.iter().any(|one| !trusts.contains(one));
        drop(current);
        if is_lapse {
            tls.lapses.send_modify(|lapses| *lapses += 1);
        }
        Ok(())
    }

    pub(crate) fn held(&self) -> Option<Held> {
        match self {
            Security::Plain => None,
            Security::Tls(tls) => Some(tls.current().held.clone()),
        }
    }

    /// Taken before a handshake: the trust by which that is judged.
    pub(crate) fn trusted(&self) -> Trusted {
        match self {
            Security::Plain => Trusted(None),
            Security::Tls(tls) => Trusted(Some(tls.lapses.subscribe())),
        }
    }
}

impl TlsSecurity {
    pub(crate) fn current(&self) -> Arc<Current> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

impl Current {
    fn of(credentials: &Credentials, ambient: &Ambient) -> Result<Current, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let time = Arc::new(WallTime(ambient.clock.clone()));
        let roots = authority::roots(credentials.trusted())?;
        let chain = vec![
            credentials.certificate.clone(),
            credentials.authority.clone(),
        ];
        let callers = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        // A secret of these credentials: what was resumed would not be judged by them.
        let mut secret = [0; 32];
        ambient.rand.fill(&mut secret);
        let tickets = Arc::new(SharedTickets::new(secret, ambient.clone()));
        let key = || PrivateKeyDer::from(credentials.key.clone_key());
        let server = || {
            ServerConfig::builder_with_details(provider.clone(), time.clone())
                .with_protocol_versions(&[&version::TLS13])
        };
        let mut link = server()?
            .with_client_cert_verifier(callers)
            .with_single_cert(chain.clone(), key())?;
        link.alpn_protocols = vec![LINK_PROTOCOL.to_vec()];
        link.ticketer = tickets;
        let mut join = server()?
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key())?;
        join.alpn_protocols = vec![JOIN_PROTOCOL.to_vec()];
        join.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_details(provider.clone(), time)
            .with_protocol_versions(&[&version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Signed {
                trust: Trust::Roots(roots),
                provider,
            }))
            .with_client_auth_cert(chain, key())?;
        client.alpn_protocols = vec![LINK_PROTOCOL.to_vec()];
        Ok(Current {
            link: Arc::new(link),
            join: Arc::new(join),
            client: Arc::new(client),
            authority: credentials.authority.clone(),
            held: credentials.held(),
        })
    }
}

impl Security {
    /// The caller's part of the handshake.
    pub(crate) async fn call(
        &self,
        socket: Box<dyn Socket>,
        node: NodeId,
    ) -> Result<(Box<dyn Socket>, Certified), Broken> {
        let Security::Tls(tls) = self else {
            return Ok((socket, None));
        };
        // Under this name the session is kept for later connections.
        let name = authority::server_name(node, tls.cluster);
        let socket = Gathered::over(socket);
        let socket = TlsSocket::connect(socket, tls.current().client.clone(), name)
            .await
            .map_err(Broken::from_handshake)?;
        let certified = certified(&socket)?;
        Ok((Box::new(socket), Some(certified)))
    }

    /// The part of the one who was called.
    pub(crate) async fn answer(&self, socket: Box<dyn Socket>) -> Result<Opened, Broken> {
        let Security::Tls(tls) = self else {
            return Ok(Opened::Link(socket, None));
        };
        let current = tls.current();
        let socket = TlsSocket::accept_by(Gathered::over(socket), |hello| {
            let mut offered = hello.alpn()?;
            offered.find_map(|protocol| match protocol {
                LINK_PROTOCOL => Some(current.link.clone()),
                JOIN_PROTOCOL => Some(current.join.clone()),
                _ => None,
            })
        })
        .await
        .map_err(Broken::from_handshake)?;
        if socket.protocol() == Some(JOIN_PROTOCOL) {
            return Ok(Opened::Join(Box::new(socket)));
        }
        let certified = certified(&socket)?;
        Ok(Opened::Link(Box::new(socket), Some(certified)))
    }
}

fn certified(socket: &TlsSocket) -> Result<(NodeId, ClusterId), Broken> {
    socket
        .peer_certificate()
        .and_then(authority::name_of)
        .ok_or_else(|| Broken::Garbage("the certificate names no node".to_owned()))
}

/// Certificates are judged by the node's own clock, through its seam.
#[derive(Clone)]
pub(crate) struct WallTime(pub Arc<dyn Clock>);

impl fmt::Debug for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallTime")
    }
}

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since = Duration::from_millis(self.0.wall().0);
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// The called node's certificate is signed by whom we trust. Whom it names is judged afterwards,
/// the same way on both sides.
#[derive(Debug)]
pub(crate) struct Signed {
    pub trust: Trust,
    pub provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
pub(crate) enum Trust {
    Roots(Arc<RootCertStore>),
    /// An authority that comes along and has this SHA-256.
    Pinned([u8; 32]),
}

impl ServerCertVerifier for Signed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let roots = match &self.trust {
            Trust::Roots(roots) => roots.clone(),
            Trust::Pinned(pin) => authority::pinned(intermediates, pin)?,
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Authority, NodeKey};
    use crate::net::{Net, SystemNet};
    use crate::still;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::LocalSet;

    fn security(authority: &Authority, node: NodeId) -> Arc<TlsSecurity> {
        let key = NodeKey::make().unwrap();
        let credentials = Credentials {
            certificate: authority.sign_key(node, &key).unwrap(),
            key: key.private(),
            authority: authority.certificate().clone(),
            also: None,
        };
        match Security::tls(credentials, CLUSTER, &still::ambient()).unwrap() {
            Security::Tls(tls) => tls,
            Security::Plain => unreachable!("TLS was asked for"),
        }
    }

    const CLUSTER: ClusterId = ClusterId([1; 16]);
    const CALLER: NodeId = NodeId(3);
    const CALLED: NodeId = NodeId(7);

    #[tokio::test]
    async fn later_connections_are_resumed_and_name_the_same_nodes() {
        let authority = Authority::make(CLUSTER).unwrap();
        let (caller, called) = (security(&authority, CALLER), security(&authority, CALLED));
        let set = LocalSet::new();
        set.run_until(async {
            let mut listener = SystemNet.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
            let address = listener.local_address().unwrap().to_string();
            for round in 0..3 {
                let link = called.current().link.clone();
                let connect = async {
                    let socket = SystemNet.connect(&address).await.unwrap();
                    let name = authority::server_name(CALLED, CLUSTER);
                    let mut socket =
                        TlsSocket::connect(socket, caller.current().client.clone(), name)
                            .await
                            .unwrap();
                    socket.read_exact(&mut [0]).await.unwrap();
                    socket
                };
                let accept = async {
                    let (socket, _) = listener.accept().await.unwrap();
                    let mut socket = TlsSocket::accept(socket, link).await.unwrap();
                    socket.write_all(b"x").await.unwrap();
                    socket.flush().await.unwrap();
                    socket
                };
                let (there, here) = tokio::join!(connect, accept);
                assert_eq!(there.is_resumed(), 0 < round);
                assert_eq!(certified(&there).unwrap(), (CALLED, CLUSTER));
                assert_eq!(certified(&here).unwrap(), (CALLER, CLUSTER));
            }
        })
        .await;
    }
}
