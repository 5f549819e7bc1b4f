//! What accounts are proved by: salted keys, one for each hash. A password becomes keys at once,
//! off the arbiters, and is kept nowhere. Not for who exists: see `users`.

use std::io;

use pollux_domain::hashes::Hashes;
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_raft::configuration::{Change, Credentials};
use pollux_store::codec::{self, CodecError};
use pollux_xmpp::sasl::Secret;
use pollux_xmpp::sasl::scram::{DeriveError, ScramHash, ScramKeys};
use tokio::sync::oneshot;

use crate::node::Node;
use crate::users::{self, UserError};

const VERSION: u16 = 1;
/// Each turn more than the first means that somebody else has added keys meanwhile.
const TURNS_MAX: usize = 4;

/// Of a password: for each hash, with a salt of its own (XEP-0438).
pub async fn of_password(node: &Node, password: String) -> Result<Credentials, UserError> {
    let mut salts = [[0; limits::SALT_BYTES]; ScramHash::ALL.len()];
    for salt in &mut salts {
        node.ambient.rand.fill(salt);
    }
    let iterations = node.settings.scram_iterations;
    let (tell, told) = oneshot::channel();
    let job = move || {
        let keys: Result<Vec<ScramKeys>, DeriveError> = ScramHash::ALL
            .into_iter()
            .zip(salts)
            .map(|(hash, salt)| ScramKeys::derive(hash, &password, &salt, iterations))
            .collect();
        let _gone = tell.send(keys);
    };
    node.placement.run_aside(Box::new(job));
    let keys = told.await.map_err(|_| UserError::GivenUp)??;
    Ok(encoded(&keys)?)
}

/// The same for those who may ask for it as often as they like: as many at a time as the node has
/// doors.
pub async fn in_turn(node: &Node, password: String) -> Result<Credentials, UserError> {
    let turn = node.hashing.acquire().await;
    let turn = turn.map_err(|_| UserError::GivenUp)?;
    let credentials = of_password(node, password).await;
    drop(turn);
    credentials
}

/// As an account has them.
pub fn encoded(keys: &[ScramKeys]) -> Result<Credentials, CodecError> {
    let has = |hash| keys.iter().any(|keys| keys.hash() == hash);
    Ok(Credentials {
        keys: codec::encode(VERSION, &keys)?.into(),
        hashes: Hashes {
            sha1: has(ScramHash::Sha1),
            sha256: has(ScramHash::Sha256),
            sha512: has(ScramHash::Sha512),
        },
    })
}

/// Of a user, for one hash; fake ones for a user without, by the same work.
pub fn of_user(node: &Node, user: &BareJid, hash: ScramHash) -> io::Result<ScramKeys> {
    let (credentials, secret) = node.configuration.read(|state| {
        let credentials = state.account(user).map(|account| &account.credentials);
        (credentials.cloned(), state.decoy_secret().cloned())
    });
    let secret = secret.unwrap_or_default().to_vec().into();
    let fake = ScramKeys::fake(hash, &secret, user.as_str(), node.settings.scram_iterations);
    let known: Vec<ScramKeys> = match credentials {
        Some(credentials) => codec::decode(VERSION, &credentials.keys)?,
        None => Vec::new(),
    };
    match known.into_iter().find(|keys| keys.hash() == hash) {
        Some(keys) => Ok(keys),
        None => fake.map_err(io::Error::other),
    }
}

/// By which hash a password itself is compared: the same for all who have it, and for nobody.
pub fn compared(node: &Node, user: &BareJid) -> ScramHash {
    let hashes = node.configuration.read(|state| {
        let account = state.account(user);
        account.map_or(Hashes::ALL, |account| account.credentials.hashes)
    });
    match hashes {
        hashes if hashes.sha256 => ScramHash::Sha256,
        hashes if hashes.sha512 => ScramHash::Sha512,
        _ => ScramHash::Sha1,
    }
}

/// Whether the keys are those of the password. Hashed aside, as many at a time as the node has
/// doors; none if it is given up.
pub async fn has_password(node: &Node, keys: ScramKeys, password: Secret) -> Option<bool> {
    let turn = node.hashing.acquire().await.ok()?;
    let (tell, told) = oneshot::channel();
    let job = move || {
        let _gone = tell.send(keys.are_of(&password));
    };
    node.placement.run_aside(Box::new(job));
    let answer = told.await.ok();
    drop(turn);
    answer
}

/// For which hashes the user has keys whom a stream says that it is, and for which it has none
/// (decision 0046). Of nobody, and of one who does not exist: what all have, and what some lack.
pub fn known_and_missing(node: &Node, claimed: Option<&BareJid>) -> (Hashes, Hashes) {
    node.configuration.read(|state| match claimed {
        None => (state.lacking().common(), state.lacking().any()),
        Some(user) => match state.account(user) {
            None => (Hashes::ALL, Hashes::default()),
            Some(account) => {
                let known = account.credentials.hashes;
                (known, known.missing())
            }
        },
    })
}

pub fn has(node: &Node, user: &BareJid, hash: ScramHash) -> bool {
    node.configuration.read(|state| {
        let account = state.account(user);
        account.is_some_and(|account| hash.is_of(account.credentials.hashes))
    })
}

/// Adds keys of the same password, which was proved as of this version. Those that the user has
/// stay.
pub async fn add(
    node: &Node,
    user: &BareJid,
    password_version: u64,
    keys: ScramKeys,
) -> Result<(), UserError> {
    for _ in 0..TURNS_MAX {
        let account = node
            .configuration
            .read(|state| state.account(user).cloned());
        let account = account.ok_or(UserError::NoSuchUser)?;
        if account.password_version != password_version {
            return Err(UserError::Changed);
        }
        if keys.hash().is_of(account.credentials.hashes) {
            return Ok(());
        }
        let mut all: Vec<ScramKeys> = codec::decode(VERSION, &account.credentials.keys)?;
        all.push(keys.clone());
        let added = Change::AddKeys {
            user: user.clone(),
            known: account.credentials,
            credentials: encoded(&all)?,
        };
        match users::change(node, added).await {
            Err(UserError::Changed) => {}
            done => return done,
        }
    }
    Err(UserError::Changed)
}
