//! Frames, and each refusal with its reason.

use bytes::Bytes;

use crate::properties::frames;
use crate::{Frame, FrameError, Framer, Limits, Restricted};

const LIMITS: Limits = Limits {
    bytes_max: 100,
    elements_max: Some(6),
    depth_max: 3,
    attributes_max: 2,
    namespaces_max: 2,
};

fn check(input: &str, expected: &[Frame]) {
    assert_eq!(
        frames(input.as_bytes(), &[], LIMITS),
        (expected.to_vec(), None),
        "{input:?}"
    );
    assert_eq!(
        frames(input.as_bytes(), &[1], LIMITS),
        (expected.to_vec(), None),
        "{input:?}"
    );
}

fn refuse(input: impl AsRef<[u8]>, expected: FrameError) {
    let input = input.as_ref();
    for sizes in [&[][..], &[1], &[3]] {
        let (_, error) = frames(input, sizes, LIMITS);
        assert_eq!(
            error,
            Some(expected),
            "{:?}",
            String::from_utf8_lossy(input)
        );
    }
}

fn open(text: &'static str) -> Frame {
    Frame::Open(Bytes::from_static(text.as_bytes()))
}

fn element(text: &'static str) -> Frame {
    Frame::Element(Bytes::from_static(text.as_bytes()))
}

#[test]
fn cuts_a_stream_into_frames() {
    check("<?xml version='1.0'?>\n<s:s a='>'>", &[open("<s:s a='>'>")]);
    check(
        "<s> <a/>\n\n<b><c>]]</c></b><d>x</d >\t</s>",
        &[
            open("<s>"),
            Frame::Whitespace,
            element("<a/>"),
            Frame::Whitespace,
            element("<b><c>]]</c></b>"),
            element("<d>x</d >"),
            Frame::Whitespace,
            Frame::Close,
        ],
    );
    check("<s/>", &[open("<s/>"), Frame::Close]);
    check("<s></s>anything \u{0} <<<", &[open("<s>"), Frame::Close]);
    check(
        "<s><a b='/>'>/></a>",
        &[open("<s>"), element("<a b='/>'>/></a>")],
    );
    check(
        "<s><a><![CDATA[<b></a>]]]]><![CDATA[>]]></a>",
        &[
            open("<s>"),
            element("<a><![CDATA[<b></a>]]]]><![CDATA[>]]></a>"),
        ],
    );
    check(
        "<s><a>&lt;&#xe9;&#233;</a>",
        &[open("<s>"), element("<a>&lt;&#xe9;&#233;</a>")],
    );
    check(
        "<s><\u{E9}>\u{1F600}</\u{E9}>",
        &[open("<s>"), element("<\u{E9}>\u{1F600}</\u{E9}>")],
    );
    check("", &[]);
    check(" \n", &[]);
}

#[test]
fn refuses_what_is_not_well_formed() {
    let wrong = |input: &str, what| refuse(input, FrameError::NotWellFormed(what));
    wrong("a", "text before the stream header");
    wrong("\u{FEFF}<s>", "text before the stream header");
    wrong("</s>", "an end tag before the stream header");
    wrong("<s></t>", "an end tag does not match its start tag");
    wrong("<s><a></b>", "an end tag does not match its start tag");
    wrong(
        "<s><a><b></a></b>",
        "an end tag does not match its start tag",
    );
    wrong("<s><1>", "\"<\" begins no tag");
    wrong("<s>< a>", "\"<\" begins no tag");
    wrong("<s><a b>", "an attribute is malformed");
    wrong("<s><a b=c>", "an attribute is malformed");
    wrong("<s><a b='c'd='e'>", "a tag is malformed");
    wrong("<s><a b='<'>", "\"<\" in an attribute");
    wrong("<s><a / >", "\"/\" within a tag");
    wrong("<s><a></a b>", "an end tag is malformed");
    wrong("<s><a></ a>", "an end tag is malformed");
    wrong("<s><a>]]></a>", "\"]]>\" in character data");
    wrong("<s><a>]]]></a>", "\"]]>\" in character data");
    wrong("<s><a>\u{1}</a>", "an illegal character");
    wrong("<s><a b='\u{FFFF}'/>", "an illegal character");
    wrong("<s><a>&#0;</a>", "a reference to an illegal character");
    wrong("<s><a>&#xD800;</a>", "a reference to an illegal character");
    wrong("<s><a>& </a>", "a reference is malformed");
    wrong("<s><a><![CDATX[", "\"<!\" begins no CDATA section");
    wrong("<?xml version='1.1'?><s>", "the XML version is not 1.0");
}

#[test]
fn refuses_what_rfc_6120_section_11_1_prohibits() {
    let restricted = |input: &str, what| refuse(input, FrameError::Restricted(what));
    restricted("<!-- a --><s>", Restricted::Comment);
    restricted("<s><!-- a -->", Restricted::Comment);
    restricted("<s><a><!--", Restricted::Comment);
    restricted("<!DOCTYPE s []><s>", Restricted::Dtd);
    restricted("<s><!ENTITY", Restricted::Dtd);
    restricted("<?php?>", Restricted::ProcessingInstruction);
    restricted(
        "<s><?xml version='1.0'?>",
        Restricted::ProcessingInstruction,
    );
    restricted(
        " <?xml version='1.0'?><s>",
        Restricted::ProcessingInstruction,
    );
    restricted("<s><a><?b c?>", Restricted::ProcessingInstruction);
    restricted("<s><a>&nbsp;</a>", Restricted::Entity);
    restricted("<s><a b='&lol9;'/>", Restricted::Entity);
    restricted("<s><a>&abcdefgh", Restricted::Entity);
}

