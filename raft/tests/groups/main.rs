//! Groups on real disks, and their snapshots on wires that break: one program for both, since each
//! takes its time to build.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod group;
mod transfer;
