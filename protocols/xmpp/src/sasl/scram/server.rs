//! The server's side of SCRAM (RFC 5802 sections 3, 5). Not for finding keys, which the caller does
//! between the steps.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_domain::jid::BareJid;

use super::hash::{ScramHash, xor};
use super::keys::ScramKeys;
use super::message;
use crate::sasl::{ChannelBinding, Mechanism, Offer, SaslCondition, SaslFailure, Secret};

/// The client's first message.
#[derive(Debug, Clone)]
pub struct ClientFirst {
    /// As it was received: it is part of what is signed.
    gs2_header: String,
    bare: String,
    authzid: Option<String>,
    username: String,
    nonce: String,
    /// The data of the channel that it is bound to.
    bound: Secret,
    /// Of what was offered.
    offered: Option<String>,
}

/// A challenge that was sent, waiting for the proof.
#[derive(Debug, Clone)]
pub struct ServerFirst {
    message: String,
    keys: ScramKeys,
    /// As the client has to repeat it.
    binding: Secret,
    client_first_bare: String,
    nonce: String,
    username: String,
}

/// The client has proved that it knows the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFinal {
    /// The prepared name that was authenticated.
    pub username: String,
    /// Sent with the success, so that the client knows that the server knows the password too.
    pub message: String,
}

impl ClientFirst {
    /// `offer`: of this stream, which `mechanism` was chosen from.
    pub fn parse(
        octets: &[u8],
        mechanism: Mechanism,
        offer: &Offer,
    ) -> Result<ClientFirst, SaslFailure> {
        let text = message::text(octets)?;
        let malformed = || SaslFailure::malformed("the GS2 header is malformed");
        let (flag, rest) = text.split_once(',').ok_or_else(malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or_else(malformed)?;
        let bound = bound(flag, mechanism, offer)?;
        let authzid = match authzid.strip_prefix("a=") {
            Some(name) => Some(message::unescape_name(name)?),
            None if authzid.is_empty() => None,
            None => return Err(malformed()),
        };
        let mut rest = Some(bare);
        let username = message::unescape_name(message::take(&mut rest, "n")?)?;
        let nonce = message::take(&mut rest, "r")?;
        if !message::is_nonce(nonce) {
            return Err(SaslFailure::malformed("the nonce is malformed"));
        }
        message::extensions(rest)?;
        Ok(ClientFirst {
            gs2_header: text[..text.len() - bare.len()].to_owned(),
            bare: bare.to_owned(),
            authzid,
            username: message::prepare_name(&username)?,
            nonce: nonce.to_owned(),
            bound,
            offered: mechanism.hash().and_then(|hash| offer.digest(hash)),
        })
    }

    /// The name to look up, prepared with SASLprep: the localpart of an account here (RFC 6120
    /// section 6.3.7).
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The identity to act as, where one is named.
    pub fn authzid(&self) -> Option<&str> {
        self.authzid.as_deref()
    }

    /// Challenges with the keys of the user, or with fake ones. `identity` is the account that the
    /// username stands for: an authorization identity that is another is refused (RFC 6120 sections
    /// 6.3.8, 6.5.6).
    pub fn challenge(
        self,
        keys: ScramKeys,
        identity: &BareJid,
        server_nonce: &str,
    ) -> Result<ServerFirst, SaslFailure> {
        if let Some(authzid) = &self.authzid
            && BareJid::parse(authzid).as_ref() != Ok(identity)
        {
            return Err(SaslCondition::InvalidAuthzid.into());
        }
        // Our own nonce: if it is none, it is our fault, and the client may try again.
        if !message::is_nonce(server_nonce) {
            return Err(SaslCondition::TemporaryAuthFailure.into());
        }
        let nonce = self.nonce + server_nonce;
        let salt = STANDARD.encode(&keys.salt);
        let offered = self.offered.map(|digest| format!(",h={digest}"));
        let iterations = keys.iterations;
        let mut binding = self.gs2_header.into_bytes();
        binding.extend_from_slice(self.bound.expose());
        Ok(ServerFirst {
            message: format!(
                "r={nonce},s={salt},i={iterations}{}",
                offered.unwrap_or_default()
            ),
            keys,
            binding: binding.into(),
            client_first_bare: self.bare,
            nonce,
            username: self.username,
        })
    }
}

impl ServerFirst {
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Which keys it was made with.
    pub fn hash(&self) -> ScramHash {
        self.keys.hash
    }

    /// Judges the proof; keys that are fake take the same way.
    pub fn verify(self, client_final: &[u8]) -> Result<ServerFinal, SaslFailure> {
        let text = message::text(client_final)?;
        let (without_proof, proof) = text
            .rsplit_once(",p=")
            .ok_or(SaslFailure::malformed("the proof is missing"))?;
        let mut rest = Some(without_proof);
        let binding = message::take(&mut rest, "c")?;
        let nonce = message::take(&mut rest, "r")?;
        message::extensions(rest)?;
        let proof = STANDARD.decode(proof);
        let proof = proof.map_err(|_| SaslFailure::malformed("the proof is not base 64"))?;
        // Section 5.1: the GS2 header again, which shows that nobody changed it, with the data of
        // the channel, which shows that there is nobody in between; and the same nonce.
        let binding = STANDARD.decode(binding).map(Secret::new);
        if binding.as_ref() != Ok(&self.binding) || nonce != self.nonce {
            return Err(SaslCondition::NotAuthorized.into());
        }
        let hash = self.keys.hash;
        if proof.len() != hash.len() {
            return Err(SaslCondition::NotAuthorized.into());
        }
        let auth_message = auth_message(&self.client_first_bare, &self.message, without_proof);
        let signature = hash.hmac(self.keys.stored_key.expose(), &[auth_message.as_bytes()]);
        let client_key = xor(&proof, signature.expose());
        let server_signature = hash.hmac(self.keys.server_key.expose(), &[auth_message.as_bytes()]);
        // Secrets compare in constant time.
        if hash.digest(client_key.expose()) != self.keys.stored_key {
            return Err(SaslCondition::NotAuthorized.into());
        }
        let message = format!("v={}", STANDARD.encode(server_signature.expose()));
        Ok(ServerFinal {
            username: self.username,
            message,
        })
    }
}

/// The data that the flag of the GS2 header binds to (RFC 5802 section 6).
fn bound(flag: &str, mechanism: Mechanism, offer: &Offer) -> Result<Secret, SaslFailure> {
    let wanted = flag.strip_prefix("p=");
    match (wanted, flag, mechanism.binds()) {
        (Some(name), _, true) => ChannelBinding::from_name(name)
            .and_then(|wanted| offer.binding(wanted).cloned())
            .ok_or(SaslFailure::malformed("unsupported-channel-binding-type")),
        (Some(_), _, false) => Err(SaslFailure::malformed("channel-binding-not-supported")),
        (None, "n", false) => Ok(Secret::default()),
        // "y": the client could bind but believes that the server cannot. Where it can, somebody
        // has changed what was offered.
        (None, "y", false) if offer.bindings.is_empty() => Ok(Secret::default()),
        (None, "y", false) => Err(SaslFailure::new(SaslCondition::NotAuthorized)
            .with_text("server-does-support-channel-binding")),
        (None, "n" | "y", true) => Err(SaslFailure::malformed("the mechanism needs a binding")),
        _ => Err(SaslFailure::malformed("the GS2 header is malformed")),
    }
}

/// `AuthMessage` of RFC 5802 section 3.
pub(super) fn auth_message(first_bare: &str, server_first: &str, final_bare: &str) -> String {
    format!("{first_bare},{server_first},{final_bare}")
}
