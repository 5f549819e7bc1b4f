//! Servers beside this one that clients need for calls (XEP-0215), as a person writes them: URIs of
//! RFC 7064 and RFC 7065. Not for what a client proves itself with there.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::Form;

/// Services, and a limit for what every answer carries.
const SERVICES_MAX: usize = 16;
const BYTES_MAX: usize = 2_048;
/// RFC 1035 section 2.3.4.
const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceKind {
    /// Tells a client its own address, RFC 8489.
    Stun,
    /// The same under TLS.
    Stuns,
    /// Relays what two clients cannot send each other, RFC 8656.
    Turn,
    /// The same under TLS.
    Turns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    Udp,
    Tcp,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalService {
    pub kind: ServiceKind,
    /// A name of the DNS in small letters, or an address; of IPv6 without brackets.
    pub host: String,
    pub port: u16,
    pub transport: Transport,
}

/// All of them, in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalServices(Vec<ExternalService>);

impl ServiceKind {
    pub const ALL: [ServiceKind; 4] = [
        ServiceKind::Stun,
        ServiceKind::Stuns,
        ServiceKind::Turn,
        ServiceKind::Turns,
    ];

    /// The scheme of its URI, and its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            ServiceKind::Stun => "stun",
            ServiceKind::Stuns => "stuns",
            ServiceKind::Turn => "turn",
            ServiceKind::Turns => "turns",
        }
    }

    /// Nobody relays for strangers.
    pub fn wants_credentials(self) -> bool {
        matches!(self, ServiceKind::Turn | ServiceKind::Turns)
    }

    /// Where a URI names neither.
    fn defaults(self) -> (u16, Transport) {
        match self {
            ServiceKind::Stun | ServiceKind::Turn => (3_478, Transport::Udp),
            ServiceKind::Stuns | ServiceKind::Turns => (5_349, Transport::Tcp),
        }
    }
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}

impl ExternalServices {
    pub fn iter(&self) -> impl Iterator<Item = &ExternalService> {
        self.0.iter()
    }
}

impl Form for ExternalServices {
    fn words() -> String {
        "none, or stun:HOST:PORT, turn:HOST:PORT?transport=udp (or tcp), stuns: and turns: under \
         TLS, several with spaces between"
            .to_owned()
    }

    /// Every mistake is named.
    fn read(text: &str) -> Result<ExternalServices, String> {
        if text == "none" {
            return Ok(ExternalServices::default());
        }
        if BYTES_MAX < text.len() {
            return Err(format!("more than {BYTES_MAX} octets"));
        }
        let mut services = Vec::new();
        let mut mistakes = Vec::new();
        for uri in text.split_whitespace() {
            match read(uri) {
                Ok(service) if services.contains(&service) => {
                    mistakes.push(format!("`{uri}` stands there twice"));
                }
                Ok(service) => services.push(service),
                Err(wrong) => mistakes.push(format!("`{uri}` {wrong}")),
            }
        }
        if services.len() + mistakes.len() == 0 || SERVICES_MAX < services.len() {
            mistakes.push(format!("write one to {SERVICES_MAX} services, or none"));
        }
        match mistakes.is_empty() {
            true => Ok(ExternalServices(services)),
            false => Err(mistakes.join("; ")),
        }
    }
}

fn read(uri: &str) -> Result<ExternalService, String> {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let mut kinds = ServiceKind::ALL.into_iter();
    let kind = kinds.find(|kind| kind.name() == scheme);
    let kind = kind.ok_or("begins with none of stun:, stuns:, turn: and turns:")?;
    let (port, transport) = kind.defaults();
    let (place, transport) = match rest.split_once('?') {
        None => (rest, transport),
        Some((place, "transport=udp")) if kind.wants_credentials() => (place, Transport::Udp),
        Some((place, "transport=tcp")) if kind.wants_credentials() => (place, Transport::Tcp),
        Some(_) if kind.wants_credentials() => {
            return Err("has something else than transport=udp or transport=tcp".to_owned());
        }
        Some(_) => return Err("has a `?`, which only turn: and turns: have".to_owned()),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("has no `]`")?;
            let host: Result<Ipv6Addr, _> = host.parse();
            let host = host.map_err(|_| "has no address of IPv6 in its brackets")?;
            let port = match rest {
                "" => port,
                rest => read_port(rest.strip_prefix(':').unwrap_or_default())?,
            };
            (host.to_string(), port)
        }
        None => match place.split_once(':') {
            None => (read_host(place)?, port),
            Some((host, port)) => (read_host(host)?, read_port(port)?),
        },
    };
    Ok(ExternalService {
        kind,
        host,
        port,
        transport,
    })
}

