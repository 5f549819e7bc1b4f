//! Completions in the shells themselves: bash and fish complete lines, zsh reads its file.

use std::path::Path;
use std::process::Command;

use crate::common::program::run;

/// Prints the completions of a shell into a file of this folder.
fn written(folder: &Path, shell: &str) -> String {
    let ended = run(folder, &["completions", shell]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let path = folder.join(shell);
    std::fs::write(&path, ended.out).expect("a file can be written");
    path.to_str().expect("a plain name").to_owned()
}

#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command.output().expect("the shell is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// As bash does at a Tab: the function of the command is called with the words so far.
const BASH: &str = r#"
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
completes="$(complete -p pollux | sed 's/.*-F \([^ ]*\).*/\1/')"
"$completes" pollux "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

const LINES: &[(&[&str], &[&str])] = &[
    (&["chec"], &["check"]),
    (&["ctl", "us"], &["user"]),
    (&["ctl", "user", "set-"], &["set-password"]),
    (&["ctl", "subcluster", "fa"], &["failover", "fallback"]),
    (&["ctl", "subcluster", "ta"], &["takeovers"]),
    (&["check", "--dns"], &["--dns-server"]),
];

#[test]
fn bash_completes_lines() {
    let folder = folder();
    let file = written(folder.path(), "bash");
    let values: &(&[&str], &[&str]) = &(&["completions", "b"], &["bash"]);
    for (words, expected) in LINES.iter().chain([values]) {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", BASH, "bash", &file, "pollux"])
            .args(*words);
        let said = said(&mut bash);
        let mut found: Vec<&str> = said.lines().collect();
        found.sort_unstable();
        assert_eq!(found, *expected, "{words:?}");
    }
}

#[test]
fn fish_completes_lines() {
    let folder = folder();
    let file = written(folder.path(), "fish");
    for (words, expected) in LINES {
        let line = format!("pollux {}", words.join(" "));
        let mut fish = Command::new("fish");
        fish.env("HOME", folder.path());
        fish.args([
            "--no-config",
            "-c",
            "source $argv[1]; complete -C $argv[2]",
            &file,
            &line,
        ]);
        let said = said(&mut fish);
        // What it means stands behind a tab.
        let words_of = said.lines().filter_map(|line| line.split('\t').next());
        let mut found: Vec<&str> = words_of.collect();
        found.sort_unstable();
        assert_eq!(found, *expected, "{line}");
    }
}

#[test]
fn zsh_reads_its_file() {
    let folder = folder();
    let file = written(folder.path(), "zsh");
    assert_eq!(said(Command::new("zsh").args(["-f", "-n", &file])), "");
    let text = std::fs::read_to_string(&file).expect("it was written");
    assert!(
        text.starts_with("#compdef pollux"),
        "zsh finds it by its first line"
    );
    assert!(text.contains("set-password") && text.contains("--dns-server"));
}

#[test]
fn other_shells_are_refused() {
    let folder = folder();
    let ended = run(folder.path(), &["completions", "tcsh"]);
    assert_eq!(ended.code, Some(64));
    assert!(ended.err.contains("bash, zsh, fish"), "{}", ended.err);
}
