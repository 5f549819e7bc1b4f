//! Any text is an address that stays one, or none. Not for addresses in stanzas: see `frame`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pollux_domain::properties::check_jid;

fuzz_target!(|text: &str| check_jid(text));