fn read_port(text: &str) -> Result<u16, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_number && 0 < *port);
    port.ok_or_else(|| "has a port that is none; write a number from 1 to 65535".to_owned())
}

/// RFC 1123 section 2.1.
fn read_host(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // What ends in a number is an address or nothing.
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = match is_address {
        true => text.parse::<Ipv4Addr>().is_ok(),
        false => text.len() <= HOST_BYTES_MAX && text.split('.').all(is_label),
    };
    match is_host {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("has no host; write a name of the DNS, or an address".to_owned()),
    }
}

impl fmt::Display for ExternalService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, port) = (self.kind.name(), self.port);
        match self.host.contains(':') {
            true => write!(f, "{kind}:[{}]:{port}", self.host)?,
            false => write!(f, "{kind}:{}:{port}", self.host)?,
        }
        match self.kind.wants_credentials() {
            true => write!(f, "?transport={}", self.transport.name()),
            false => Ok(()),
        }
    }
}

impl fmt::Display for ExternalServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let services = self.0.iter().map(ExternalService::to_string);
        f.write_str(&services.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        let services = ExternalServices::read(text).unwrap();
        assert_eq!(services.to_string(), shown);
        assert_eq!(ExternalServices::read(shown), Ok(services));
    }

    #[test]
    fn what_is_written_is_read_again() {
        check("none", "none");
        check("stun:Stun.Example.org", "stun:stun.example.org:3478");
        check("turn:192.0.2.1", "turn:192.0.2.1:3478?transport=udp");
        check("turns:a.example", "turns:a.example:5349?transport=tcp");
        check("stuns:[2001:db8::1]", "stuns:[2001:db8::1]:5349");
        check(
            "turn:[::1]:80?transport=tcp  turn:a:1",
            "turn:[::1]:80?transport=tcp turn:a:1?transport=udp",
        );
    }

    #[test]
    fn a_service_has_what_its_uri_does_not_name() {
        let services = ExternalServices::read("turns:a stun:b").unwrap();
        let services: Vec<&ExternalService> = services.iter().collect();
        assert_eq!(services[0].transport, Transport::Tcp);
        assert_eq!(services[1].transport, Transport::Udp);
        assert_eq!((services[0].port, services[1].port), (5_349, 3_478));
    }

    #[test]
    fn every_mistake_is_named() {
        let error = ExternalServices::read("sip:a stun:a?b=c turn:b:0 turn:c turn:c").unwrap_err();
        assert_eq!(
            error,
            "`sip:a` begins with none of stun:, stuns:, turn: and turns:; `stun:a?b=c` has a `?`, \
             which only turn: and turns: have; `turn:b:0` has a port that is none; write a number \
             from 1 to 65535; `turn:c` stands there twice"
        );
        for (text, wrong) in [
            ("", "write one to 16"),
            ("stun", "begins with none"),
            ("stun:", "has no host"),
            ("stun:-a", "has no host"),
            ("stun:a..b", "has no host"),
            ("stun:a_b", "has no host"),
            ("stun:1.2.3", "has no host"),
            ("stun:1.2.3.256", "has no host"),
            ("stun:a:+1", "has a port"),
            ("stun:a:65536", "has a port"),
            ("stun:a:", "has a port"),
            ("stun:::1", "has no host"),
            ("stun:[::1", "has no `]`"),
            ("stun:[a]", "no address of IPv6"),
            ("stun:[::1]80", "has a port"),
            ("turn:a?transport=sctp", "something else than transport=udp"),
            (&format!("stun:{}", "a".repeat(64)), "has no host"),
            (&format!("stun:{}a", "a.".repeat(127)), "has no host"),
            (&"a".repeat(2_049), "more than 2048"),
        ] {
            let error = ExternalServices::read(text).unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
        let many: Vec<String> = (0..17).map(|number| format!("stun:a{number}")).collect();
        let error = ExternalServices::read(&many.join(" ")).unwrap_err();
        assert!(error.contains("write one to 16"), "{error}");
    }
}
