//! Any frame, taken for everything that it could be, panics nowhere. Not for SCRAM messages: see
//! `scram`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pollux_xmpp::properties::check_frame;

fuzz_target!(|octets: &[u8]| check_frame(octets));
