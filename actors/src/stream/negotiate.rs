//! From a stranger to a user: TLS, at first (XEP-0368) or by STARTTLS (RFC 6120 section 5), and
//! SASL (section 6). Not for what follows.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::lockout::{Lockouts, Policy};
use pollux_links::tls::TlsSocket;
use pollux_xml::Element;
use pollux_xmpp::features::{Features, StartTls};
use pollux_xmpp::sasl::scram::{ClientFirst, ScramHash, ScramKeys};
use pollux_xmpp::sasl::{
    ChannelBinding, Mechanism, Offer, PlainAuth, SaslCondition, SaslElement, SaslFailure, Secret,
    Sent,
};
use pollux_xmpp::starttls::Starttls;
use pollux_xmpp::stream_error::{StreamCondition, StreamError};

use super::accept::Entrance;
use super::certificate::Loaded;
use super::relay;
use super::wire::{Broken, CLIENT, Wire};
use crate::node::{Node, hex};
use crate::users;

/// Negotiates until the client, who comes from `address`, has proved who it is.
pub async fn sign_in(
    wire: &mut Wire,
    entrance: Entrance,
    address: IpAddr,
) -> Result<BareJid, Broken> {
    let tls = wire.node.settings.tls.clone();
    let plaintext = wire.node.settings.allow_plaintext;
    let mut encrypted = false;
    let mut bindings = Vec::new();
    if let (Entrance::DirectTls, Some(tls)) = (entrance, &tls) {
        bindings = encrypt(wire, &tls.loaded(), entrance).await?;
        encrypted = true;
    }
    loop {
        let offer = match encrypted || plaintext {
            true => Offer::of(bindings.clone()),
            false => Offer::default(),
        };
        let offer = match encrypted && wire.node.cluster_settings().plain.is_on() {
            true => offer.with_plain(),
            false => offer,
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
            (Some(Starttls::Request), Some(tls)) if !encrypted => {
                wire.send(&Starttls::Proceed.to_element()).await?;
                // What came with the request was not encrypted and is not read (RFC 6120 section
                // 5.4.3.3).
                wire.restart();
                drop(wire.framer.take_buffered());
                bindings = encrypt(wire, &tls.loaded(), entrance).await?;
                encrypted = true;
            }
            (Some(_), _) => {
                // RFC 6120 section 5.4.2.2: the failure, then the end of the stream.
                wire.send(&Starttls::Failure.to_element()).await?;
                wire.close().await?;
                return Err(Broken::Gone);
            }
            (None, _) => return authenticate(wire, element, &offer, address).await,
        }
    }
}

/// What an authentication may be bound to.
type Bindings = Vec<(ChannelBinding, Secret)>;

