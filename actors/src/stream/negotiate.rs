//! From a stranger to a user: TLS, at first (XEP-0368) or by STARTTLS (RFC 6120 section 5), what is
//! offered then, and the way to the user's arbiter. Not for SASL: see `authenticate`.

use std::net::IpAddr;

use pollux_domain::jid::BareJid;
use pollux_domain::tokens::TokenBinding;
use pollux_links::tls::TlsSocket;
use pollux_xml::{Element, Framer};
use pollux_xmpp::features::{Features, StartTls};
use pollux_xmpp::sasl::scram::ScramHash;
use pollux_xmpp::sasl::{ChannelBinding, Offer, Secret};
use pollux_xmpp::starttls::Starttls;
use pollux_xmpp::{fast, registration};

use super::accept::Entrance;
use super::authenticate::{SignedIn, authenticate};
use super::certificate::Loaded;
use super::inline;
use super::mechanisms::Offered;
use super::register::Registrar;
use super::relay::{self, Unbound};
use super::wire::{Broken, CLIENT, Wire};
use crate::keys;

/// Negotiates until the client, who comes from `address`, has proved who it is.
pub async fn sign_in(
    wire: &mut Wire,
    entrance: Entrance,
    address: IpAddr,
) -> Result<SignedIn, Broken> {
    let tls = wire.node.settings.tls.clone();
    let plaintext = wire.node.settings.allow_plaintext;
    let mut encrypted = None;
    let mut registrar = Registrar::new(address);
    if let (Entrance::DirectTls, Some(tls)) = (entrance, &tls) {
        encrypted = Some(encrypt(wire, &tls.loaded(), entrance).await?);
    }
    loop {
        let greeting = wire.hear().await?;
        let offered = offered(wire, encrypted.as_ref());
        let starttls = match (&tls, encrypted.is_some(), plaintext) {
            (Some(_), false, false) => Some(StartTls::Required),
            (Some(_), false, true) => Some(StartTls::Optional),
            _ => None,
        };
        let bindings = offered.offer.bindings.iter();
        let features = Features {
            starttls,
            mechanisms: offered.offer.mechanisms.clone(),
            authentication: inline::offer(&offered),
            channel_bindings: bindings.map(|(binding, _)| *binding).collect(),
            others: others(wire, &offered),
            ..Features::default()
        };
        wire.welcome(greeting, features).await?;
        let element = registrar.element(wire, &offered).await?;
        match (Starttls::from_element(&element), &tls) {
            (Some(Starttls::Request), Some(tls)) if encrypted.is_none() => {
                wire.send(&Starttls::Proceed.to_element()).await?;
                // What came with the request was not encrypted and is not read (RFC 6120 section
                // 5.4.3.3).
                wire.restart();
                drop(wire.framer.take_buffered());
                encrypted = Some(encrypt(wire, &tls.loaded(), entrance).await?);
            }
            (Some(_), _) => {
                // RFC 6120 section 5.4.2.2: the failure, then the end of the stream.
                wire.send(&Starttls::Failure.to_element()).await?;
                wire.close().await?;
                return Err(Broken::Gone);
            }
            (None, _) => return authenticate(wire, element, &offered, &mut registrar).await,
        }
    }
}

/// XEP-0077 section 8.
fn others(wire: &Wire, offered: &Offered) -> Vec<Element> {
    let is_on = wire.node.cluster_settings().registration.is_on();
    let register = (offered.encrypted && is_on).then(registration::feature);
    register.into_iter().collect()
}

