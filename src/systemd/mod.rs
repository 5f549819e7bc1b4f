//! The node as a service of systemd: the unit that starts it, and what it tells the service
//! manager. Not for any other manager: without one, nothing is said.

pub mod notify;
pub mod pulse;

pub use notify::Notifier;

/// The unit of a node, which `pollux example-unit` prints.
const UNIT: &str = include_str!("pollux.service");

/// Where the program lies in it.
const PROGRAM: &str = "/usr/local/bin/pollux";

/// The unit of a node or of a witness, with the program in `program`.
pub fn unit(is_witness: bool, program: &str) -> String {
    let unit = UNIT.replace(PROGRAM, program);
    match is_witness {
        false => unit,
        true => unit
            .replace("pollux node --config", "pollux witness --config")
            .replace("Description=Pollux, ", "Description=Pollux witness, "),
    }
}
