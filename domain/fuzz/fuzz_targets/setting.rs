//! Any `NAME=VALUE` is taken and shown as it was taken, or changes nothing. Not for the file of a
//! node: see `configuration`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pollux_domain::properties::check_setting;

fuzz_target!(|text: &str| check_setting(text));