/// What this stream offers.
fn offered(wire: &Wire, encrypted: Option<&Encrypted>) -> Offered {
    let settings = wire.node.cluster_settings();
    let mut offer = match encrypted {
        Some(encrypted) => Offer::of(encrypted.bindings.clone()),
        None if wire.node.settings.allow_plaintext => Offer::of(Vec::new()),
        None => Offer::default(),
    };
    // What would fail is not offered (RFC 6120 section 6.3.4), and nothing stands in its way.
    let (known, missing) = keys::known_and_missing(&wire.node, wire.claimed.as_ref());
    offer = offer.with_keys_of(known);
    if encrypted.is_some() && settings.plain.is_on() {
        offer = offer.with_plain();
    }
    // RFC 6120 section 6.3.4: where it can be expected to work.
    let named = encrypted.map_or(&[][..], |encrypted| encrypted.addresses.as_slice());
    let named: Vec<BareJid> = wire.node.configuration.read(|configuration| {
        let accounts = named.iter();
        let accounts = accounts.filter(|address| configuration.account(address).is_some());
        accounts.cloned().collect()
    });
    if !named.is_empty() {
        offer = offer.with_external();
    }
    let is_usable = |binding: &TokenBinding| {
        let channel = fast::channel_binding(*binding);
        channel.is_none_or(|channel| offer.binding(channel).is_some())
    };
    let tokens = match encrypted.is_some() && settings.tokens.is_on() {
        true => fast::BINDINGS.into_iter().filter(is_usable).collect(),
        false => Vec::new(),
    };
    // XEP-0480: to what is stronger than what the account has.
    let upgrades = [ScramHash::Sha512, ScramHash::Sha256].into_iter();
    let upgrades = upgrades.filter(|hash| encrypted.is_some() && hash.is_of(missing));
    Offered {
        tokens,
        upgrades: upgrades.collect(),
        // XEP-0388 section 3: never without TLS.
        sasl2: encrypted.is_some(),
        encrypted: encrypted.is_some(),
        named,
        offer,
    }
}

/// What the TLS of a stream says of its two ends.
struct Encrypted {
    /// What an authentication may be bound to.
    bindings: Vec<(ChannelBinding, Secret)>,
    /// Whom the certificate of the client names.
    addresses: Vec<BareJid>,
}

/// Shakes hands. Within the time that a stranger has, as everything here.
async fn encrypt(wire: &mut Wire, tls: &Loaded, entrance: Entrance) -> Result<Encrypted, Broken> {
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
    let addresses = tls.addresses(socket.peer_chain(), wire.node.ambient.clock.wall());
    wire.socket = Box::new(socket);
    wire.encrypted = true;
    let bindings = [
        (ChannelBinding::TlsExporter, exporter),
        (ChannelBinding::TlsServerEndPoint, tls.end_point.clone()),
    ];
    let is_on = wire.node.cluster_settings().channel_binding.is_on();
    let known = bindings.into_iter().filter(|_| is_on);
    Ok(Encrypted {
        bindings: known
            .filter_map(|(binding, data)| Some((binding, data?)))
            .collect(),
        addresses,
    })
}

/// The stream goes on at the user's arbiter, where the sessions of the user live.
pub fn hand_over(wire: Wire, signed_in: SignedIn) {
    let SignedIn { user, asked } = signed_in;
    let Wire {
        node,
        socket,
        mut framer,
        arrival,
        encrypted,
        ..
    } = wire;
    match &asked {
        None => framer.restart(),
        // It goes on where it is, wherever that is: what has come of it is read there.
        Some(_) => {
            let rest = framer.take_buffered();
            framer = Framer::new(CLIENT);
            framer.push(&rest);
        }
    }
    framer.set_limits(CLIENT);
    let arbiter = node.placement.arbiter_of(&user);
    let Ok(travelling) = socket.depart() else {
        return;
    };
    let there = node.clone();
    let unbound = Unbound::begin(&node);
    node.placement.run(
        arbiter,
        Box::new(move || {
            let Ok(socket) = travelling.arrive() else {
                return;
            };
            let mut wire = Wire::resumed(there, socket, framer, arrival);
            wire.encrypted = encrypted;
            actix_rt::spawn(relay::go_on(wire, user, asked, 0, unbound));
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
