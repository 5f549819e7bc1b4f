//! XMPP addresses (RFC 7622), prepared once when they enter. Not for routing decisions.
//!
//! A [`Jid`] is one shared string and two offsets, so a clone is a counter and comparison is that
//! of strings: RFC 7622 sections 3.2.3, 3.3 and 3.4 compare the prepared forms octet for octet, and
//! nothing unprepared gets in.

mod prepare;

#[cfg(test)]
mod jid_test;

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Serialize, Serializer};

/// Octets a part may have after preparation (RFC 7622 sections 3.2, 3.3, 3.4).
pub const PART_BYTES_MAX: usize = 1023;

/// Octets a whole address may have (RFC 7622 section 3.1: 3071 = three parts and two separators).
pub const JID_BYTES_MAX: usize = 3 * PART_BYTES_MAX + 2;

/// Why a string is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    #[error("the localpart is empty")]
    LocalEmpty,
    #[error("the localpart is longer than 1023 octets")]
    LocalTooLong,
    #[error("the localpart has a character that is not allowed")]
    LocalForbidden,
    #[error("the domainpart is empty")]
    DomainEmpty,
    #[error("the domainpart is longer than 1023 octets")]
    DomainTooLong,
    #[error("the domainpart is not a domain name or an IP address")]
    DomainForbidden,
    #[error("the resourcepart is empty")]
    ResourceEmpty,
    #[error("the resourcepart is longer than 1023 octets")]
    ResourceTooLong,
    #[error("the resourcepart has a character that is not allowed")]
    ResourceForbidden,
    #[error("the address has a resourcepart where none may be")]
    NotBare,
}

/// An address: `localpart@domainpart/resourcepart`, the first and the last optional.
#[derive(Clone)]
pub struct Jid {
    text: Arc<str>,
    /// Octets of the localpart; 0 says that there is none.
    local_len: u16,
    /// Octets before the `/` of the resourcepart; the length of the text where there is none.
    bare_len: u16,
}

/// An address without a resourcepart: an account, a room, or a host.
#[derive(Clone)]
pub struct BareJid {
    text: Arc<str>,
    local_len: u16,
}

// === impl Jid ===

impl Jid {
    /// Splits and prepares. The order of the splits is that of RFC 7622 section 3.2: first `/`,
    /// then `@` before it.
    pub fn parse(input: &str) -> Result<Jid, JidError> {
        let (bare, resource) = match input.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (input, None),
        };
        let (local, domain) = match bare.split_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, bare),
        };
        let prepared = Prepared::of(local, domain, resource)?;
        if prepared.length() != input.len() || prepared.is_changed() {
            return Ok(prepared.join());
        }
        // Most are prepared before they come, those of other nodes all.
        Ok(Jid {
            text: input.into(),
            local_len: local.map_or(0, str::len) as u16,
            bare_len: bare.len() as u16,
        })
    }

    /// Prepares each part by its own rules and joins them.
    pub fn from_parts(
        local: Option<&str>,
        domain: &str,
        resource: Option<&str>,
    ) -> Result<Jid, JidError> {
        Ok(Prepared::of(local, domain, resource)?.join())
    }

    pub fn local(&self) -> Option<&str> {
        (self.local_len > 0).then(|| &self.text[..self.local_len as usize])
    }

    pub fn domain(&self) -> &str {
        &self.text[domain_start(self.local_len)..self.bare_len as usize]
    }

    pub fn resource(&self) -> Option<&str> {
        self.is_full()
            .then(|| &self.text[self.bare_len as usize + 1..])
    }

    /// `<localpart@domainpart>` of a full address, the address itself of a bare one, without a copy
    /// of the text.
    pub fn bare_str(&self) -> &str {
        &self.text[..self.bare_len as usize]
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_bare(&self) -> bool {
        self.bare_len as usize == self.text.len()
    }

    pub fn is_full(&self) -> bool {
        !self.is_bare()
    }

    pub fn to_bare(&self) -> BareJid {
        let text = if self.is_bare() {
            self.text.clone()
        } else {
            self.bare_str().into()
        };
        BareJid {
            text,
            local_len: self.local_len,
        }
    }

    /// The same account at another resource.
    pub fn with_resource(&self, resource: &str) -> Result<Jid, JidError> {
        Ok(Prepared {
            local: self.local().map(Cow::Borrowed),
            domain: self.domain().into(),
            resource: Some(prepare::resource(resource)?),
        }
        .join())
    }
}

