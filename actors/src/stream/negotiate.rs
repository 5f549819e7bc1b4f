//! From a stranger to a user: TLS, at first (XEP-0368) or by STARTTLS (RFC 6120 section 5), and
//! SASL (section 6). Not for what follows.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_links::tls::TlsSocket;
use pollux_xml::Element;
use pollux_xmpp::features::{Features, StartTls};
use pollux_xmpp::sasl::scram::ClientFirst;
use pollux_xmpp::sasl::{
    ChannelBinding, Mechanism, Offer, SaslCondition, SaslElement, SaslFailure, Secret, Sent,
};
use pollux_xmpp::starttls::Starttls;
use pollux_xmpp::stream_error::{StreamCondition, StreamError};
use rustls::ServerConfig;

use super::accept::Entrance;
use super::relay;
use super::wire::{Broken, CLIENT, Wire};
use crate::node::hex;
use crate::users;

/// Negotiates until the client has proved who it is.
pub async fn sign_in(wire: &mut Wire, entrance: Entrance) -> Result<BareJid, Broken> {
    let tls = wire.node.settings.tls.clone();
    let plaintext = wire.node.settings.allow_plaintext;
    let mut encrypted = false;
    let mut bindings = Vec::new();
    if let Entrance::DirectTls(config) = entrance {
        bindings = encrypt(wire, config).await?;
        encrypted = true;
    }
    loop {
        let offer = if encrypted || plaintext {
            Offer::of(bindings.clone())
        } else {
            Offer::default()
        };
        let starttls = match (&tls, encrypted, plaintext) {
            (Some(_), false, false) => Some(StartTls::Required),
            (Some(_), false, true) => Some(StartTls::Optional),
            _ => None,
        };
        wire.open(Features {
            starttls,
            mechanisms: offer.mechanisms.clone(),
            channel_bindings: offer.bindings.iter().map(|(binding, _)| *binding).collect(),
            ..Features::default()
        })
        .await?;
        let element = wire.element().await?;
        match (Starttls::from_element(&element), &tls) {
            (Some(Starttls::Request), Some(config)) if !encrypted => {
                let config = config.config.clone();
                wire.send(&Starttls::Proceed.to_element()).await?;
                // What came with the request was not encrypted and is not read (RFC 6120 section
                // 5.4.3.3).
                wire.restart();
                drop(wire.framer.take_buffered());
                bindings = encrypt(wire, config).await?;
                encrypted = true;
            }
            (Some(_), _) => {
                // RFC 6120 section 5.4.2.2: the failure, then the end of the stream.
                wire.send(&Starttls::Failure.to_element()).await?;
                wire.close().await?;
                return Err(Broken::Gone);
            }
            (None, _) => return authenticate(wire, element, &offer).await,
        }
    }
}

/// What an authentication may be bound to.
type Bindings = Vec<(ChannelBinding, Secret)>;

/// Shakes hands. Within the time that a stranger has, as everything here.
async fn encrypt(wire: &mut Wire, config: Arc<ServerConfig>) -> Result<Bindings, Broken> {
    let socket = std::mem::replace(&mut wire.socket, Box::new(Nothing));
    let shaken = TlsSocket::accept(socket, config).await;
    let socket = shaken.inspect_err(|error| {
        tracing::debug!(%error, "handshake of TLS failed");
    })?;
    let exporter = socket.exporter().map(|data| Secret::new(data.to_vec()));
    wire.socket = Box::new(socket);
    if !wire.node.settings.channel_binding {
        return Ok(Vec::new());
    }
    let tls = wire.node.settings.tls.as_ref();
    let end_point = tls.and_then(|tls| tls.end_point.clone());
    let bindings = [
        (ChannelBinding::TlsExporter, exporter),
        (ChannelBinding::TlsServerEndPoint, end_point),
    ];
    let known = bindings.into_iter();
    Ok(known
        .filter_map(|(binding, data)| Some((binding, data?)))
        .collect())
}

/// A few attempts, then the stream ends (RFC 6120 section 6.4.5). Nothing is offered where it is
/// not encrypted and would have to be.
async fn authenticate(
    wire: &mut Wire,
    mut element: Element,
    offer: &Offer,
) -> Result<BareJid, Broken> {
    for _attempt in 0..limits::SIGN_IN_ATTEMPTS_MAX {
        let failure = match SaslElement::from_element(&element, Sent::ByInitiator) {
            // RFC 6120 section 4.9.3.12: nothing else before authentication.
            None => return Err(StreamCondition::NotAuthorized.into()),
            Some(Err(failure)) => failure,
            Some(Ok(SaslElement::Auth { .. })) if offer.mechanisms.is_empty() => {
                SaslFailure::new(SaslCondition::EncryptionRequired)
            }
            Some(Ok(SaslElement::Auth { mechanism, .. }))
                if !offer.mechanisms.contains(&mechanism) =>
            {
                SaslFailure::new(SaslCondition::InvalidMechanism)
            }
            Some(Ok(SaslElement::Auth { mechanism, initial })) => {
                match exchange(wire, mechanism, initial, offer).await? {
                    Ok(user) => return Ok(user),
                    Err(failure) => failure,
                }
            }
            Some(Ok(SaslElement::Abort)) => SaslFailure::new(SaslCondition::Aborted),
            Some(Ok(_)) => SaslFailure::new(SaslCondition::MalformedRequest),
        };
        wire.node
            .metrics
            .sign_in_failures
            .fetch_add(1, Ordering::Relaxed);
        wire.send(&SaslElement::Failure(failure).to_element())
            .await?;
        element = wire.element().await?;
    }
    let error = StreamError::new(StreamCondition::PolicyViolation);
    Err(error
        .with_text("too many failed attempts to sign in")
        .into())
}

