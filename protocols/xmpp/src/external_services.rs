//! XEP-0215: External Service Discovery, with the credentials that TURN servers take. Not for which
//! services there are, nor for who may ask. Changes are not pushed (section 3.2 leaves it open):
//! clients ask before each call.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_domain::jid::BareJid;
use pollux_domain::settings::{ExternalService, ExternalServices};
use pollux_xml::{Element, Text};

use crate::delay::format_timestamp;
use crate::ns;
use crate::sasl::Secret;
use crate::sasl::scram::ScramHash;
use crate::stanza::{ErrorCondition, IqType, Stanza, StanzaKind};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalRequest {
    /// All services (section 3.1), or those of one type (section 3.2).
    Services(Option<Text>),
    /// At one of them (section 3.3).
    Credentials {
        kind: Text,
        host: Text,
        port: Option<u16>,
    },
}

/// What a client proves itself with, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    password: Secret,
    expires_s: u64,
}

impl ExternalRequest {
    /// None for another stanza.
    pub fn from_stanza(stanza: &Stanza) -> Option<Result<ExternalRequest, ErrorCondition>> {
        if stanza.kind != StanzaKind::Iq(IqType::Get) {
            return None;
        }
        let element = stanza.request()?;
        if element.is(ns::EXTERNAL_SERVICES, "services") {
            let kind = element.attribute_text("type");
            return Some(Ok(ExternalRequest::Services(kind)));
        }
        let is_credentials = element.is(ns::EXTERNAL_SERVICES, "credentials");
        is_credentials.then(|| one_service(element).ok_or(ErrorCondition::BadRequest))
    }

    /// The payload of the result.
    pub fn answer(
        &self,
        services: &ExternalServices,
        credentials: Option<&Credentials>,
    ) -> Result<Element, ErrorCondition> {
        match self {
            ExternalRequest::Services(kind) => {
                let wanted = |service: &&ExternalService| {
                    kind.as_ref()
                        .is_none_or(|kind| kind.as_str() == service.kind.name())
                };
                let services = services.iter().filter(wanted);
                let services = services.map(|service| shown(service, credentials));
                Ok(Element::new(ns::EXTERNAL_SERVICES, "services")
                    .attr_opt("type", kind.as_ref())
                    .children(services))
            }
            ExternalRequest::Credentials { kind, host, port } => {
                let is_asked = |service: &&ExternalService| {
                    kind.as_str() == service.kind.name()
                        && host.as_str().eq_ignore_ascii_case(&service.host)
                        && port.is_none_or(|port| port == service.port)
                        && service.kind.wants_credentials()
                };
                let asked = services.iter().filter(is_asked);
                let asked: Vec<Element> =
                    asked.map(|service| shown(service, credentials)).collect();
                if asked.is_empty() || credentials.is_none() {
                    return Err(ErrorCondition::ItemNotFound);
                }
                Ok(Element::new(ns::EXTERNAL_SERVICES, "credentials").children(asked))
            }
        }
    }
}

/// The one that is named, by type and host at least.
fn one_service(credentials: &Element) -> Option<ExternalRequest> {
    let mut services = credentials.elements();
    let (service, None) = (services.next()?, services.next()) else {
        return None;
    };
    if !service.is(ns::EXTERNAL_SERVICES, "service") {
        return None;
    }
    let port = service.attribute("port").map(str::parse).transpose();
    Some(ExternalRequest::Credentials {
        kind: service.attribute_text("type")?,
        host: service.attribute_text("host")?,
        port: port.ok()?,
    })
}

/// Section 2.
fn shown(service: &ExternalService, credentials: Option<&Credentials>) -> Element {
    let element = Element::new(ns::EXTERNAL_SERVICES, "service")
        .attr("type", service.kind.name())
        .attr("host", service.host.clone())
        .attr("port", service.port.to_string())
        .attr("transport", service.transport.name());
    match credentials {
        Some(credentials) if service.kind.wants_credentials() => {
            let password = String::from_utf8_lossy(credentials.password.expose()).into_owned();
            element
                .attr("restricted", "true")
                .attr("username", credentials.username.clone())
                .attr("password", password)
                .attr("expires", format_timestamp(credentials.expires_s * 1_000))
        }
        _ => element,
    }
}

/// Digits of a name by which a TURN server tells users apart and does not learn who they are.
const NAME_DIGITS: usize = 16;

