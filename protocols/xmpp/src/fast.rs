//! XEP-0484: Fast Authentication Streamlining Tokens, with the mechanisms of
//! draft-schmaus-kitten-sasl-ht-09. Not for which tokens are good: see `pollux_domain::tokens`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_domain::jid::BareJid;
pub use pollux_domain::tokens::TokenBinding;
use pollux_xml::Element;

use crate::delay::{format_timestamp, parse_timestamp};
use crate::ns;
use crate::sasl::scram::ScramHash;
use crate::sasl::{ChannelBinding, SaslFailure, Secret, prepare_name};

/// Octets of the name in a proof, at least (draft, section 3.1).
const NAME_BYTES_MAX: usize = 1_023;

/// Strongest first.
pub const BINDINGS: [TokenBinding; 3] = [
    TokenBinding::Exporter,
    TokenBinding::EndPoint,
    TokenBinding::None,
];

/// The mechanism of a token (draft, section 2).
pub fn mechanism(binding: TokenBinding) -> &'static str {
    match binding {
        TokenBinding::Exporter => "HT-SHA-256-EXPR",
        TokenBinding::EndPoint => "HT-SHA-256-ENDP",
        TokenBinding::None => "HT-SHA-256-NONE",
    }
}

pub fn from_mechanism(name: &str) -> Option<TokenBinding> {
    let mut bindings = BINDINGS.into_iter();
    bindings.find(|binding| mechanism(*binding) == name)
}

/// The channel binding that it needs.
pub fn channel_binding(binding: TokenBinding) -> Option<ChannelBinding> {
    match binding {
        TokenBinding::Exporter => Some(ChannelBinding::TlsExporter),
        TokenBinding::EndPoint => Some(ChannelBinding::TlsServerEndPoint),
        TokenBinding::None => None,
    }
}

/// The feature (section 3.1). Nothing is taken from the early data of TLS: it does not say so.
pub(crate) fn feature(bindings: &[TokenBinding]) -> Element {
    let names = bindings
        .iter()
        .map(|binding| Element::new(ns::FAST, "mechanism").text(mechanism(*binding)));
    Element::new(ns::FAST, "fast").children(names)
}

pub(crate) fn from_feature(element: &Element) -> Vec<TokenBinding> {
    let names = element.elements();
    let names = names.filter(|name| name.is(ns::FAST, "mechanism"));
    names
        .filter_map(|name| from_mechanism(&name.text_content()))
        .collect()
}

/// A client asks for a token for this mechanism (section 3.2). None for another element, or another
/// mechanism.
pub fn requested(element: &Element) -> Option<TokenBinding> {
    match element.is(ns::FAST, "request-token") {
        true => from_mechanism(element.attribute("mechanism")?),
        false => None,
    }
}

pub fn request_token(binding: TokenBinding) -> Element {
    Element::new(ns::FAST, "request-token").attr("mechanism", mechanism(binding))
}

/// A client says that it proves a token (sections 3.4, 3.6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fast {
    /// How often it has tried with this token.
    pub count: Option<u64>,
    /// It is to be good no more.
    pub invalidate: bool,
}

impl Fast {
    /// None for another element.
    pub fn from_element(element: &Element) -> Option<Result<Fast, SaslFailure>> {
        element.is(ns::FAST, "fast").then(|| {
            let malformed = SaslFailure::malformed("an attribute of `fast` is malformed");
            let count = element.attribute("count");
            // An `xs:int`.
            let count = count.map(|count| count.parse::<u32>().map(u64::from));
            let invalidate = match element.attribute("invalidate") {
                None | Some("false" | "0") => false,
                Some("true" | "1") => true,
                Some(_) => return Err(malformed),
            };
            Ok(Fast {
                count: count.transpose().map_err(|_| malformed)?,
                invalidate,
            })
        })
    }

    pub fn to_element(self) -> Element {
        Element::new(ns::FAST, "fast")
            .attr_opt("count", self.count.map(|count| count.to_string()))
            .attr_opt("invalidate", self.invalidate.then_some("true"))
    }
}

/// A token as its client is told of it (section 3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenToken {
    pub token: Secret,
    pub expires_ms: u64,
}

impl GivenToken {
    pub fn to_element(&self) -> Element {
        let token = String::from_utf8_lossy(self.token.expose()).into_owned();
        Element::new(ns::FAST, "token")
            .attr("expiry", format_timestamp(self.expires_ms))
            .attr("token", token)
    }

    /// None for another element, or a malformed one.
    pub fn from_element(element: &Element) -> Option<GivenToken> {
        if !element.is(ns::FAST, "token") {
            return None;
        }
        Some(GivenToken {
            token: element.attribute("token")?.as_bytes().to_vec().into(),
            expires_ms: parse_timestamp(element.attribute("expiry")?)?,
        })
    }
}

/// The token with this number, as text. It is not kept anywhere: it is made again, from a secret of
/// the cluster, whenever it is to be compared.
pub fn derive(
    secret: &Secret,
    user: &BareJid,
    client: &str,
    binding: TokenBinding,
    nonce: &[u8; 16],
) -> Secret {
    let pieces: [&[u8]; 7] = [
        b"token\0",
        user.as_str().as_bytes(),
        b"\0",
        mechanism(binding).as_bytes(),
        b"\0",
        nonce,
        client.as_bytes(),
    ];
    let token = ScramHash::Sha256.hmac(secret.expose(), &pieces);
    STANDARD.encode(token.expose()).into_bytes().into()
}

/// The client's message (draft, section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenProof {
    /// Prepared with SASLprep: the localpart of an account here.
    pub username: String,
    pub hashed: Secret,
}