/// The parts in their final form; each is at most `PART_BYTES_MAX` long, so the offsets fit.
struct Prepared<'a> {
    local: Option<Cow<'a, str>>,
    domain: Cow<'a, str>,
    resource: Option<Cow<'a, str>>,
}

impl<'a> Prepared<'a> {
    fn of(
        local: Option<&'a str>,
        domain: &'a str,
        resource: Option<&'a str>,
    ) -> Result<Prepared<'a>, JidError> {
        Ok(Prepared {
            local: local.map(prepare::local).transpose()?,
            domain: prepare::domain(domain)?,
            resource: resource.map(prepare::resource).transpose()?,
        })
    }

    /// Whether a part was written anew. A final dot that is gone shows in the length alone.
    fn is_changed(&self) -> bool {
        let parts = [
            self.local.as_ref(),
            Some(&self.domain),
            self.resource.as_ref(),
        ];
        let mut parts = parts.into_iter().flatten();
        parts.any(|part| matches!(part, Cow::Owned(_)))
    }

    fn length(&self) -> usize {
        let beside = |part: &Option<Cow<'_, str>>| part.as_ref().map_or(0, |part| part.len() + 1);
        beside(&self.local) + self.domain.len() + beside(&self.resource)
    }

    fn join(&self) -> Jid {
        let mut text = String::with_capacity(self.length());
        if let Some(local) = &self.local {
            text.push_str(local);
            text.push('@');
        }
        text.push_str(&self.domain);
        let bare_len = text.len() as u16;
        if let Some(resource) = &self.resource {
            text.push('/');
            text.push_str(resource);
        }
        Jid {
            text: text.into(),
            local_len: self.local.as_ref().map_or(0, |local| local.len()) as u16,
            bare_len,
        }
    }
}

// === impl BareJid ===

impl BareJid {
    /// As [`Jid::parse`], and a resourcepart is an error.
    pub fn parse(input: &str) -> Result<BareJid, JidError> {
        BareJid::try_from(Jid::parse(input)?)
    }

    pub fn from_parts(local: Option<&str>, domain: &str) -> Result<BareJid, JidError> {
        BareJid::try_from(Jid::from_parts(local, domain, None)?)
    }

    pub fn local(&self) -> Option<&str> {
        (self.local_len > 0).then(|| &self.text[..self.local_len as usize])
    }

    pub fn domain(&self) -> &str {
        &self.text[domain_start(self.local_len)..]
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn to_jid(&self) -> Jid {
        self.clone().into()
    }

    pub fn with_resource(&self, resource: &str) -> Result<Jid, JidError> {
        Ok(Prepared {
            local: self.local().map(Cow::Borrowed),
            domain: self.domain().into(),
            resource: Some(prepare::resource(resource)?),
        }
        .join())
    }
}

impl TryFrom<Jid> for BareJid {
    type Error = JidError;

    fn try_from(jid: Jid) -> Result<BareJid, JidError> {
        if jid.is_full() {
            return Err(JidError::NotBare);
        }
        Ok(BareJid {
            text: jid.text,
            local_len: jid.local_len,
        })
    }
}

impl From<BareJid> for Jid {
    fn from(bare: BareJid) -> Jid {
        let bare_len = bare.text.len() as u16;
        Jid {
            text: bare.text,
            local_len: bare.local_len,
            bare_len,
        }
    }
}

/// The domainpart begins after the `@`, or at once where there is no localpart.
fn domain_start(local_len: u16) -> usize {
    if local_len == 0 {
        0
    } else {
        local_len as usize + 1
    }
}

// === what both have because they are strings ===

macro_rules! string_like {
    ($type:ident, $expecting:literal) => {
        impl PartialEq for $type {
            fn eq(&self, other: &$type) -> bool {
                self.text == other.text
            }
        }

        impl Eq for $type {}

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &$type) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &$type) -> Ordering {
                self.text.cmp(&other.text)
            }
        }

        impl Hash for $type {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl FromStr for $type {
            type Err = JidError;

            fn from_str(input: &str) -> Result<$type, JidError> {
                $type::parse(input)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text).map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text).map_err(D::Error::custom)
            }
        }
    };
}

string_like!(Jid, "an XMPP address");
string_like!(BareJid, "an XMPP address without a resourcepart");
