//! Runs the steps of a command, one progress line each, and names the failed ones at the end. Does
//! not know what a step does.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// One step: its name, what to do when it fails, and its work.
pub struct Step {
    pub name: &'static str,
    pub advice: &'static str,
    pub work: fn() -> anyhow::Result<()>,
}

/// Runs every step, also after a failed one, so that one run tells everything.
pub fn run_all(steps: &[Step]) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!("[{}/{}] {} …", index + 1, steps.len(), step.name);
        let started = now();
        let outcome = (step.work)();
        let seconds = elapsed(started).as_secs_f64();
        match outcome {
            Ok(()) => println!(
                "[{}/{}] {}: ok, {seconds:.1} s",
                index + 1,
                steps.len(),
                step.name
            ),
            Err(error) => {
                println!(
                    "[{}/{}] {}: FAILED, {seconds:.1} s",
                    index + 1,
                    steps.len(),
                    step.name
                );
                println!("{error:#}");
                failed.push(step);
            }
        }
    }
    if failed.is_empty() {
        println!("all {} steps passed", steps.len());
        return Ok(());
    }
    let mut summary = format!("{} of {} steps failed:", failed.len(), steps.len());
    for step in &failed {
        summary.push_str(&format!("\n  {:<8} {}", step.name, step.advice));
    }
    bail!(summary)
}

/// Runs a command with its output shown; an exit code other than 0 is an error.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command.status().with_context(|| format!("run {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// The same; the output is shown when it has ended, so that it does not come between another's.
pub fn run_aside(command: &mut Command) -> anyhow::Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let output = command.output().with_context(|| format!("run {shown}"))?;
    println!("{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        bail!("{shown} ended with {}", output.status);
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a step takes is shown to a person only"
)]
fn now() -> Instant {
    Instant::now()
}

fn elapsed(started: Instant) -> Duration {
    now().saturating_duration_since(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_runs_and_the_failed_one_is_named() {
        let steps = [
            Step {
                name: "first",
                advice: "mend it",
                work: || bail!("broken"),
            },
            Step {
                name: "second",
                advice: "never shown",
                work: || Ok(()),
            },
        ];
        let error = run_all(&steps).unwrap_err().to_string();
        assert!(error.contains("1 of 2"), "{error}");
        assert!(error.contains("first    mend it"), "{error}");
        assert!(!error.contains("second"), "{error}");
    }

    #[test]
    fn an_exit_code_is_an_error() {
        assert!(run(&mut Command::new("true")).is_ok());
        assert!(run(&mut Command::new("false")).is_err());
    }
}
