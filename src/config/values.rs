//! The checked configuration: what the parts of the node are built from. A value that exists here
//! is right; how it was written in the file is forgotten.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;

use pollux_domain::delivery::{Deliver, Durability};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub origin: Origin,
    pub node: NodeConfig,
    pub xmpp: XmppConfig,
    pub cluster: ClusterConfig,
    pub delivery: DeliveryConfig,
    pub control: ControlConfig,
    pub metrics: MetricsConfig,
    pub admin: AdminConfig,
    pub log: LogConfig,
}

/// Where the configuration is from. A node on the embedded default makes sample users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    EmbeddedDefault,
    File(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    pub id: NonZero<u16>,
    pub data_folder: PathBuf,
    /// Arbiters: threads on which actors live.
    pub threads: NonZero<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmppConfig {
    pub domain: Domain,
    pub listen: SocketAddr,
    /// None switches the port off.
    pub direct_tls_listen: Option<SocketAddr>,
    /// `host:port` at which clients reach this node.
    pub address: String,
    pub certificate: Certificate,
    /// None: no client is asked for its certificate.
    pub client_ca: Option<PathBuf>,
    pub allow_plaintext: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// Made at the first start and kept in the data folder.
    SelfSigned,
    Files {
        certificate: PathBuf,
        key: PathBuf,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    pub listen: SocketAddr,
    /// `host:port` at which other nodes reach this one.
    pub address: String,
    pub name: String,
    /// Nodes of one site may be lost together.
    pub site: Option<String>,
    /// Entries between two snapshots of a group.
    pub snapshot_entries: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryConfig {
    pub deliver: Deliver,
    pub durability: Durability,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlConfig {
    pub socket: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// A loopback address; none switches the port off.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// None switches the port off.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    /// Directives that the subscriber has already accepted.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// The domain of a node's users: host labels in lower case, or an IP literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Takes the A-label form of a name (`xn--…`), as certificates have it. RFC 1035 section 2.3.4
    /// has the limits.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.len() > 253 {
            return Err("it is longer than 253 bytes");
        }
        if text
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok()
        {
            return Ok(Self(text));
        }
        for label in text.split('.') {
            if label.is_empty() {
                return Err("it has an empty label: two dots, or a dot in front");
            }
            if label.len() > 63 {
                return Err("a label is longer than 63 bytes");
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err("a label begins or ends with a hyphen");
            }
            if !label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            {
                return Err(
                    "a label has more than letters, digits and hyphens (write the xn-- form)",
                );
            }
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        for (good, normal) in [
            ("localhost", "localhost"),
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(Domain::new(good).unwrap().as_str(), normal);
        }
        let long = format!("{}.org", "x".repeat(64));
        for bad in [
            "",
            ".",
            "a..b",
            "-a.org",
            "a-.org",
            "a b",
            "user@host",
            "bücher.de",
            &long,
        ] {
            assert!(Domain::new(bad).is_err(), "{bad:?}");
        }
    }
}