/// Shakes hands. Within the time that a stranger has, as everything here.
async fn encrypt(wire: &mut Wire, tls: &Loaded, entrance: Entrance) -> Result<Bindings, Broken> {
    let config = match entrance {
        Entrance::StartTls => tls.starttls.clone(),
        Entrance::DirectTls => tls.direct.clone(),
    };
    let socket = std::mem::replace(&mut wire.socket, Box::new(Nothing));
    let shaken = TlsSocket::accept(socket, config).await;
    let socket = shaken.inspect_err(|error| {
        tracing::debug!(%error, "handshake of TLS failed");
    })?;
    let exporter = socket.exporter().map(|data| Secret::new(data.to_vec()));
    wire.socket = Box::new(socket);
    if !wire.node.cluster_settings().channel_binding.is_on() {
        return Ok(Vec::new());
    }
    let bindings = [
        (ChannelBinding::TlsExporter, exporter),
        (ChannelBinding::TlsServerEndPoint, tls.end_point.clone()),
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
    address: IpAddr,
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
                match exchange(wire, mechanism, initial, offer, address).await? {
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

/// One attempt with a mechanism that was offered.
async fn exchange(
    wire: &mut Wire,
    mechanism: Mechanism,
    initial: Option<Secret>,
    offer: &Offer,
    address: IpAddr,
) -> Result<Result<BareJid, SaslFailure>, Broken> {
    let first = match initial {
        Some(first) => first,
        None => match response(wire, Secret::default()).await? {
            Ok(first) => first,
            Err(failure) => return Ok(Err(failure)),
        },
    };
    let proved = match mechanism.hash() {
        Some(hash) => {
            let first = ClientFirst::parse(first.expose(), mechanism, offer);
            let first = first.inspect_err(|failure| note_unbound(mechanism, offer, failure));
            match first {
                Ok(first) => scram(wire, first, hash, address).await?,
                Err(failure) => Err(failure),
            }
        }
        None => plain(wire, &first, address).await,
    };
    let (user, last) = match proved {
        Ok(proved) => proved,
        Err(failure) => return Ok(Err(failure)),
    };
    lockouts(&wire.node).succeeded(&user, address);
    wire.send(&SaslElement::Success(last).to_element()).await?;
    wire.node.metrics.sign_ins.fetch_add(1, Ordering::Relaxed);
    Ok(Ok(user))
}

/// Who has proved to be whom, and what is sent with the success.
type Proved = Result<(BareJid, Option<Secret>), SaslFailure>;

/// SCRAM (RFC 5802): the same steps and work for a user that does not exist.
async fn scram(
    wire: &mut Wire,
    first: ClientFirst,
    hash: ScramHash,
    address: IpAddr,
) -> Result<Proved, Broken> {
    let node = wire.node.clone();
    let challenge = async {
        let user = account(&node, first.username(), address).await?;
        let keys = keys(&node, &user, hash)?;
        let nonce = hex(&node.ambient.rand.token());
        let challenge = first.challenge(keys, &user, &nonce)?;
        Ok((user, challenge))
    };
    let (user, challenge) = match challenge.await {
        Ok(challenge) => challenge,
        Err(failure) => return Ok(Err(failure)),
    };
    let message = Secret::new(challenge.message().as_bytes().to_vec());
    let proof = match response(wire, message).await? {
        Ok(proof) => proof,
        Err(failure) => return Ok(Err(failure)),
    };
    let proved = challenge.verify(proof.expose());
    let proved = proved.inspect_err(|_| note_failed(&node, &user, address));
    Ok(proved.map(|proved| (user, Some(Secret::new(proved.message.into_bytes())))))
}

/// PLAIN (RFC 4616): the password is hashed as it was for the account, aside, one after the other.
async fn plain(wire: &Wire, message: &Secret, address: IpAddr) -> Proved {
    let node = &wire.node;
    let auth = PlainAuth::parse(message.expose())?;
    let user = account(node, &auth.username, address).await?;
    if let Some(authzid) = &auth.authzid
        && BareJid::parse(authzid).as_ref() != Ok(&user)
    {
        return Err(SaslCondition::InvalidAuthzid.into());
    }
    let keys = keys(node, &user, ScramHash::Sha256)?;
    match users::has_password(node, keys, auth.password).await {
        Some(true) => Ok((user, None)),
        Some(false) => {
            note_failed(node, &user, address);
            Err(SaslCondition::NotAuthorized.into())
        }
        None => Err(SaslCondition::TemporaryAuthFailure.into()),
    }
}

/// The account that a prepared name stands for, existing or not, where it may be tried.
async fn account(node: &Node, username: &str, address: IpAddr) -> Result<BareJid, SaslFailure> {
    let user = BareJid::from_parts(Some(username), &node.settings.domain);
    let user = user.map_err(|_| SaslCondition::NotAuthorized)?;
    if let Some(failure) = locked_out(node, &user, address) {
        return Err(failure);
    }
    match users::is_judged(node, &user).await {
        true => Ok(user),
        false => Err(SaslCondition::TemporaryAuthFailure.into()),
    }
}

fn keys(node: &Node, user: &BareJid, hash: ScramHash) -> Result<ScramKeys, SaslFailure> {
    let keys = users::keys(node, user, hash);
    keys.map_err(|_| SaslCondition::TemporaryAuthFailure.into())
}

fn note_unbound(mechanism: Mechanism, offer: &Offer, failure: &SaslFailure) {
    if !offer.bindings.is_empty() {
        let (why, advice) = (
            failure.text.as_deref(),
            "a client that cannot bind to TLS 1.3 \
             and believes that it can is let in by \
             `pollux ctl settings set sign-in.channel-binding=off`",
        );
        tracing::info!(%mechanism, why, advice, "first message of SASL was refused");
    }
}

fn lockouts(node: &Node) -> MutexGuard<'_, Lockouts> {
    node.lockouts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn policy(node: &Node) -> Policy {
    let settings = node.cluster_settings();
    Policy {
        account: settings.lockout_account_failures.most(),
        address: settings.lockout_address_failures.most(),
    }
}

/// Nothing is tried of an account or from an address with too many failures, also of an account
/// that does not exist.
fn locked_out(node: &Node, user: &BareJid, address: IpAddr) -> Option<SaslFailure> {
    let (policy, now) = (policy(node), node.ambient.clock.now());
    let left = lockouts(node).left(policy, user, address, now)?;
    node.metrics
        .sign_ins_locked_out
        .fetch_add(1, Ordering::Relaxed);
    let minutes = left.as_secs().div_ceil(60).max(1);
    let text = format!("too many failed attempts; the next counts in {minutes} min");
    Some(SaslFailure::new(SaslCondition::TemporaryAuthFailure).with_text(text))
}

fn note_failed(node: &Node, user: &BareJid, address: IpAddr) {
    let (policy, now) = (policy(node), node.ambient.clock.now());
    let locked = lockouts(node).failed(policy, user, address, now);
    let seconds = limits::LOCKOUT_SECONDS;
    if locked.account {
        tracing::warn!(%user, %address, seconds, "account is locked out after too many failures");
    }
    if locked.address {
        tracing::warn!(%address, seconds, "address is locked out after too many failures");
    }
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
