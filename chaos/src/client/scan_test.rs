//! The scanner's cases: whole, in single bytes, and in every pair of pieces.

use super::{DEPTH_MAX, Frame, ScanError, Scanner};

const STREAM: &str = "<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' id='a&gt;b'> \
<message id=\"1>2\"><body>a/b ü &lt;</body><x/></message>\n<r xmlns='urn:xmpp:sm:3'/>\
<iq><query a='\"'/><iq>in</iq></iq></stream:stream>";

fn cut(scanner: &mut Scanner, found: &mut Vec<String>) -> Result<(), ScanError> {
    while let Some(frame) = scanner.cut()? {
        found.push(match frame {
            Frame::Open(range) => format!("open {}", scanner.text(range)?),
            Frame::Stanza(range) => scanner.text(range)?.to_owned(),
            Frame::Close => "close".to_owned(),
        });
    }
    Ok(())
}

fn cut_in(pieces: &[&[u8]]) -> Result<Vec<String>, ScanError> {
    let mut scanner = Scanner::default();
    let mut found = Vec::new();
    for piece in pieces {
        scanner.feed().extend_from_slice(piece);
        cut(&mut scanner, &mut found)?;
    }
    Ok(found)
}

fn expected() -> Vec<String> {
    [
        "open <stream:stream xmlns='jabber:client' id='a&gt;b'>",
        "<message id=\"1>2\"><body>a/b ü &lt;</body><x/></message>",
        "<r xmlns='urn:xmpp:sm:3'/>",
        "<iq><query a='\"'/><iq>in</iq></iq>",
        "close",
    ]
    .map(String::from)
    .to_vec()
}

#[test]
fn cuts_the_same_frames_however_the_bytes_arrive() {
    let bytes = STREAM.as_bytes();
    assert_eq!(cut_in(&[bytes]), Ok(expected()));
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(cut_in(&single), Ok(expected()));
    for at in 0..bytes.len() {
        assert_eq!(
            cut_in(&[&bytes[..at], &bytes[at..]]),
            Ok(expected()),
            "cut at {at}"
        );
    }
}

#[test]
fn many_stanzas_pass_through_a_buffer_that_stays_small() {
    let mut scanner = Scanner::default();
    let mut count = 0;
    scanner.feed().extend_from_slice(b"<stream:stream>");
    for _ in 0..10_000 {
        scanner
            .feed()
            .extend_from_slice(b"<message><body>one</body></message><mess");
        while let Some(frame) = scanner.cut().unwrap() {
            count += usize::from(matches!(frame, Frame::Stanza(_)));
        }
        scanner.feed().extend_from_slice(b"age/>");
        assert!(scanner.feed().capacity() < 4096);
    }
    while let Some(frame) = scanner.cut().unwrap() {
        count += usize::from(matches!(frame, Frame::Stanza(_)));
    }
    assert_eq!(count, 20_000);
}

#[test]
fn names_what_is_wrong() {
    let check = |bytes: &str, error| assert_eq!(cut_in(&[bytes.as_bytes()]), Err(error), "{bytes}");
    check("</stream:stream>", ScanError::Unbalanced);
    check("<s><a></b></s>", ScanError::Unbalanced);
    check("<s><!-- no --></s>", ScanError::Forbidden);
    check("<s><a><?no?></a></s>", ScanError::Forbidden);
    check("<!DOCTYPE s><s>", ScanError::Forbidden);
    check("<s>text</s>", ScanError::Text);
    check("<s>< a/>", ScanError::Nameless);
    check("<s></s><s>", ScanError::AfterEnd);
    check(&format!("<s>{}", "<a>".repeat(DEPTH_MAX)), ScanError::Deep);
    let invalid = cut_in(&[b"<s><a>\xff</a>"]);
    assert_eq!(invalid, Err(ScanError::Encoding));
}

#[test]
fn a_new_stream_keeps_what_was_not_cut() {
    let mut scanner = Scanner::default();
    scanner.feed().extend_from_slice(b"<s><success/><t><a/>");
    assert!(matches!(scanner.cut(), Ok(Some(Frame::Open(_)))));
    assert!(matches!(scanner.cut(), Ok(Some(Frame::Stanza(_)))));
    assert!(scanner.has_rest());
    scanner.restart();
    assert!(matches!(scanner.cut(), Ok(Some(Frame::Open(_)))));
    assert!(matches!(scanner.cut(), Ok(Some(Frame::Stanza(_)))));
    assert!(!scanner.has_rest());
}