/// SCRAM (RFC 5802): the same steps and work for a user that does not exist.
async fn exchange(
    wire: &mut Wire,
    mechanism: Mechanism,
    initial: Option<Secret>,
    offer: &Offer,
) -> Result<Result<BareJid, SaslFailure>, Broken> {
    let first = match initial {
        Some(first) => first,
        None => match response(wire, Secret::new(Vec::new())).await? {
            Ok(first) => first,
            Err(failure) => return Ok(Err(failure)),
        },
    };
    let first = match ClientFirst::parse(first.expose(), mechanism, offer) {
        Ok(first) => first,
        Err(failure) => {
            if !offer.bindings.is_empty() {
                let (why, advice) = (
                    failure.text.as_deref(),
                    "a client that cannot bind to TLS 1.3 \
                     and believes that it can is let in by xmpp.channel_binding = false",
                );
                tracing::info!(%mechanism, why, advice, "first message of SASL was refused");
            }
            return Ok(Err(failure));
        }
    };
    let domain = wire.node.settings.domain.clone();
    let Ok(user) = BareJid::from_parts(Some(first.username()), &domain) else {
        return Ok(Err(SaslFailure::new(SaslCondition::NotAuthorized)));
    };
    let judged = users::is_judged(&wire.node, &user).await;
    let Ok(keys) = users::keys(&wire.node, &user, mechanism.hash()) else {
        return Ok(Err(SaslFailure::new(SaslCondition::TemporaryAuthFailure)));
    };
    if !judged {
        return Ok(Err(SaslFailure::new(SaslCondition::TemporaryAuthFailure)));
    }
    let nonce = hex(&wire.node.ambient.rand.token());
    let challenge = match first.challenge(keys, &user, &nonce) {
        Ok(challenge) => challenge,
        Err(failure) => return Ok(Err(failure)),
    };
    let message = Secret::new(challenge.message().as_bytes().to_vec());
    let proof = match response(wire, message).await? {
        Ok(proof) => proof,
        Err(failure) => return Ok(Err(failure)),
    };
    let proved = match challenge.verify(proof.expose()) {
        Ok(proved) => proved,
        Err(failure) => return Ok(Err(failure)),
    };
    let last = Secret::new(proved.message.into_bytes());
    wire.send(&SaslElement::Success(Some(last)).to_element())
        .await?;
    wire.node.metrics.sign_ins.fetch_add(1, Ordering::Relaxed);
    Ok(Ok(user))
}

/// Sends a challenge and takes the response.
async fn response(
    wire: &mut Wire,
    challenge: Secret,
) -> Result<Result<Secret, SaslFailure>, Broken> {
    wire.send(&SaslElement::Challenge(challenge).to_element())
        .await?;
    let element = wire.element().await?;
    Ok(
        match SaslElement::from_element(&element, Sent::ByInitiator) {
            None => return Err(StreamCondition::NotAuthorized.into()),
            Some(Ok(SaslElement::Response(data))) => Ok(data),
            Some(Ok(SaslElement::Abort)) => Err(SaslFailure::new(SaslCondition::Aborted)),
            Some(Ok(_)) => Err(SaslFailure::new(SaslCondition::MalformedRequest)),
            Some(Err(failure)) => Err(failure),
        },
    )
}

/// The stream goes on at the user's arbiter, where the sessions of the user live.
pub fn hand_over(wire: Wire, user: BareJid) {
    let Wire {
        node,
        socket,
        mut framer,
        arrival,
        ..
    } = wire;
    framer.restart();
    framer.set_limits(CLIENT);
    let arbiter = node.placement.arbiter_of(&user);
    let Ok(travelling) = socket.depart() else {
        return;
    };
    let there = node.clone();
    node.placement.run(
        arbiter,
        Box::new(move || {
            let Ok(socket) = travelling.arrive() else {
                return;
            };
            let wire = Wire::resumed(there, socket, framer, arrival);
            actix_rt::spawn(relay::go_on(wire, user, 0));
        }),
    );
}

/// Stands in for a socket while it changes its nature.
struct Nothing;

impl tokio::io::AsyncRead for Nothing {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        _buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Nothing {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        _buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

impl pollux_links::net::Socket for Nothing {
    fn depart(self: Box<Self>) -> std::io::Result<Box<dyn pollux_links::net::Travelling>> {
        Err(std::io::ErrorKind::NotConnected.into())
    }
}
