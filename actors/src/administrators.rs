//! Who administers, proved: by a password, hashed off the arbiters, or by a token. Failures are
//! counted by name and by address, apart from those of users. Not for what a role may.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::lockout::{Lockouts, Policy};
use pollux_domain::operations::{AdministratorName, Caller, Denial, Face, Role, Secret};
use pollux_raft::configuration::PasswordHash;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, oneshot};

use crate::node::Node;

/// How a token begins, so that whoever finds one knows what it is.
const TOKEN_PREFIX: &str = "pollux_";
/// Where the names stand for the lock-out, which knows addresses. No domain of users.
const NAMES: &str = "administrators.invalid";
/// How long a node that has just started waits for the leader before it judges anybody.
const INFORM_PATIENCE: Duration = Duration::from_secs(5);

/// What a node keeps for this.
#[derive(Debug)]
pub(crate) struct Desk {
    passwords: Mutex<Lockouts>,
    tokens: Mutex<Lockouts>,
    hashing: Semaphore,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk {
            passwords: Mutex::default(),
            tokens: Mutex::default(),
            hashing: Semaphore::new(limits::ADMINISTRATOR_HASHES_MAX),
        }
    }
}

/// Who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub name: AdministratorName,
    pub role: Role,
    /// With another one, whoever signed in has to do it again.
    pub password_version: u64,
}

/// Who it is, by name and password. A name that there is not costs as much as one that there is.
pub async fn sign_in(
    node: &Node,
    name: &str,
    password: Secret,
    address: IpAddr,
) -> Result<SignedIn, Denial> {
    let (policy, key) = (policy(node), key(name));
    let desk = &node.administrators;
    let now = node.ambient.clock.now();
    if let Some(left) = lock(&desk.passwords).left(policy, &key, address, now) {
        let seconds = left.as_secs();
        return Err(Denial::LockedOut { seconds });
    }
    if !is_informed(node).await {
        return Err(Denial::Unavailable);
    }
    let name = AdministratorName::new(name).ok();
    let known = name.and_then(|name| {
        node.configuration.read(|configuration| {
            let account = configuration.administrators().account(&name)?;
            let (role, password_version) = (account.role, account.password_version);
            let signed_in = SignedIn {
                name: name.clone(),
                role,
                password_version,
            };
            Some((signed_in, account.password))
        })
    });
    let kept = known.as_ref().map_or(NOBODYS, |(_, kept)| *kept);
    let computed = hash(node, password, kept)
        .await
        .ok_or(Denial::Unavailable)?;
    let is_right = bool::from(computed.hash.ct_eq(&kept.hash));
    match known.filter(|_| is_right) {
        Some((signed_in, _)) => {
            lock(&desk.passwords).succeeded(&key, address);
            tracing::info!(administrator = %signed_in.name, %address, "administrator signed in");
            Ok(signed_in)
        }
        None => {
            let now = node.ambient.clock.now();
            let locked = lock(&desk.passwords).failed(policy, &key, address, now);
            if locked.account || locked.address {
                let seconds = limits::LOCKOUT_SECONDS;
                tracing::warn!(%address, seconds, "administrators are locked out after failures");
            }
            Err(Denial::WrongPassword)
        }
    }
}

/// What is compared where there is no such name: no password has this hash for certain.
const NOBODYS: PasswordHash = PasswordHash {
    memory_kib: limits::ADMINISTRATOR_HASH_MEMORY_KIB,
    passes: limits::ADMINISTRATOR_HASH_PASSES,
    lanes: limits::ADMINISTRATOR_HASH_LANES,
    salt: [0; 16],
    hash: [0; 32],
};

/// Whoever is signed in, as it is now; none: gone.
pub fn known(node: &Node, name: &AdministratorName) -> Option<SignedIn> {
    node.configuration.read(|configuration| {
        let account = configuration.administrators().account(name)?;
        Some(SignedIn {
            name: name.clone(),
            role: account.role,
            password_version: account.password_version,
        })
    })
}

