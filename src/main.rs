//! The program `pollux`: command line, configuration, start everything in order, stop everything in
//! order.
fn main() {}
