//! What a check found, as values. Not for how it is shown: see `cli::check`.

use serde::Serialize;

/// How one finding went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Passed,
    /// A node runs so, and something will go wrong sooner or later, or could not be looked at.
    Warned,
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub result: Verdict,
    /// How it is.
    pub finding: String,
    /// How to mend it, in lines; none where nothing is wrong.
    pub advice: Option<String>,
}

/// All findings, in the order in which they were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub passed: usize,
    pub warned: usize,
    pub failed: usize,
}

impl Finding {
    pub fn passed(check: &'static str, finding: impl Into<String>) -> Finding {
        Finding {
            check,
            result: Verdict::Passed,
            finding: finding.into(),
            advice: None,
        }
    }

    pub fn warned(
        check: &'static str,
        finding: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding {
            result: Verdict::Warned,
            advice: Some(advice.into()),
            ..Finding::passed(check, finding)
        }
    }

    pub fn failed(
        check: &'static str,
        finding: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding {
            result: Verdict::Failed,
            ..Finding::warned(check, finding, advice)
        }
    }
}

impl Report {
    pub fn of(findings: Vec<Finding>) -> Report {
        let count = |verdict| {
            let found = findings.iter().filter(|one| one.result == verdict);
            found.count()
        };
        Report {
            passed: count(Verdict::Passed),
            warned: count(Verdict::Warned),
            failed: count(Verdict::Failed),
            findings,
        }
    }
}