#[test]
fn refuses_other_encodings() {
    for input in [
        &b"\xFF\xFE<\0s\0"[..],
        b"\xFE\xFF\0<\0s",
        b"<\0s\0>\0",
        b"\0<\0s",
        b"<?xml version='1.0' encoding='iso-8859-1'?>",
        b"<s><a>\xE9</a>",
        b"<s><a>\xC0\x80</a>",
        b"<s><a>\xED\xA0\x80</a>",
        b"<s><a>\xF4\x90\x80\x80</a>",
    ] {
        refuse(input, FrameError::UnsupportedEncoding);
    }
}

#[test]
fn refuses_text_between_first_level_elements() {
    refuse("<s>a", FrameError::TextBetweenElements);
    refuse("<s><a/>&lt;", FrameError::TextBetweenElements);
    refuse("<s><a/>]]>", FrameError::TextBetweenElements);
}

#[test]
fn limits_hold_exactly() {
    let exactly = format!("<s><a>{}</a>", "x".repeat(100 - 7));
    assert_eq!(frames(exactly.as_bytes(), &[], LIMITS).1, None);
    refuse(
        format!("<s><a>{}</a>", "x".repeat(101 - 7)),
        FrameError::FrameTooBig { bytes_max: 100 },
    );
    // An incomplete frame is refused with the first octet too many; the prolog counts with the
    // header.
    refuse(
        format!("<s><a>{}", "x".repeat(98)),
        FrameError::FrameTooBig { bytes_max: 100 },
    );
    refuse(
        format!("<?xml version='1.0'?>{}<s>", " ".repeat(90)),
        FrameError::FrameTooBig { bytes_max: 100 },
    );
    refuse(
        format!("<?xml version='1.0'?><s a='{}'>", "b".repeat(80)),
        FrameError::FrameTooBig { bytes_max: 100 },
    );

    check(
        "<s><a><b><c/></b></a>",
        &[open("<s>"), element("<a><b><c/></b></a>")],
    );
    refuse("<s><a><b><c><d/>", FrameError::TooDeep { depth_max: 3 });
    refuse(
        "<s><a/><a/><a/><a/><a/><a/>",
        FrameError::ElementsTooMany { elements_max: 6 },
    );
    refuse(
        "<s><a b='' c='' d=''/>",
        FrameError::AttributesTooMany { attributes_max: 2 },
    );
    refuse(
        "<s><a b='' c='' xm='",
        FrameError::AttributesTooMany { attributes_max: 2 },
    );
    refuse(
        "<s><a b='' c='' xmlnsx='",
        FrameError::AttributesTooMany { attributes_max: 2 },
    );
    refuse(
        "<s><a xmlns='a' xmlns:b='b' xmlns:c='c'/>",
        FrameError::NamespacesTooMany { namespaces_max: 2 },
    );
    let both = "<s><a b='' xmlns='a' c='' xmlns:b='b'/>";
    check(both, &[open("<s>"), element(&both[3..])]);
}

#[test]
fn a_phase_has_its_own_count_of_elements() {
    let mut framer = Framer::new(LIMITS);
    framer.push(b"<s><a/><a/><a/><a/><a/>");
    while let Some(frame) = framer.next().unwrap() {
        drop(frame);
    }
    framer.set_limits(Limits {
        elements_max: None,
        ..LIMITS
    });
    framer.push(&b"<a/>".repeat(100));
    for _ in 0..100 {
        assert_eq!(framer.next(), Ok(Some(element("<a/>"))));
    }
    assert_eq!(framer.next(), Ok(None));
}

#[test]
fn a_new_stream_begins_with_what_is_buffered() {
    let mut framer = Framer::new(LIMITS);
    framer.push(b"<s><auth/>\n<?xml version='1.0'?><t>");
    assert_eq!(framer.next(), Ok(Some(open("<s>"))));
    assert_eq!(framer.next(), Ok(Some(element("<auth/>"))));
    framer.restart();
    assert_eq!(framer.next(), Ok(Some(open("<t>"))));
    assert_eq!(framer.next(), Ok(None));
    assert_eq!(framer.capacity(), 0);
}

#[test]
fn what_was_pipelined_can_be_taken_out() {
    let mut framer = Framer::new(LIMITS);
    framer.push(b"<s><starttls/><evil");
    assert_eq!(framer.next(), Ok(Some(open("<s>"))));
    assert_eq!(framer.next(), Ok(Some(element("<starttls/>"))));
    assert_eq!(framer.take_buffered(), b"<evil");
    assert_eq!((framer.buffered(), framer.capacity()), (0, 0));
    framer.restart();
    framer.push(b"<s>");
    assert_eq!(framer.next(), Ok(Some(open("<s>"))));
}

#[test]
fn a_large_stream_in_small_chunks_is_read_once() {
    // Quadratic work would take minutes: one element of a megabyte, an octet at a time.
    let limits = Limits {
        bytes_max: 2 << 20,
        ..LIMITS
    };
    let input = format!("<s><a>{}</a>", "&lt;".repeat(1 << 18));
    assert_eq!(frames(input.as_bytes(), &[1], limits).0.len(), 2);
}

#[test]
fn a_small_rest_gives_a_large_buffer_back() {
    let mut framer = Framer::new(Limits::DEFAULTS);
    framer.push(format!("<s><a>{}</a><b", "x".repeat(200_000)).as_bytes());
    while framer.next().unwrap().is_some() {}
    assert!(framer.capacity() < 64, "{}", framer.capacity());
    framer.push(b"/>");
    assert_eq!(framer.next(), Ok(Some(element("<b/>"))));
    assert_eq!(framer.capacity(), 0);
}
