//! The command line as a person meets it: what is said, where, and with which exit code.

use std::process::ExitCode;

use super::*;

struct Said {
    out: String,
    err: String,
    code: ExitCode,
}

fn pollux(arguments: &[&str]) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = std::iter::once("pollux").chain(arguments.iter().copied());
    let code = run(
        all,
        &mut Output {
            out: &mut out,
            err: &mut err,
        },
    );
    Said {
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
        code,
    }
}

#[track_caller]
fn fails(arguments: &[&str], exit: Exit, part: &str) {
    let said = pollux(arguments);
    assert_eq!(said.code, ExitCode::from(exit), "{}", said.err);
    assert!(said.err.contains(part), "{}", said.err);
    assert_eq!(said.out, "");
}

#[test]
fn help_teaches() {
    let said = pollux(&["--help"]);
    assert_eq!(said.code, ExitCode::SUCCESS);
    for part in [
        "Examples:",
        "pollux ctl user add alice",
        "Exit codes:",
        "64  wrong command line",
    ] {
        assert!(said.out.contains(part), "{}", said.out);
    }
    assert!(pollux(&["ctl", "--help"]).out.contains("--password-file"));
    assert!(pollux(&["node", "--help"]).out.contains("embedded default"));
}

#[test]
fn a_wrong_command_line() {
    fails(&[], Exit::Usage, "Usage:");
    fails(&["nod"], Exit::Usage, "node");
    fails(&["ctl", "user", "add"], Exit::Usage, "<NAME>");
}

#[test]
fn a_wrong_configuration_ends_with_64_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pollux.toml");
    std::fs::write(&path, "[node]\nid = 0\n[xmpp]\nlissten = \"\"\n").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(Exit::Usage.code(), 64);
    fails(&["node", "--config", path], Exit::Usage, "2 mistakes in");
    let settings = ["check", "--settings", "--config", path];
    fails(&settings, Exit::Usage, "xmpp.lissten");
    let said = pollux(&["check", "--config", path]);
    assert_eq!(said.code, ExitCode::from(Exit::Usage));
    for part in [
        ":2: node.id",
        ":4: xmpp.lissten",
        "did you mean `listen`?",
        "2 failed",
    ] {
        assert!(said.out.contains(part), "{}", said.out);
    }
    fails(&["ctl", "--config", path, "status"], Exit::Usage, "node.id");
    fails(
        &["node", "--config", "/nonexistent/p.toml"],
        Exit::NoInput,
        "cannot read",
    );
}

#[test]
fn the_example_is_a_file_that_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pollux.toml");
    std::fs::write(&path, pollux(&["example-config"]).out).unwrap();
    let said = pollux(&["check", "--settings", "--config", path.to_str().unwrap()]);
    assert_eq!(said.code, ExitCode::SUCCESS, "{}", said.err);
    let words = |line: &str| {
        line.split_whitespace()
            .eq(["xmpp.listen", "127.0.0.1:5222"])
    };
    assert!(said.out.lines().any(words), "{}", said.out);
    let with_json = [
        "check",
        "--settings",
        "--json",
        "--config",
        path.to_str().unwrap(),
    ];
    let shown: serde_json::Value = serde_json::from_str(&pollux(&with_json).out).unwrap();
    assert_eq!(shown["xmpp.listen"], "127.0.0.1:5222");
}

#[test]
fn without_a_node_ctl_says_where_it_looked() {
    let socket = "/nonexistent/control.sock";
    fails(
        &["ctl", "--socket", socket, "status"],
        Exit::Unavailable,
        socket,
    );
}

#[test]
fn names_and_passwords_are_looked_at_before_the_node_is_asked() {
    let to = ["ctl", "--socket", "/nonexistent/control.sock"];
    let with = |rest: &[&'static str]| [&to[..], rest].concat();
    fails(&with(&["user", "remove", "a/b"]), Exit::DataErr, "no `/`");
    let missing = with(&["user", "add", "a", "--password-file", "/nonexistent/p"]);
    fails(&missing, Exit::NoInput, "read the password");
}
