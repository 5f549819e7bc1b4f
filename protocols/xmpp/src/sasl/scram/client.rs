//! The client's side of SCRAM (RFC 5802 section 5), for tests, tools and outgoing streams. Not for
//! keeping passwords.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hash::{ScramHash, xor};
use super::keys::{ITERATIONS_MAX, salted_password};
use super::message;
use super::server::auth_message;
use crate::sasl::{ChannelBinding, Offer, SaslCondition, SaslFailure, Secret};

/// A handshake that has begun.
#[derive(Debug, Clone)]
pub struct ScramClient {
    hash: ScramHash,
    flag: String,
    authzid: String,
    bound: Secret,
    /// Of what was seen offered.
    offered: Option<String>,
    first_bare: String,
    nonce: String,
    password: Secret,
}

/// What the server must say at the end.
#[derive(Debug, Clone)]
pub struct Expected {
    signature: Secret,
}

impl ScramClient {
    /// The nonce is random, printable ASCII without a comma; `authzid` is another identity to act
    /// as, if any.
    pub fn new(
        hash: ScramHash,
        username: &str,
        password: &str,
        authzid: Option<&str>,
        nonce: &str,
    ) -> Result<ScramClient, SaslFailure> {
        if !message::is_nonce(nonce) {
            return Err(SaslFailure::malformed("the nonce is malformed"));
        }
        let username = message::escape_name(&message::prepare_name(username)?);
        let authzid = authzid.map(|name| format!("a={}", message::escape_name(name)));
        Ok(ScramClient {
            hash,
            flag: "n".to_owned(),
            authzid: authzid.unwrap_or_default(),
            bound: Secret::default(),
            offered: None,
            first_bare: format!("n={username},r={nonce}"),
            nonce: nonce.to_owned(),
            password: Secret::new(password.as_bytes().to_vec()),
        })
    }

    /// The same, bound to the channel: for the mechanisms whose names end with -PLUS.
    pub fn bound_to(mut self, binding: ChannelBinding, data: Secret) -> ScramClient {
        self.flag = format!("p={binding}");
        self.bound = data;
        self
    }

    /// The same, by one who notices if somebody has changed what the server offered (XEP-0474).
    pub fn having_seen(mut self, offer: &Offer) -> ScramClient {
        self.offered = offer.digest(self.hash);
        self
    }

    fn gs2_header(&self) -> String {
        format!("{},{},", self.flag, self.authzid)
    }

    pub fn first_message(&self) -> String {
        format!("{}{}", self.gs2_header(), self.first_bare)
    }

    /// Answers the challenge. Slow on purpose: see `ScramKeys::derive`.
    pub fn answer(self, server_first: &[u8]) -> Result<(String, Expected), SaslFailure> {
        let text = message::text(server_first)?;
        let mut rest = Some(text);
        let nonce = message::take(&mut rest, "r")?;
        let salt = message::take(&mut rest, "s")?;
        let iterations = message::take(&mut rest, "i")?;
        message::extensions(rest)?;
        let offered =
            rest.and_then(|rest| rest.split(',').find_map(|part| part.strip_prefix("h=")));
        let is_changed = match (&self.offered, offered) {
            (Some(seen), Some(offered)) => seen != offered,
            _ => false,
        };
        let is_ours = nonce
            .strip_prefix(self.nonce.as_str())
            .is_some_and(message::is_nonce);
        let salt = STANDARD
            .decode(salt)
            .map_err(|_| SaslCondition::MalformedRequest)?;
        let iterations: u32 = iterations
            .parse()
            .map_err(|_| SaslCondition::MalformedRequest)?;
        if !is_ours || is_changed || iterations > ITERATIONS_MAX {
            return Err(SaslCondition::NotAuthorized.into());
        }
        let password = std::str::from_utf8(self.password.expose());
        let password = password.map_err(|_| SaslCondition::NotAuthorized)?;
        let salted = salted_password(self.hash, password, &salt, iterations)
            .map_err(|error| SaslFailure::malformed("no keys").with_text(error.to_string()))?;
        let (hash, salted) = (self.hash, salted.expose());
        let client_key = hash.hmac(salted, &[b"Client Key"]);
        let stored_key = hash.digest(client_key.expose());
        let server_key = hash.hmac(salted, &[b"Server Key"]);
        let mut binding = self.gs2_header().into_bytes();
        binding.extend_from_slice(self.bound.expose());
        let final_bare = format!("c={},r={nonce}", STANDARD.encode(&binding));
        let auth_message = auth_message(&self.first_bare, text, &final_bare);
        let signature = hash.hmac(stored_key.expose(), &[auth_message.as_bytes()]);
        let proof = STANDARD.encode(xor(client_key.expose(), signature.expose()).expose());
        let expected = hash.hmac(server_key.expose(), &[auth_message.as_bytes()]);
        Ok((
            format!("{final_bare},p={proof}"),
            Expected {
                signature: expected,
            },
        ))
    }
}

impl Expected {
    /// The server has proved that it knows the keys; if not, it is not the server (RFC 5802 section
    /// 5).
    pub fn check(&self, server_final: &[u8]) -> Result<(), SaslFailure> {
        let text = message::text(server_final)?;
        let mut rest = Some(text);
        let signature = message::take(&mut rest, "v")?;
        message::extensions(rest)?;
        let signature = STANDARD
            .decode(signature)
            .map_err(|_| SaslCondition::MalformedRequest)?;
        if Secret::new(signature) == self.signature {
            Ok(())
        } else {
            Err(SaslCondition::NotAuthorized.into())
        }
    }
}
