//! What must hold for any octets; the fuzz targets and the seeded tests check the same. Not for
//! examples: see the tests of each module.

use crate::{
    Element, Frame, FrameError, Framer, Limits, Plain, STREAM_NAMESPACE, StreamNamespaces,
    StreamOpen,
};

/// Small enough that mutated inputs reach each of them.
pub const LIMITS: Limits = Limits {
    bytes_max: 600,
    elements_max: Some(40),
    depth_max: 6,
    attributes_max: 6,
    namespaces_max: 4,
};

/// The frames of a stream that arrives in chunks of these sizes, over and over, and how it ended.
pub fn frames(octets: &[u8], sizes: &[usize], limits: Limits) -> (Vec<Frame>, Option<FrameError>) {
    let mut framer = Framer::new(limits);
    let mut frames: Vec<Frame> = Vec::new();
    let mut rest = octets;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        let (chunk, later) = rest.split_at(size);
        rest = later;
        framer.push(chunk);
        loop {
            match framer.next() {
                Ok(None) => break,
                // Two chunks of whitespace are two keepalives, and the same stream.
                Ok(Some(Frame::Whitespace)) if frames.last() == Some(&Frame::Whitespace) => {}
                Ok(Some(frame)) => frames.push(frame),
                Err(error) => {
                    assert_eq!(framer.next(), Err(error), "an error stays");
                    return (frames, Some(error));
                }
            }
        }
        if framer.buffered() == 0 {
            assert_eq!(framer.capacity(), 0, "an idle stream holds no buffer");
        }
        assert!(
            framer.buffered() <= limits.bytes_max,
            "an incomplete frame is within the limit"
        );
    }
    (frames, None)
}

/// Any chunking gives the same frames, each frame is within the limit, and what parses can be
/// written.
pub fn check_stream(octets: &[u8], sizes: &[usize]) {
    let whole = frames(octets, &[], LIMITS);
    assert_eq!(whole, frames(octets, &[1], LIMITS), "octet by octet");
    assert_eq!(
        whole,
        frames(octets, sizes, LIMITS),
        "in chunks of {sizes:?}"
    );
    let mut namespaces = StreamNamespaces::new("jabber:client");
    for frame in &whole.0 {
        match frame {
            Frame::Open(bytes) => {
                assert!(bytes.len() <= LIMITS.bytes_max);
                if let Ok(open) = StreamOpen::parse(bytes) {
                    namespaces = open.namespaces;
                }
            }
            Frame::Element(bytes) => {
                assert!(bytes.len() <= LIMITS.bytes_max);
                check_element(bytes, &namespaces);
                check_plain(bytes, &namespaces);
            }
            Frame::Whitespace | Frame::Close => {}
        }
    }
}

/// A frame that may be passed on as it is makes the same element, with its root written anew.
pub fn check_plain(frame: &[u8], namespaces: &StreamNamespaces) {
    let Some(plain) = Plain::scan(frame, namespaces, &namespaces.default, |_, _| true) else {
        return;
    };
    let mut again = format!("<{}", plain.name());
    for (name, value) in plain.attributes() {
        again += &format!(" {name}='{value}'");
    }
    again += plain.rest();
    let parsed = Element::parse(frame, namespaces);
    assert!(parsed.is_ok(), "plain, and not well-formed: {parsed:?}");
    assert_eq!(Element::parse(again.as_bytes(), namespaces), parsed);
}

/// Writing an element that was parsed from these octets, and reading it again, changes nothing; and
/// what is written is one frame.
pub fn check_element(octets: &[u8], namespaces: &StreamNamespaces) {
    let Ok(element) = Element::parse(octets, namespaces) else {
        return;
    };
    let context = StreamNamespaces::new("jabber:client");
    let written = element.to_bytes("jabber:client");
    assert_eq!(
        Element::parse(&written, &context),
        Ok(element),
        "written as {written:?}"
    );

    let unlimited = Limits {
        bytes_max: usize::MAX,
        elements_max: None,
        depth_max: u16::MAX,
        attributes_max: 1000,
        namespaces_max: 1000,
    };
    let mut framer = Framer::new(unlimited);
    framer.push(format!("<stream:stream xmlns:stream='{STREAM_NAMESPACE}'>").as_bytes());
    assert!(matches!(framer.next(), Ok(Some(Frame::Open(_)))));
    framer.push(&written);
    assert_eq!(
        framer.next(),
        Ok(Some(Frame::Element(written))),
        "a frame as it was written"
    );
}
