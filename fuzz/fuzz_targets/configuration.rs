//! Any text is a configuration that can be shown, or has mistakes with lines. The program has no
//! library, so its module stands here by its path.
#![no_main]
#![allow(dead_code, reason = "the program uses the rest")]

#[path = "../../src/config/mod.rs"]
mod config;

use config::properties::check_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| check_file(text));