impl Credentials {
    /// As TURN servers make them too, which share `secret` (draft-uberti-behave-turn-rest-00,
    /// section 2.2): the name says until when, and the password is its keyed hash.
    pub fn new(secret: &Secret, user: &BareJid, now_ms: u64, seconds: u64) -> Credentials {
        let expires_s = now_ms / 1_000 + seconds;
        let name = ScramHash::Sha256.hmac(secret.expose(), &[user.as_str().as_bytes()]);
        let name = name.expose().iter().map(|octet| format!("{octet:02x}"));
        let name: String = name.take(NAME_DIGITS / 2).collect();
        let username = format!("{expires_s}:{name}");
        let hash = ScramHash::Sha1.hmac(secret.expose(), &[username.as_bytes()]);
        Credentials {
            password: Secret::new(STANDARD.encode(hash.expose()).into_bytes()),
            username,
            expires_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_domain::settings::Form;
    use pollux_xml::StreamNamespaces;

    const SERVICES: &str = "stun:a turn:a turn:a:80?transport=tcp turns:b";

    fn request(payload: &str) -> Option<Result<ExternalRequest, ErrorCondition>> {
        let iq = format!("<iq type='get' id='1'>{payload}</iq>");
        let element = Element::parse(iq.as_bytes(), &StreamNamespaces::new(ns::CLIENT));
        ExternalRequest::from_stanza(&Stanza::from_element(element.unwrap()).unwrap())
    }

    fn credentials() -> Credentials {
        let user = BareJid::parse("ann@example.org").unwrap();
        let secret = Secret::new(b"north".to_vec());
        Credentials::new(&secret, &user, 1_433_895_918_506, 0)
    }

    #[track_caller]
    fn check(payload: &str, credentials: Option<&Credentials>, expected: &str) {
        let services = ExternalServices::read(SERVICES).unwrap();
        let answer = request(payload).unwrap().unwrap();
        let answer = answer.answer(&services, credentials);
        let answer = answer.map(|answer| answer.to_bytes(ns::EXTERNAL_SERVICES));
        let answer = answer.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(
            answer.unwrap_or_else(|error| error.as_str().into()),
            expected
        );
    }

    const ALL: &str = "<services xmlns='urn:xmpp:extdisco:2'/>";
    const WITH: &str = "restricted='true' username='1433895918:7dc7ca1d3f1e7e49' ";

    #[test]
    fn services_are_told_with_credentials_where_they_are_known() {
        check(
            ALL,
            None,
            "<services><service type='stun' host='a' port='3478' transport='udp'/>\
             <service type='turn' host='a' port='3478' transport='udp'/>\
             <service type='turn' host='a' port='80' transport='tcp'/>\
             <service type='turns' host='b' port='5349' transport='tcp'/></services>",
        );
        let credentials = credentials();
        let password = password_of(&credentials);
        check(
            "<services xmlns='urn:xmpp:extdisco:2' type='turns'/>",
            Some(&credentials),
            &format!(
                "<services type='turns'><service type='turns' host='b' port='5349' \
                 transport='tcp' {WITH}password='{password}' expires='2015-06-10T00:25:18Z'/>\
                 </services>"
            ),
        );
        check(
            "<services xmlns='urn:xmpp:extdisco:2' type='ftp'/>",
            Some(&credentials),
            "<services type='ftp'/>",
        );
    }

    fn password_of(credentials: &Credentials) -> String {
        String::from_utf8(credentials.password.expose().to_vec()).unwrap()
    }

    #[test]
    fn credentials_are_given_for_one_service() {
        let credentials = credentials();
        let asked = |more: &str| {
            let head = "<credentials xmlns='urn:xmpp:extdisco:2'><service ";
            format!("{head}{more}/></credentials>")
        };
        let password = password_of(&credentials);
        check(
            &asked("host='A' type='turn' port='80'"),
            Some(&credentials),
            &format!(
                "<credentials><service type='turn' host='a' port='80' transport='tcp' \
                 {WITH}password='{password}' expires='2015-06-10T00:25:18Z'/></credentials>"
            ),
        );
        for (more, credentials) in [
            ("host='a' type='turn'", None),
            ("host='a' type='stun'", Some(&credentials)),
            ("host='c' type='turn'", Some(&credentials)),
            ("host='a' type='turn' port='81'", Some(&credentials)),
        ] {
            check(&asked(more), credentials, "item-not-found");
        }
        let bad = Some(Err(ErrorCondition::BadRequest));
        for more in ["host='a'", "type='turn'", "host='a' type='turn' port='x'"] {
            assert_eq!(request(&asked(more)), bad, "{more}");
        }
        for payload in [
            "<credentials xmlns='urn:xmpp:extdisco:2'/>",
            "<credentials xmlns='urn:xmpp:extdisco:2'><x/></credentials>",
            "<credentials xmlns='urn:xmpp:extdisco:2'><service host='a' type='turn'/>\
             <service host='a' type='turn'/></credentials>",
        ] {
            assert_eq!(request(payload), bad, "{payload}");
        }
        assert_eq!(request("<x xmlns='urn:xmpp:extdisco:2'/>"), None);
    }

    /// Computed with Python's `hmac`.
    #[test]
    fn the_password_is_the_keyed_hash_of_the_name() {
        let credentials = credentials();
        assert_eq!(credentials.username, "1433895918:7dc7ca1d3f1e7e49");
        assert_eq!(password_of(&credentials), "1J2R/nMdqRe19Vzs2j8xhdrrjgY=");
        assert!(!format!("{credentials:?}").contains("1J2R/nMdqRe19Vzs2j8xhdrrjgY="));
        let ben = BareJid::parse("ben@example.org").unwrap();
        let secret = Secret::new(b"north".to_vec());
        let other = Credentials::new(&secret, &ben, 1_433_895_918_506, 0);
        assert_ne!(other.username, credentials.username);
    }
}