impl TokenProof {
    /// `authcid NUL initiator-hashed-token`
    pub fn parse(octets: &[u8]) -> Result<TokenProof, SaslFailure> {
        let malformed = || SaslFailure::malformed("the message has not two fields");
        let zero = octets.iter().position(|octet| *octet == 0);
        let (name, rest) = octets.split_at(zero.ok_or_else(malformed)?);
        let hashed = &rest[1..];
        if name.is_empty() || NAME_BYTES_MAX < name.len() || hashed.is_empty() {
            return Err(malformed());
        }
        let name = std::str::from_utf8(name);
        let name = name.map_err(|_| SaslFailure::malformed("the name is not UTF-8"))?;
        Ok(TokenProof {
            username: prepare_name(name)?,
            hashed: hashed.to_vec().into(),
        })
    }
}

/// What a client sends who has the token, after its name and a zero octet; `channel`: the data of
/// what it is bound to.
pub fn initiator_hash(token: &Secret, channel: &Secret) -> Secret {
    hash(token, b"Initiator", channel)
}

/// What it is told by who has it, too.
pub fn responder_hash(token: &Secret, channel: &Secret) -> Secret {
    hash(token, b"Responder", channel)
}

fn hash(token: &Secret, side: &[u8], channel: &Secret) -> Secret {
    ScramHash::Sha256.hmac(token.expose(), &[side, channel.expose()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_xml::StreamNamespaces;

    fn parse(input: &str) -> Element {
        Element::parse(input.as_bytes(), &StreamNamespaces::new(ns::FAST)).unwrap()
    }

    #[test]
    fn elements_are_written_and_read() {
        for (fast, expected) in [
            (Fast::default(), "<fast/>"),
            (
                Fast {
                    count: Some(123),
                    invalidate: true,
                },
                "<fast count='123' invalidate='true'/>",
            ),
        ] {
            assert_eq!(fast.to_element().to_bytes(ns::FAST), expected);
            assert_eq!(Fast::from_element(&parse(expected)), Some(Ok(fast)));
        }
        for input in [
            "<fast count='-1'/>",
            "<fast count=''/>",
            "<fast invalidate='yes'/>",
        ] {
            assert!(
                matches!(Fast::from_element(&parse(input)), Some(Err(_))),
                "{input}"
            );
        }
        assert_eq!(Fast::from_element(&parse("<slow/>")), None);
        for binding in BINDINGS {
            let request = request_token(binding);
            assert_eq!(requested(&request), Some(binding));
        }
        assert_eq!(
            requested(&parse("<request-token mechanism='HT-MD5-NONE'/>")),
            None
        );
        assert_eq!(requested(&parse("<request-token/>")), None);
        let given = GivenToken {
            token: Secret::new(b"secret".to_vec()),
            expires_ms: 1_584_023_775_000,
        };
        let expected = "<token expiry='2020-03-12T14:36:15Z' token='secret'/>";
        assert_eq!(given.to_element().to_bytes(ns::FAST), expected);
        assert_eq!(GivenToken::from_element(&parse(expected)), Some(given));
        assert_eq!(GivenToken::from_element(&parse("<token token='x'/>")), None);
    }

    #[test]
    fn a_proof_is_read() {
        let proof = |octets: &[u8]| {
            let proof = TokenProof::parse(octets);
            proof.map(|proof| (proof.username, proof.hashed.expose().to_vec()))
        };
        assert_eq!(proof(b"ann\0ab"), Ok(("ann".to_owned(), b"ab".to_vec())));
        let zeros = Ok(("ann".to_owned(), b"a\0b".to_vec()));
        assert_eq!(proof(b"ann\0a\0b"), zeros, "a hash may have any octets");
        let long = [&[b'a'; NAME_BYTES_MAX + 1][..], b"\0x"].concat();
        for octets in [&b""[..], b"ann", b"ann\0", b"\0ab", b"\xff\0ab", &long] {
            assert!(proof(octets).is_err(), "{octets:?}");
        }
    }

    /// Computed with Python's `hmac`.
    #[test]
    fn hashes_are_those_of_the_draft() {
        let (token, channel) = (Secret::new(b"token".to_vec()), Secret::new(vec![7; 4]));
        let hex = |secret: Secret| -> String {
            let octets = secret.expose().iter();
            octets.map(|octet| format!("{octet:02x}")).collect()
        };
        assert_eq!(hex(initiator_hash(&token, &channel)), INITIATOR);
        assert_eq!(hex(responder_hash(&token, &channel)), RESPONDER);
        assert_ne!(hex(initiator_hash(&token, &Secret::default())), INITIATOR);
    }

    const INITIATOR: &str = "ab550779286caac08c0506dc1d9d1f8fee0f391ab9af92cd1489ed165ccde61c";
    const RESPONDER: &str = "3488d19ee7f343a4de2183aa95ed5f402ad4e89b40b6b3f29a08e30c6b25c2e2";

    #[test]
    fn each_client_mechanism_and_number_has_another_token() {
        let secret = Secret::new(vec![1; 32]);
        let [ann, ben] = ["ann@example.org", "ben@example.org"].map(|a| BareJid::parse(a).unwrap());
        let none = TokenBinding::None;
        let first = derive(&secret, &ann, "phone", none, &[0; 16]);
        assert_eq!(derive(&secret, &ann, "phone", none, &[0; 16]), first);
        for other in [
            derive(&Secret::new(vec![2; 32]), &ann, "phone", none, &[0; 16]),
            derive(&secret, &ben, "phone", none, &[0; 16]),
            derive(&secret, &ann, "desk", none, &[0; 16]),
            derive(&secret, &ann, "phone", TokenBinding::EndPoint, &[0; 16]),
            derive(&secret, &ann, "phone", none, &[1; 16]),
        ] {
            assert_ne!(other, first);
        }
        assert!(!format!("{first:?}").contains('='), "it is shown to nobody");
    }
}
