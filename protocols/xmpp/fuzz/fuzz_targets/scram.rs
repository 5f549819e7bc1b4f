//! Any SCRAM message, at any step, panics nowhere and proves nothing. Not for base 64: see `frame`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pollux_xmpp::properties::check_scram;

fuzz_target!(|octets: &[u8]| check_scram(octets));
