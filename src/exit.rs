//! The exit codes of the program: those of sysexits.h, with what each means here. The one place
//! where an error becomes a number.

use std::process::ExitCode;

use pollux_domain::operations::ErrorKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Usage,
    DataErr,
    NoInput,
    NoUser,
    Unavailable,
    Software,
    CantCreate,
    IoErr,
    TempFail,
    NoPerm,
    CheckFailed,
}

/// Code, the name in sysexits.h, and what it means here.
const TABLE: &[(Exit, u8, &str, &str)] = &[
    (Exit::Done, 0, "EX_OK", "done"),
    (
        Exit::Usage,
        64,
        "EX_USAGE",
        "wrong command line, or mistakes in the configuration file",
    ),
    (
        Exit::DataErr,
        65,
        "EX_DATAERR",
        "a name or password that cannot be one",
    ),
    (
        Exit::NoInput,
        66,
        "EX_NOINPUT",
        "a file that was named cannot be read",
    ),
    (
        Exit::NoUser,
        67,
        "EX_NOUSER",
        "there is no such user or session",
    ),
    (
        Exit::Unavailable,
        69,
        "EX_UNAVAILABLE",
        "no node answers, or it cannot do this now",
    ),
    (
        Exit::Software,
        70,
        "EX_SOFTWARE",
        "the node failed; its log says how",
    ),
    (
        Exit::CantCreate,
        73,
        "EX_CANTCREAT",
        "it is there already, or a file cannot be made",
    ),
    (
        Exit::IoErr,
        74,
        "EX_IOERR",
        "reading or writing broke off; what was asked may be done",
    ),
    (
        Exit::TempFail,
        75,
        "EX_TEMPFAIL",
        "a limit is reached; the same again may succeed later",
    ),
    (Exit::NoPerm, 77, "EX_NOPERM", "you may not"),
    (
        Exit::CheckFailed,
        78,
        "EX_CONFIG",
        "`pollux check` found something that keeps a node from working",
    ),
];

impl Exit {
    pub fn code(self) -> u8 {
        TABLE
            .iter()
            .find(|(exit, ..)| *exit == self)
            .map_or(70, |(_, code, ..)| *code)
    }

    pub fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid | ErrorKind::Unconfirmed => Self::DataErr,
            ErrorKind::NotFound => Self::NoUser,
            ErrorKind::AlreadyExists => Self::CantCreate,
            ErrorKind::Forbidden => Self::NoPerm,
            ErrorKind::ResourceConstraint => Self::TempFail,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Internal => Self::Software,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The end of `pollux --help`.
pub fn help_table() -> String {
    let mut text = String::from("Exit codes:");
    for (_, code, _, meaning) in TABLE {
        text.push_str(&format!("\n  {code:>2}  {meaning}"));
    }
    text
}

/// `docs/reference/exit-codes.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# Exit codes\n\n<!-- Made by `cargo xtask docs` from src/exit.rs. -->\n\n\
         The program `pollux` ends with the codes of sysexits.h.\n\n\
         | code | name | meaning |\n|---|---|---|\n",
    );
    for (_, code, name, meaning) in TABLE {
        text.push_str(&format!("| {code} | `{name}` | {meaning} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exit_has_a_code_of_its_own() {
        for (index, (exit, code, ..)) in TABLE.iter().enumerate() {
            assert_eq!(exit.code(), *code);
            assert!(
                TABLE[..index].iter().all(|(_, other, ..)| other < code),
                "{code}"
            );
        }
    }

    #[test]
    fn the_page_in_the_tree_is_up_to_date() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let on_disk = std::fs::read_to_string(root.join("docs/reference/exit-codes.md")).unwrap();
        assert!(on_disk == reference(), "stale: cargo xtask docs");
    }
}
