//! Any chunking of any octets gives the same frames, within the limits. Not for single elements:
//! see `element`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pollux_xml::properties::check_stream;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (sizes, octets) = input;
    let sizes: Vec<usize> = sizes.into_iter().map(usize::from).collect();
    check_stream(octets, &sizes);
});
