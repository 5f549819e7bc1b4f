//! Session tickets of TLS from a secret that several processes share, so that a client resumes at
//! any of them. Not for the secret itself: who shares it decides where it is kept.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use pollux_domain::ids::WallMs;
use pollux_domain::seams::Ambient;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use rustls::server::ProducesTickets;

/// How long one key makes tickets; it takes them for one period more, so that a ticket is good for
/// at least this long.
pub const TICKET_SECONDS: u32 = 6 * 60 * 60;

/// Separates these keys from others that may be made of the secret.
const PURPOSE: &[u8] = b"pollux session tickets 1";
/// The number of the period, little-endian, before nonce and ciphertext.
const PERIOD_BYTES: usize = 8;

/// Makes and takes tickets with keys that follow from the secret and the calendar: processes need
/// not talk to agree on them. Their clocks may differ by less than one period.
pub struct SharedTickets {
    secrets: RwLock<Secrets>,
    ambient: Ambient,
}

/// The secrets of a cluster: they are rotated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secrets {
    /// Tickets are made with it, and taken.
    pub make: [u8; 32],
    /// Taken as well.
    pub take: Option<[u8; 32]>,
    /// Tickets of its periods up to that of this moment are taken, until they are too old.
    pub former: Option<([u8; 32], WallMs)>,
}

impl Secrets {
    /// One that is not rotated.
    pub fn of(make: [u8; 32]) -> Secrets {
        Secrets {
            make,
            take: None,
            former: None,
        }
    }
}

impl fmt::Debug for SharedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTickets")
    }
}

impl SharedTickets {
    pub fn new(secret: [u8; 32], ambient: Ambient) -> SharedTickets {
        SharedTickets {
            secrets: RwLock::new(Secrets::of(secret)),
            ambient,
        }
    }

    /// Says whether it is news.
    pub fn set(&self, secrets: Secrets) -> bool {
        let mut known = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, secrets) != secrets
    }

    fn secrets(&self) -> Secrets {
        *self.secrets.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secrets by which a ticket of that period is taken.
    fn takers(&self, period: u64) -> impl Iterator<Item = [u8; 32]> {
        let secrets = self.secrets();
        let former = secrets.former;
        let former = former.filter(|(_, until)| period <= self::period(*until));
        let former = former.map(|(secret, _)| secret);
        [Some(secrets.make), secrets.take, former]
            .into_iter()
            .flatten()
    }

    fn period(&self) -> u64 {
        period(self.ambient.clock.wall())
    }
}

fn period(at: WallMs) -> u64 {
    at.0 / (u64::from(TICKET_SECONDS) * 1_000)
}

fn key(secret: &[u8; 32], period: u64) -> Option<LessSafeKey> {
    let derived = Salt::new(HKDF_SHA256, PURPOSE).extract(secret);
    let period = period.to_le_bytes();
    let info = [&period[..]];
    let key = derived.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

/// What was sealed.
fn open(secret: &[u8; 32], period: u64, nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut plain = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    let length = key(secret, period)?
        .open_in_place(nonce, Aad::empty(), &mut plain)
        .ok()?
        .len();
    plain.truncate(length);
    Some(plain)
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        TICKET_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let period = self.period();
        let mut nonce = [0; NONCE_LEN];
        self.ambient.rand.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        key(&self.secrets().make, period)?
            .seal_in_place_append_tag(unique, Aad::empty(), &mut sealed)
            .ok()?;
        Some([&period.to_le_bytes()[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (period, rest) = ticket.split_first_chunk::<PERIOD_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let period = u64::from_le_bytes(*period);
        // The one after ours too: another process's clock may be ahead.
        if period.abs_diff(self.period()) > 1 {
            return None;
        }
        let mut takers = self.takers(period);
        takers.find_map(|secret| open(&secret, period, *nonce, sealed))
    }
}
