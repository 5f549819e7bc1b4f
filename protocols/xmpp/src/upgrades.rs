//! XEP-0480: SASL Upgrade Tasks, for SCRAM: their names, where they are offered and asked for, and
//! what is exchanged in one. Not for the elements around it: see [`crate::sasl2`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;

use crate::ns;
use crate::sasl::scram::ScramHash;
use crate::sasl::{SaslFailure, Secret, decode};

/// The name of a task (section 2.1): without -PLUS, since a channel is of no concern to it.
pub fn task(hash: ScramHash) -> &'static str {
    match hash {
        ScramHash::Sha1 => "UPGR-SCRAM-SHA-1",
        ScramHash::Sha256 => "UPGR-SCRAM-SHA-256",
        ScramHash::Sha512 => "UPGR-SCRAM-SHA-512",
    }
}

/// None for a task that is not known here.
pub fn from_task(name: &str) -> Option<ScramHash> {
    let mut all = ScramHash::ALL.into_iter();
    all.find(|hash| task(*hash) == name)
}

/// Of the stream feature, and of a request.
pub fn upgrade(hash: ScramHash) -> Element {
    Element::new(ns::SASL_UPGRADE, "upgrade").text(task(hash))
}

/// What is offered, or asked for, among these elements (sections 2.1 and 2.2): each once.
pub fn named<'a>(elements: impl IntoIterator<Item = &'a Element>) -> Vec<ScramHash> {
    let mut found = Vec::new();
    for element in elements {
        if !element.is(ns::SASL_UPGRADE, "upgrade") {
            continue;
        }
        if let Some(hash) = from_task(element.text_content().trim())
            && !found.contains(&hash)
        {
            found.push(hash);
        }
    }
    found
}

/// With which the client salts its password (section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salt {
    pub octets: Vec<u8>,
    pub iterations: u32,
}

impl Salt {
    pub fn to_element(&self) -> Element {
        Element::new(ns::SCRAM_UPGRADE, "salt")
            .attr("iterations", self.iterations.to_string())
            .text(STANDARD.encode(&self.octets))
    }

    pub fn from_element(element: &Element) -> Option<Result<Salt, SaslFailure>> {
        element.is(ns::SCRAM_UPGRADE, "salt").then(|| {
            let iterations = element.attribute("iterations");
            let iterations = iterations.and_then(|iterations| iterations.parse().ok());
            let malformed = SaslFailure::malformed("the number of iterations is missing");
            Ok(Salt {
                octets: decode(element.text_content().trim())?.expose().to_vec(),
                iterations: iterations.ok_or(malformed)?,
            })
        })
    }
}

/// `SaltedPassword` of RFC 5802 section 3, which the client answers with.
pub fn salted(password: &Secret) -> Element {
    Element::new(ns::SCRAM_UPGRADE, "hash").text(STANDARD.encode(password.expose()))
}

/// None for another element.
pub fn read_salted(element: &Element) -> Option<Result<Secret, SaslFailure>> {
    element
        .is(ns::SCRAM_UPGRADE, "hash")
        .then(|| decode(element.text_content().trim()))
}

#[cfg(test)]
mod tests {
    use pollux_xml::StreamNamespaces;

    use super::*;

    fn parse(input: &str) -> Element {
        Element::parse(input.as_bytes(), &StreamNamespaces::new(ns::SASL_UPGRADE)).unwrap()
    }

    #[test]
    fn tasks_are_named_as_the_mechanisms_are() {
        for hash in ScramHash::ALL {
            assert_eq!(task(hash), format!("UPGR-{}", hash.mechanism()));
            assert_eq!(from_task(task(hash)), Some(hash));
        }
        assert_eq!(from_task("UPGR-SCRAM-SHA-256-PLUS"), None);
        let asked = [
            "<upgrade>UPGR-SCRAM-SHA-512</upgrade>",
            "<upgrade>UPGR-BLOOP2</upgrade>",
            "<upgrade xmlns='urn:example:other'>UPGR-SCRAM-SHA-1</upgrade>",
            "<upgrade> UPGR-SCRAM-SHA-256 </upgrade>",
            "<upgrade>UPGR-SCRAM-SHA-512</upgrade>",
        ];
        let asked = asked.map(parse);
        assert_eq!(named(&asked), [ScramHash::Sha512, ScramHash::Sha256]);
        assert_eq!(
            upgrade(ScramHash::Sha256).to_bytes(ns::SASL_UPGRADE),
            "<upgrade>UPGR-SCRAM-SHA-256</upgrade>"
        );
    }

    /// The example of section 3.
    #[test]
    fn what_is_exchanged() {
        let scoped = |input: &str| {
            let context = StreamNamespaces::new(ns::SCRAM_UPGRADE);
            Element::parse(input.as_bytes(), &context).unwrap()
        };
        let salt = Salt {
            octets: b"A_SXCRXQ6sek8bf_Z".to_vec(),
            iterations: 4096,
        };
        let written = "<salt iterations='4096'>QV9TWENSWFE2c2VrOGJmX1o=</salt>";
        assert_eq!(salt.to_element().to_bytes(ns::SCRAM_UPGRADE), written);
        assert_eq!(Salt::from_element(&scoped(written)), Some(Ok(salt)));
        let password = Secret::new(vec![7; 32]);
        let element = salted(&password);
        assert_eq!(read_salted(&element), Some(Ok(password)));
        for wrong in [
            "<salt>QV8=</salt>",
            "<salt iterations='many'>QV8=</salt>",
            "<salt iterations='4096'>!</salt>",
        ] {
            let read = Salt::from_element(&scoped(wrong));
            assert!(matches!(read, Some(Err(_))), "{wrong}");
        }
        let not_base64 = read_salted(&scoped("<hash>!</hash>"));
        assert!(matches!(not_base64, Some(Err(_))));
        assert_eq!(read_salted(&scoped("<salt/>")), None);
        assert_eq!(Salt::from_element(&scoped("<hash/>")), None);
    }
}
