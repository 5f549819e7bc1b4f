//! `pollux ctl service`: the services of a node, as operations and as a table.

use pollux_domain::figures::lasting;
use pollux_domain::operations::{Description, Operation, Outcome, ServiceRow};
use pollux_domain::self_test::{Finding, Verdict};
use pollux_domain::services::{Service, Wish};

use super::arguments::ServiceCommand;
use super::ctl::{Node, unexpected};
use super::show::Shown;
use super::table::render;
use super::{Failure, Output};

pub(super) fn run(
    node: &Node,
    command: ServiceCommand,
    output: &mut Output<'_>,
) -> Result<Shown, Failure> {
    let operation = match command {
        ServiceCommand::List => Operation::ServiceList {},
        ServiceCommand::Start(one) => Operation::ServiceStart {
            service: Service::parse(&one.name)?,
        },
        ServiceCommand::Stop(one) => Operation::ServiceStop {
            service: Service::parse(&one.name)?,
        },
        ServiceCommand::Restart(one) => Operation::ServiceRestart {
            service: Service::parse(&one.name)?,
        },
    };
    // Who has a shell on the machine is not asked twice, but is told.
    let danger = Description::of(operation.name()).and_then(|known| known.danger);
    match node.ask(operation)? {
        Outcome::Services(rows) => {
            if let Some(danger) = danger {
                writeln!(output.err, "{danger}")?;
            }
            Ok(Shown::Services(rows))
        }
        other => Err(unexpected(&other)),
    }
}

pub(super) fn table(rows: &[ServiceRow]) -> String {
    let rows = rows.iter().map(|row| {
        let critical = if row.is_critical { "yes" } else { "no" };
        let wanted = match row.wanted {
            Wish::Running => "running",
            Wish::Stopped => "stopped",
        };
        vec![
            row.service.to_string(),
            wanted.to_owned(),
            row.state.word().to_owned(),
            lasting(row.for_seconds),
            critical.to_owned(),
            row.reason.clone().unwrap_or_else(|| row.meaning.clone()),
        ]
    });
    let head = ["SERVICE", "WANTED", "STATE", "FOR", "CRITICAL", "WHAT"];
    render(&head, rows.collect())
}

/// What to do stands below what was found, in the same column.
pub(super) fn findings(findings: &[Finding]) -> String {
    let mut rows = Vec::new();
    for one in findings {
        let verdict = match one.verdict {
            Verdict::Passed => "passed",
            Verdict::Warned => "WARNED",
            Verdict::Failed => "FAILED",
        };
        let cells = [verdict, one.name.as_str(), one.found.as_str()];
        rows.push(cells.map(str::to_owned).to_vec());
        let cure = one.cure.iter().flat_map(|cure| cure.lines());
        rows.extend(cure.map(|line| vec![String::new(), String::new(), format!("  {line}")]));
    }
    let count = |verdict| findings.iter().filter(|one| one.verdict == verdict).count();
    let table = render(&["RESULT", "TEST", "FINDING, AND WHAT TO DO"], rows);
    format!(
        "{table}\n{} passed, {} warned, {} failed\n",
        count(Verdict::Passed),
        count(Verdict::Warned),
        count(Verdict::Failed)
    )
}