/// Who asks with this token. Wrong ones are counted by address; a right one is taken all the same,
/// since nobody guesses 256 bits.
pub async fn of_token(node: &Node, token: &str, address: IpAddr) -> Result<Caller, Denial> {
    if !is_informed(node).await {
        return Err(Denial::Unavailable);
    }
    let digest = digest(token);
    let now = node.ambient.clock.wall();
    let known = node.configuration.read(|configuration| {
        let (name, token) = configuration.administrators().token(&digest)?;
        (now < token.expires).then(|| (name.clone(), token.role))
    });
    if let Some((name, role)) = known {
        let face = Face::Rest;
        return Ok(Caller::Administrator { name, role, face });
    }
    let policy = Policy {
        account: None,
        ..policy(node)
    };
    let (key, now) = (key(""), node.ambient.clock.now());
    let mut tokens = lock(&node.administrators.tokens);
    if let Some(left) = tokens.left(policy, &key, address, now) {
        let seconds = left.as_secs();
        return Err(Denial::LockedOut { seconds });
    }
    if tokens.failed(policy, &key, address, now).address {
        let seconds = limits::LOCKOUT_SECONDS;
        tracing::warn!(%address, seconds, "wrong tokens are not looked at after too many");
    }
    Err(Denial::WrongToken)
}

/// A new one, and what is kept of it.
pub(crate) fn make_token(node: &Node) -> (String, [u8; 32]) {
    let mut secret = [0; 32];
    node.ambient.rand.fill(&mut secret);
    let token = format!("{TOKEN_PREFIX}{}", hex(&secret));
    let digest = digest(&token);
    (token, digest)
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// In hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

/// What is kept of a new password; none if the node gives it up.
pub(crate) async fn of_password(node: &Node, password: Secret) -> Option<PasswordHash> {
    let mut salt = [0; 16];
    node.ambient.rand.fill(&mut salt);
    let made_by = PasswordHash { salt, ..NOBODYS };
    hash(node, password, made_by).await
}

/// The hash of this password, made as that one was. Aside, a few at a time.
async fn hash(node: &Node, password: Secret, made_by: PasswordHash) -> Option<PasswordHash> {
    let turn = node.administrators.hashing.acquire().await.ok()?;
    let (tell, told) = oneshot::channel();
    let job = move || {
        let _gone = tell.send(computed(&password, made_by));
    };
    node.placement.run_aside(Box::new(job));
    let hash = told.await.ok().flatten();
    drop(turn);
    hash
}

fn computed(password: &Secret, made_by: PasswordHash) -> Option<PasswordHash> {
    let mut hash = [0; 32];
    let PasswordHash {
        memory_kib,
        passes,
        lanes,
        salt,
        ..
    } = made_by;
    let params = Params::new(memory_kib, passes, lanes, Some(hash.len())).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let password = password.expose_secret().as_bytes();
    argon2.hash_password_into(password, &salt, &mut hash).ok()?;
    Some(PasswordHash { hash, ..made_by })
}

fn lock(lockouts: &Mutex<Lockouts>) -> MutexGuard<'_, Lockouts> {
    lockouts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As for users.
fn policy(node: &Node) -> Policy {
    let settings = node.cluster_settings();
    Policy {
        account: settings.lockout_account_failures.most(),
        address: settings.lockout_address_failures.most(),
    }
}

/// What can be no name counts as one that nobody has.
fn key(name: &str) -> BareJid {
    let name = AdministratorName::new(name).ok();
    let name = name.as_ref().map_or("-", AdministratorName::as_str);
    BareJid::from_parts(Some(name), NAMES).expect("a local part of few letters, and a domain")
}

/// Before a replica has heard the leader it knows of nobody, and would call every password wrong.
async fn is_informed(node: &Node) -> bool {
    let is_informed = node.informed.load(Ordering::Relaxed);
    if is_informed {
        return true;
    }
    let caught_up = tokio::time::timeout(INFORM_PATIENCE, node.configuration.catch_up()).await;
    let is_informed = matches!(caught_up, Ok(Ok(())));
    node.informed.fetch_or(is_informed, Ordering::Relaxed);
    is_informed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_and_its_salt() {
        let made_by = PasswordHash {
            memory_kib: 64,
            salt: [7; 16],
            ..NOBODYS
        };
        let of = |password: &str, made_by| {
            let password = Secret::new(password.to_owned()).unwrap();
            computed(&password, made_by).unwrap().hash
        };
        let first = of("open sesame", made_by);
        assert_eq!(of("open sesame", made_by), first);
        assert_ne!(of("open sesamE", made_by), first);
        let salt = [8; 16];
        assert_ne!(of("open sesame", PasswordHash { salt, ..made_by }), first);
    }

    #[test]
    fn any_name_has_a_key() {
        assert_eq!(key("ann").as_str(), "ann@administrators.invalid");
        for odd in ["", "Ann", "a b", "<b>", &"x".repeat(2_000), "\u{0}"] {
            assert_eq!(key(odd).as_str(), "-@administrators.invalid");
        }
    }

    #[test]
    fn bytes_have_two_digits_each() {
        assert_eq!(hex(&[0, 0xa, 0xff]), "000aff");
    }
}
