//! Streams before they are sessions, and what breaks them: the exact error of RFC 6120 for each
//! mistake, however its octets arrive, and nobody else disturbed.
#![expect(clippy::print_stderr, reason = "the test's own output")]

#[path = "../common/mod.rs"]
mod common;

mod after_sign_in;
mod bind;
mod bind2;
mod capabilities;
mod certificate;
mod channel_binding;
mod direct_tls;
mod disabled;
mod early;
mod external;
mod external_services;
mod fast;
mod figures;
mod header;
mod language;
mod limits;
mod lockout;
mod pace;
mod patience;
mod plain;
mod refusals;
mod registration;
mod sasl;
mod sasl2;
mod sasl_errors;
mod shutdown;
mod slow_reader;
mod starttls;
mod stranger;
mod upgrade;

use common::node::TestNode;
use common::stream::Stream;

/// How the octets of one mistake arrive.
#[derive(Debug, Clone, Copy)]
enum Delivery {
    Whole,
    OctetByOctet,
}

impl Delivery {
    const EACH: [Delivery; 2] = [Delivery::Whole, Delivery::OctetByOctet];

    fn send(self, stream: &mut Stream, octets: &[u8]) {
        match self {
            Delivery::Whole => stream.send(octets),
            Delivery::OctetByOctet => stream.send_octet_by_octet(octets),
        }
    }
}

/// Named in the transcript of a test, so that the last line before a failure says what failed.
fn case(name: &str, delivery: Delivery) {
    eprintln!("{name} ({delivery:?})");
}

/// A connection to which nothing was said yet.
#[track_caller]
fn connect(node: &TestNode) -> Stream {
    Stream::connect(node.address())
}
