//! `pollux check`: how its findings look, and what it ends with. What is looked at stands in
//! `crate::check`.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::arguments::Check;
use super::table::render;
use super::{Failure, Output};
use crate::check::{self, Report, Verdict, Wanted};
use crate::config::{self, Config};
use crate::exit::Exit;

pub fn run(arguments: &Check, output: &mut Output<'_>) -> Result<ExitCode, Failure> {
    let path = arguments.config.as_deref();
    if arguments.settings {
        let config = Config::load(path)?;
        let text = settings(&config::effective(&config), arguments.json);
        output.out.write_all(text.as_bytes())?;
        return Ok(Exit::Done.into());
    }
    let wanted = Wanted {
        clients: arguments.clients,
        expiry_days: arguments.expiry_days,
        dns_server: arguments.dns_server,
    };
    let report = check::run(path, &wanted)?;
    let text = match arguments.json {
        true => format!("{}\n", json!(report)),
        false => table(&report),
    };
    output.out.write_all(text.as_bytes())?;
    output.out.flush()?;
    Ok(exit(&report).into())
}

fn settings(rows: &[(&'static str, String)], as_json: bool) -> String {
    if as_json {
        let all: Map<String, Value> = rows
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        return format!("{}\n", Value::Object(all));
    }
    let rows = rows
        .iter()
        .map(|(key, value)| vec![(*key).to_owned(), value.clone()]);
    render(&["KEY", "VALUE"], rows.collect())
}

fn exit(report: &Report) -> Exit {
    match report.failed {
        0 => Exit::Done,
        _ if check::is_misconfigured(report) => Exit::Usage,
        _ => Exit::CheckFailed,
    }
}

/// What to do stands below what was found, in the same column.
fn table(report: &Report) -> String {
    let mut rows = Vec::new();
    for one in &report.findings {
        let result = match one.result {
            Verdict::Passed => "passed",
            Verdict::Warned => "WARNED",
            Verdict::Failed => "FAILED",
        };
        let cells = [result, one.check, one.finding.as_str()];
        rows.push(cells.map(str::to_owned).to_vec());
        let advice = one.advice.iter().flat_map(|advice| advice.lines());
        rows.extend(advice.map(|line| vec![String::new(), String::new(), format!("  {line}")]));
    }
    let Report {
        passed,
        warned,
        failed,
        ..
    } = report;
    let table = render(&["RESULT", "CHECK", "FINDING, AND WHAT TO DO"], rows);
    format!("{table}\n{passed} passed, {warned} warned, {failed} failed\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Finding;

    #[test]
    fn advice_stands_below_its_finding() {
        let findings = vec![
            Finding::passed("ports", "127.0.0.1:5222 is free"),
            Finding::warned("dns", "there is no record", "write:\na line"),
        ];
        let report = Report::of(findings);
        let expected = "RESULT  CHECK  FINDING, AND WHAT TO DO\n\
                        passed  ports  127.0.0.1:5222 is free\n\
                        WARNED  dns    there is no record\n                 \
                        write:\n                 a line\n\n\
                        1 passed, 1 warned, 0 failed\n";
        assert_eq!(table(&report), expected);
        assert_eq!(exit(&report), Exit::Done);
        let value = json!(report);
        assert_eq!(value["findings"][1]["result"], "warned");
        assert_eq!(value["findings"][1]["advice"], "write:\na line");
        assert_eq!(value["findings"][0]["advice"], Value::Null);
        assert_eq!(value["warned"], 1);
    }

    #[test]
    fn a_failure_has_a_code_of_its_own_and_a_wrong_file_another() {
        let failed = |check| Report::of(vec![Finding::failed(check, "a", "b")]);
        assert_eq!(exit(&failed("ports")).code(), 78);
        assert_eq!(exit(&failed("configuration")).code(), 64);
    }
}
