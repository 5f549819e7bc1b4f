//! House rules and generated reference as code.
fn main() {}
