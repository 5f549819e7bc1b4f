//! House rules and generated reference as code: the one entry of a developer and of CI. Not part of
//! the product; the product knows nothing of it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for a terminal speaks on standard output and standard error"
)]

mod arrows;
mod bench;
mod coverage;
mod drill;
mod fuzz;
mod generated;
mod help;
mod package;
mod packages;
mod planted;
mod screenshots;
mod step;
mod testing;
mod tidy;
mod upgrade;
mod verify;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            println!("{}", help::OVERVIEW);
            Ok(())
        }
        ["help", name] | [name, "--help" | "-h"] => show_help(name),
        ["verify"] => verify::verify(),
        ["test"] => packages::install().and_then(|()| verify::verify()),
        ["fix"] => verify::fix(),
        ["tidy"] => tidy::check(),
        ["tidy", "--fix"] => tidy::fix(),
        ["arrows"] => arrows::check(),
        ["planted"] => planted::check(),
        ["upgrade"] => upgrade::check(),
        ["docs"] => generated::write(),
        ["docs", "--check"] => generated::check(),
        ["bench", rest @ ..] => bench::bench(rest),
        ["drill", rest @ ..] => drill::run_drills(rest),
        ["package", rest @ ..] => package::package(rest),
        ["screenshots", rest @ ..] => screenshots::take(rest),
        ["fuzz", rest @ ..] => fuzz::run_target(rest),
        _ => {
            eprintln!(
                "cargo xtask does not know `{}`\n\n{}",
                words.join(" "),
                help::OVERVIEW
            );
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show_help(name: &str) -> anyhow::Result<()> {
    match help::of(name) {
        Some(text) => println!("{text}"),
        None => anyhow::bail!("no command `{name}`; `cargo xtask --help` lists them"),
    }
    Ok(())
}
