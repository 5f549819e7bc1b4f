//! Who may sign in, and SCRAM-SHA-1 from the server's side (RFC 5802) with stored keys. The file of
//! accounts is for measurements: all have one salt.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::client::{Keys, Mechanism};
use crate::servers::{ITERATIONS, SALT};

const MECHANISM: Mechanism = Mechanism::ScramSha1;

/// What is known of one user.
#[derive(Debug)]
pub struct Stored {
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

pub struct Accounts {
    path: PathBuf,
    known: RefCell<BTreeMap<String, Rc<Stored>>>,
}

/// One user of the file: the name and two keys.
pub fn line(user: &str, keys: &Keys) -> String {
    let [stored, server] = [&keys.stored_key, &keys.server_key].map(|key| STANDARD.encode(key));
    format!("{user} {stored} {server}\n")
}

impl Accounts {
    pub fn new(path: PathBuf) -> Self {
        Accounts {
            path,
            known: RefCell::default(),
        }
    }

    /// Who is not known is looked for in the file, to which users are added while the server runs.
    pub fn find(&self, user: &str) -> Option<Rc<Stored>> {
        if let Some(stored) = self.known.borrow().get(user) {
            return Some(stored.clone());
        }
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let read = text.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?.to_owned();
            let mut key = || STANDARD.decode(words.next()?).ok();
            let (stored_key, server_key) = (key()?, key()?);
            let stored = Stored {
                stored_key,
                server_key,
            };
            Some((name, Rc::new(stored)))
        });
        *self.known.borrow_mut() = read.collect();
        self.known.borrow().get(user).cloned()
    }
}

/// One sign-in: a challenge for the client's first word, a signature for its proof.
pub struct Exchange {
    pub user: String,
    stored: Rc<Stored>,
    first_bare: String,
    challenge: String,
    without_proof: String,
}

impl Exchange {
    /// `nonce` is the server's part. `None` where the client or the user is not as it must be.
    pub fn new(first: &str, accounts: &Accounts, nonce: &str) -> Option<Self> {
        let first_bare = first.strip_prefix("n,,")?;
        let (user, theirs) = first_bare.strip_prefix("n=")?.split_once(",r=")?;
        let stored = accounts.find(user)?;
        let nonce = format!("{theirs}{nonce}");
        let salt = STANDARD.encode(SALT);
        Some(Exchange {
            user: user.to_owned(),
            stored,
            first_bare: first_bare.to_owned(),
            challenge: format!("r={nonce},s={salt},i={ITERATIONS}"),
            without_proof: format!("c=biws,r={nonce}"),
        })
    }

    pub fn challenge(&self) -> &str {
        &self.challenge
    }

    /// The server's signature, where the proof is that of the password.
    pub fn verify(&self, answer: &str) -> Option<String> {
        let (without_proof, proof) = answer.split_once(",p=")?;
        let proof = STANDARD.decode(proof).ok()?;
        let (bare, challenge) = (&self.first_bare, &self.challenge);
        let message = format!("{bare},{challenge},{without_proof}");
        let signature = MECHANISM.hmac(&self.stored.stored_key, message.as_bytes());
        let pairs = proof.iter().zip(signature.ok()?);
        let client_key: Vec<u8> = pairs.map(|(proof, signature)| proof ^ signature).collect();
        let is_theirs: bool = MECHANISM
            .hash(&client_key)
            .ct_eq(&self.stored.stored_key)
            .into();
        let mine = MECHANISM.hmac(&self.stored.server_key, message.as_bytes());
        (is_theirs && without_proof == self.without_proof)
            .then(|| mine.ok())?
            .map(|mine| format!("v={}", STANDARD.encode(mine)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that were derived from another password are not those of the account.
    #[test]
    fn only_the_password_of_the_account_signs_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let derive = |password| Keys::derive(MECHANISM, password, SALT.as_bytes(), 4096).unwrap();
        let right = derive("right");
        std::fs::write(&path, line("user", &right)).unwrap();
        let accounts = Accounts::new(path);
        assert!(Exchange::new("n,,n=other,r=abc", &accounts, "def").is_none());
        let exchange = Exchange::new("n,,n=user,r=abc", &accounts, "def").unwrap();
        assert!(exchange.challenge().starts_with("r=abcdef,s="));
        let answer = |keys: &Keys, nonce: &str| {
            let without = format!("c=biws,r={nonce}");
            let message = format!("n=user,r=abc,{},{without}", exchange.challenge());
            let signature = MECHANISM.hmac(&keys.stored_key, message.as_bytes());
            let proof = keys.client_key.iter().zip(signature.unwrap());
            let proof: Vec<u8> = proof.map(|(key, byte)| key ^ byte).collect();
            format!("{without},p={}", STANDARD.encode(proof))
        };
        assert!(exchange.verify(&answer(&right, "abcdef")).is_some());
        assert_eq!(exchange.verify(&answer(&derive("wrong"), "abcdef")), None);
        assert_eq!(exchange.verify(&answer(&right, "abcxyz")), None);
        assert_eq!(exchange.verify("c=biws,r=abcdef"), None);
    }
}
