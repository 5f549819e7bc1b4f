//! The client's side of SCRAM (RFC 5802 section 5), for tests, tools and outgoing streams. Not for
//! keeping passwords.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hash::{ScramHash, xor};
use super::keys::{ITERATIONS_MAX, salted_password};
use super::message;
use super::server::auth_message;
use crate::sasl::{SaslCondition, SaslFailure, Secret};

/// A handshake that has begun. It does not bind to the channel.
#[derive(Debug, Clone)]
pub struct ScramClient {
    hash: ScramHash,
    gs2_header: String,
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
            gs2_header: format!("n,{},", authzid.unwrap_or_default()),
            first_bare: format!("n={username},r={nonce}"),
            nonce: nonce.to_owned(),
            password: Secret::new(password.as_bytes().to_vec()),
        })
    }

    pub fn first_message(&self) -> String {
        format!("{}{}", self.gs2_header, self.first_bare)
    }

    /// Answers the challenge. Slow on purpose: see `ScramKeys::derive`.
    pub fn answer(self, server_first: &[u8]) -> Result<(String, Expected), SaslFailure> {
        let text = message::text(server_first)?;
        let mut rest = Some(text);
        let nonce = message::take(&mut rest, "r")?;
        let salt = message::take(&mut rest, "s")?;
        let iterations = message::take(&mut rest, "i")?;
        message::extensions(rest)?;
        let is_ours = nonce
            .strip_prefix(self.nonce.as_str())
            .is_some_and(message::is_nonce);
        let salt = STANDARD
            .decode(salt)
            .map_err(|_| SaslCondition::MalformedRequest)?;
        let iterations: u32 = iterations
            .parse()
            .map_err(|_| SaslCondition::MalformedRequest)?;
        if !is_ours || iterations > ITERATIONS_MAX {
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
        let final_bare = format!("c={},r={nonce}", STANDARD.encode(&self.gs2_header));
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
