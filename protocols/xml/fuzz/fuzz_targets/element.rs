//! What parses can be written, and reads again as the same. Not for streams: see `stream`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pollux_xml::StreamNamespaces;
use pollux_xml::properties::check_element;

fuzz_target!(|octets: &[u8]| check_element(octets, &StreamNamespaces::new("jabber:client")));
