//! Stream headers (RFC 6120 sections 4.2, 4.7.1 and 4.7.2), and those that cannot be taken: for
//! their namespaces (RFC 6120 sections 4.8.1, 4.8.2 and 4.8.5) or their XML (RFC 6120 sections
//! 11.1, 11.3, 11.5 and 11.6). Each has its error, after our own header (RFC 6120 sections 4.9.1,
//! 4.9.3.1, 4.9.3.2, 4.9.3.6, 4.9.3.10, 4.9.3.13, 4.9.3.18, 4.9.3.22 and 4.9.3.25).

use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::Stream;
use crate::{Delivery, case, connect};

/// What stands in a header, and the error that it gets.
const MISTAKES: &[(&str, &str)] = &[
    // Another host than ours, and what is no host at all.
    (
        "<stream:stream to='elsewhere.example' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "host-unknown",
    ),
    (
        "<stream:stream to='@' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "host-unknown",
    ),
    // Namespaces: of the content, of the stream, none.
    (
        "<stream:stream to='localhost' version='1.0' xmlns='jabber:server' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "invalid-namespace",
    ),
    (
        "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
         xmlns:stream='urn:example:streams'>",
        "invalid-namespace",
    ),
    (
        "<stream to='localhost' version='1.0' xmlns='jabber:client'>",
        "invalid-namespace",
    ),
    (
        "<flow:stream to='localhost' version='1.0' xmlns='jabber:client' \
         xmlns:flow='http://etherx.jabber.org/streams'>",
        "bad-namespace-prefix",
    ),
    (
        "<stream:brook to='localhost' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "bad-format",
    ),
    // Versions before 1.0, and what is none.
    (
        "<stream:stream to='localhost' version='0.9' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "unsupported-version",
    ),
    (
        "<stream:stream to='localhost' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "unsupported-version",
    ),
    (
        "<stream:stream to='localhost' version='one' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "unsupported-version",
    ),
    // What may not stand before it.
    (
        "<?xml version='1.0' encoding='ISO-8859-1'?><stream:stream ",
        "unsupported-encoding",
    ),
    (
        "<?xml version='1.0'?><!DOCTYPE lol [<!ENTITY a 'b'>]>",
        "restricted-xml",
    ),
    ("<!-- hello -->", "restricted-xml"),
    ("<?php hello ?>", "restricted-xml"),
    // Another protocol.
    (
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "not-well-formed",
    ),
    ("\x16\x03\x01\x02\x00\x01\x00", "not-well-formed"),
    // Not namespace-well-formed.
    (
        "<stream:stream to='localhost' version='1.0' xmlns='jabber:client'>",
        "not-well-formed",
    ),
    (
        "<stream:stream to='localhost' to='localhost' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "not-well-formed",
    ),
    (
        "<stream:stream to=localhost version='1.0'>",
        "not-well-formed",
    ),
    ("<stream:stream to='<'>", "not-well-formed"),
];

#[test]
fn each_mistake_has_its_error() {
    let node = TestNode::start(Plaintext::Allowed);
    for (header, condition) in MISTAKES {
        for delivery in Delivery::EACH {
            case(header, delivery);
            let mut stream = connect(&node);
            delivery.send(&mut stream, header.as_bytes());
            stream.ends_with(condition);
        }
    }
}

/// RFC 6120 section 4.7.5: a higher version is answered with ours.
#[test]
fn what_may_differ_is_taken() {
    let node = TestNode::start(Plaintext::Allowed);
    for header in [
        "<stream:stream to='localhost' version='1.1' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "<?xml version='1.0' encoding='utf-8'?>\n<stream:stream  xmlns:stream = \
         \"http://etherx.jabber.org/streams\"\n version='01.00' to=\"LOCALHOST\" \
         xmlns='jabber:client' xmlns:x='urn:example:x' x:y='z'>\n\n",
        "<stream:stream version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
    ] {
        for delivery in Delivery::EACH {
            case(header, delivery);
            let mut stream = connect(&node);
            delivery.send(&mut stream, header.as_bytes());
            stream.opened();
        }
    }
}

/// RFC 6120 section 4.7.3.
#[test]
fn each_stream_has_an_id_of_its_own() {
    let node = TestNode::start(Plaintext::Allowed);
    let mut ids = Vec::new();
    for _ in 0..10 {
        let mut stream: Stream = connect(&node);
        stream.send(Stream::header());
        if let crate::common::stream::Event::Open(header) = stream.next() {
            ids.push(header.attribute("id").expect("an id").to_owned());
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}
