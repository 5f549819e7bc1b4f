//! Streams to mutate, and a seeded source of mutations. Not for expectations: see `properties`.

use crate::properties::{check_element, check_stream};
use crate::{Element, StreamNamespaces, Text};

const SEEDS: &[&str] = &[
    "<?xml version='1.0' encoding='utf-8'?><stream:stream to='a' xmlns='jabber:client' \
     xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><starttls \
     xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>",
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>\n \
     <message to='b@c' xml:lang=\"en\"><body>a &lt; b &#x41;&amp;</body><x xmlns='jabber:x:oob'>\
     <![CDATA[a]]]]><![CDATA[>&<b>]]></x></message> <iq/><presence></presence ></stream:stream>x",
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>\
     <a:b xmlns:a='u:a' xmlns:c='u:c' c:d='1' d='2' \
     a:d='3&#10;&quot;'><a:b><c:e/>\r\n\u{E9}\u{1F600}\
     </a:b></a:b><stream:features><e xmlns=''/></stream:features><f>]]&gt;</f>",
    "<s xmlns:stream='http://etherx.jabber.org/streams'><a><b><c><d><e/></d></c></b></a>\
     <a a='' b='' c='' d='' e='' f='' xmlns='u:v' xmlns:w='u:w'/><!-- no -->",
    "<s><a>&nbsp;</a>",
    "<s>\u{FEFF}",
    "<s><?x?></s>",
];

const PIECES: &[&str] = &[
    "<",
    ">",
    "/",
    "</",
    "/>",
    "<a>",
    "</a>",
    "<a/>",
    "&",
    ";",
    "&#",
    "&#x",
    "&lt;",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "<!DOCTYPE a>",
    "<?xml version='1.0'?>",
    "'",
    "\"",
    "=",
    " ",
    "\n",
    "\r",
    "\t",
    ":",
    "xmlns='u:x'",
    " xmlns:p='u:p'",
    " p:q='r'",
    "xml:lang='en'",
    "stream:",
    "\u{E9}",
    "\u{1F600}",
    "\u{FFFE}",
    "\0",
];

/// A generator with nothing but its seed (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// A seed stream with some octets changed, cut out, doubled, or with pieces of markup put in.
    fn stream(&mut self) -> Vec<u8> {
        let mut octets = self.pick(SEEDS).as_bytes().to_vec();
        for _ in 0..self.below(5) {
            let at = self.below(octets.len() + 1);
            let end = (at + self.below(20)).min(octets.len());
            match self.below(6) {
                0 if at < octets.len() => octets[at] = self.below(256) as u8,
                1 => drop(octets.drain(at..end)),
                2 => {
                    let copy = octets[at..end].to_vec();
                    octets.splice(at..at, copy);
                }
                _ => drop(octets.splice(at..at, self.pick(PIECES).bytes())),
            }
        }
        octets
    }

    fn text(&mut self) -> String {
        (0..self.below(4))
            .map(|_| self.pick(PIECES).replace(['\u{FFFE}', '\0'], "z"))
            .collect()
    }

    /// An element that could have been parsed.
    pub(crate) fn element(&mut self, depth: usize) -> Element {
        let namespaces =
            ["jabber:client", "u:a", "u:b&'", "", crate::STREAM_NAMESPACE].map(Text::from);
        let names = ["a", "message", "\u{E9}-1.x", "_"].map(Text::from);
        let mut element = Element::new(
            namespaces[self.below(namespaces.len())].clone(),
            names[self.below(names.len())].clone(),
        );
        for _ in 0..self.below(3) {
            element.set_attribute(names[self.below(names.len())].clone(), self.text());
        }
        for _ in 0..self.below(4) {
            match self.below(2) {
                0 if depth > 0 => element.push(self.element(depth - 1)),
                _ => element.push_text(self.text()),
            }
        }
        element
    }
}

/// So many rounds take about a second; the fuzz targets go on for longer.
const ROUNDS: u64 = 30_000;

#[test]
fn mutated_streams_keep_the_properties() {
    for seed in 0..ROUNDS {
        let mut dice = Dice::new(seed);
        let octets = dice.stream();
        let sizes = [1 + dice.below(7), 1 + dice.below(40), 1 + dice.below(3)];
        let result = std::panic::catch_unwind(|| {
            check_stream(&octets, &sizes);
            check_element(&octets, &StreamNamespaces::new("jabber:client"));
        });
        assert!(
            result.is_ok(),
            "seed {seed}: {:?}",
            String::from_utf8_lossy(&octets)
        );
    }
}

#[test]
fn parsing_what_was_written_gives_the_element() {
    let context = StreamNamespaces::new("jabber:client");
    for seed in 0..ROUNDS {
        let element = Dice::new(seed).element(4);
        let written = element.to_bytes("jabber:client");
        let text = String::from_utf8_lossy(&written);
        assert_eq!(
            Element::parse(&written, &context),
            Ok(element),
            "seed {seed}: {text}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn any_octets_keep_the_properties(octets: Vec<u8>, text in "[<>/&;='a-c: \\[\\]!?-]{0,60}") {
        check_stream(&octets, &[3]);
        check_element(&octets, &StreamNamespaces::new("jabber:client"));
        check_stream(format!("<s>{text}").as_bytes(), &[2, 5]);
        check_element(text.as_bytes(), &StreamNamespaces::new("jabber:client"));
    }
}
