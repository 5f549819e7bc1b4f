//! What a running node finds when it looks at itself and at the others: each thing with how it
//! went, what was found, and the cure. Judges measurements; not for taking them.

use serde::{Deserialize, Serialize};

use crate::figures;
use crate::metrics::Histogram;

/// How one thing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    /// It goes on so, and something will go wrong sooner or later, or could not be looked at.
    Warned,
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub name: String,
    pub verdict: Verdict,
    /// How it is.
    pub found: String,
    /// How to mend it; none where nothing is wrong.
    pub cure: Option<String>,
}

impl Finding {
    pub fn passed(name: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding {
            name: name.into(),
            verdict: Verdict::Passed,
            found: found.into(),
            cure: None,
        }
    }

    pub fn warned(
        name: impl Into<String>,
        found: impl Into<String>,
        cure: impl Into<String>,
    ) -> Finding {
        Finding {
            verdict: Verdict::Warned,
            cure: Some(cure.into()),
            ..Finding::passed(name, found)
        }
    }

    pub fn failed(
        name: impl Into<String>,
        found: impl Into<String>,
        cure: impl Into<String>,
    ) -> Finding {
        Finding {
            verdict: Verdict::Failed,
            ..Finding::warned(name, found, cure)
        }
    }
}

/// Another node of the subcluster, as this one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub name: String,
    pub control: bool,
    pub bulk: bool,
    /// What it says when it is asked.
    pub answer: Option<OtherSays>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherSays {
    pub version: String,
    /// By how much its wall clock is ahead of ours, and how uncertain that is: half of the time
    /// that the answer took.
    pub ahead_ms: i64,
    pub uncertain_ms: u64,
}

/// Beyond this people see answers before their questions.
const CLOCK_WARNED_MS: u64 = 1_000;
/// Beyond this tickets and certificates are judged wrongly.
const CLOCK_FAILED_MS: u64 = 60_000;

/// Whether another node is reached, of our version, and of our time.
pub fn other(own_version: &str, other: &Other) -> Vec<Finding> {
    let name = &other.name;
    let links = format!("links to {name}");
    let missing = match (other.control, other.bulk) {
        (true, true) => None,
        (true, false) => Some("the connection for entries"),
        (false, true) => Some("the connection for leases"),
        (false, false) => Some("either connection"),
    };
    let mut findings = vec![match missing {
        None => Finding::passed(links, "both connections stand"),
        Some(missing) => Finding::failed(
            links,
            format!("{missing} does not stand"),
            "see whether the node runs, `service list` at both for their links, and the network \
             and its firewalls between",
        ),
    }];
    let Some(says) = &other.answer else {
        return findings;
    };
    let version = format!("version of {name}");
    findings.push(match says.version == own_version {
        true => Finding::passed(version, format!("{own_version}, as here")),
        false => Finding::warned(
            version,
            format!("{} there, {own_version} here", says.version),
            "right in the middle of an upgrade; else upgrade the older one",
        ),
    });
    findings.push(clock(name, says));
    findings
}

fn clock(name: &str, says: &OtherSays) -> Finding {
    let what = format!("clock against {name}");
    // What may be the way of the answer is not the clock's.
    let apart = says.ahead_ms.unsigned_abs();
    let surely = apart.saturating_sub(says.uncertain_ms);
    let (side, uncertain) = (
        if says.ahead_ms < 0 { "behind" } else { "ahead" },
        says.uncertain_ms,
    );
    let found = format!("{apart} ms {side}, within {uncertain} ms");
    let cure = "apt install chrony, or timedatectl set-ntp true, on both: stamps of messages and \
                certificates are by this clock; leases and takeovers are not";
    match surely {
        ms if CLOCK_FAILED_MS <= ms => Finding::failed(what, found, cure),
        ms if CLOCK_WARNED_MS <= ms => Finding::warned(what, found, cure),
        _ => Finding::passed(what, found),
    }
}

/// A flush is waited for by each message; a lease is 300 ms.
const FLUSH_WARNED_MS: f64 = 100.0;
const FLUSH_FAILED_MS: f64 = 1_000.0;

/// How long the disk takes, in milliseconds since the node began.
pub fn flushes(group: &str, flushes: &Histogram) -> Finding {
    let name = format!("flushes of the {group} log");
    let Some(slow) = flushes.bound_of(0.99) else {
        return Finding::passed(name, "none yet");
    };
    let cure =
        "give the data folder a disk of its own, or a faster one; see what else writes to it";
    if slow.is_infinite() {
        let found = format!("one of 100 takes more than {FLUSH_FAILED_MS} ms");
        return Finding::failed(name, found, cure);
    }
    let found = format!("99 of 100 within {slow} ms");
    match FLUSH_WARNED_MS < slow {
        true => Finding::warned(name, found, cure),
        false => Finding::passed(name, found),
    }
}

const MIB: u64 = 1024 * 1024;
/// Below this the kernel may end the process with the next snapshot.
const MEMORY_FAILED: u64 = 64 * MIB;
/// Below this it is time to look for more.
const MEMORY_WARNED: u64 = 256 * MIB;

/// Of the machine.
pub fn memory(available: Option<u64>) -> Finding {
    const NAME: &str = "memory";
    let cure = "see what else runs on the machine, or give it more: a node needs its sessions in \
                memory";
    match available {
        None => Finding::warned(NAME, "the kernel does not say what is free", cure),
        Some(bytes) => {
            let found = format!("{} can be had", figures::size(bytes));
            match bytes {
                bytes if bytes < MEMORY_FAILED => Finding::failed(NAME, found, cure),
                bytes if bytes < MEMORY_WARNED => Finding::warned(NAME, found, cure),
                _ => Finding::passed(NAME, found),
            }
        }
    }
}

/// Whether the address that the others are told leads to this node; `resolved`: to where, or why
/// not.
pub fn address(what: &str, told: &str, resolved: Result<Vec<String>, String>) -> Finding {
    let name = format!("address for {what}");
    let cure = "the name must resolve on this machine, on the other nodes and, for clients, \
                everywhere: write it into the DNS, or name an address in pollux.toml";
    match resolved {
        Ok(addresses) if addresses.is_empty() => {
            Finding::failed(name, format!("{told} resolves to nothing"), cure)
        }
        Ok(addresses) => {
            let found = format!("{told} is {}", addresses.join(", "));
            Finding::passed(name, found)
        }
        Err(error) => Finding::failed(name, format!("{told} does not resolve: {error}"), cure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(version: &str, ahead_ms: i64, uncertain_ms: u64) -> Other {
        Other {
            name: "pollux".to_owned(),
            control: true,
            bulk: true,
            answer: Some(OtherSays {
                version: version.to_owned(),
                ahead_ms,
                uncertain_ms,
            }),
        }
    }

    #[track_caller]
    fn check(finding: &Finding, verdict: Verdict, found: &str) {
        assert_eq!(
            (finding.verdict, finding.found.as_str()),
            (verdict, found),
            "{}",
            finding.name
        );
        assert_eq!(finding.cure.is_some(), verdict != Verdict::Passed);
    }

    #[test]
    fn the_other_nodes() {
        let well = other("1.2.0", &heard("1.2.0", -12, 3));
        check(&well[0], Verdict::Passed, "both connections stand");
        check(&well[1], Verdict::Passed, "1.2.0, as here");
        check(&well[2], Verdict::Passed, "12 ms behind, within 3 ms");
        let older = other("1.2.0", &heard("1.1.0", 0, 0));
        check(&older[1], Verdict::Warned, "1.1.0 there, 1.2.0 here");
        let half = Other {
            bulk: false,
            answer: None,
            ..heard("", 0, 0)
        };
        let half = other("1.2.0", &half);
        assert_eq!(half.len(), 1);
        let found = "the connection for entries does not stand";
        check(&half[0], Verdict::Failed, found);
    }

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        let verdict = |ahead_ms, uncertain_ms| {
            let found = other("1", &heard("1", ahead_ms, uncertain_ms));
            found[2].verdict
        };
        assert_eq!(verdict(1_000, 0), Verdict::Warned);
        assert_eq!(verdict(-1_000, 1), Verdict::Passed);
        assert_eq!(verdict(-60_000, 0), Verdict::Failed);
        assert_eq!(verdict(60_000, 1), Verdict::Warned);
        assert_eq!(verdict(i64::MIN, 0), Verdict::Failed);
    }

    #[test]
    fn the_machine() {
        let slow = |quick, slow, above| Histogram {
            buckets: vec![(10.0, quick), (300.0, slow)],
            above,
            sum: 1.0,
        };
        let judged = |quick, slow_ones, above| flushes("a", &slow(quick, slow_ones, above));
        check(&judged(0, 0, 0), Verdict::Passed, "none yet");
        check(&judged(99, 1, 0), Verdict::Passed, "99 of 100 within 10 ms");
        check(
            &judged(98, 2, 0),
            Verdict::Warned,
            "99 of 100 within 300 ms",
        );
        let stuck = "one of 100 takes more than 1000 ms";
        check(&judged(98, 0, 2), Verdict::Failed, stuck);
        check(
            &memory(Some(2_048 * MIB)),
            Verdict::Passed,
            "2 GiB can be had",
        );
        assert_eq!(memory(Some(256 * MIB - 1)).verdict, Verdict::Warned);
        assert_eq!(memory(Some(64 * MIB - 1)).verdict, Verdict::Failed);
        assert_eq!(memory(None).verdict, Verdict::Warned);
    }

    #[test]
    fn an_address_that_others_are_told() {
        let told = "castor.example.org:7222";
        let here = address("nodes", told, Ok(vec!["203.0.113.1".to_owned()]));
        check(
            &here,
            Verdict::Passed,
            "castor.example.org:7222 is 203.0.113.1",
        );
        let none = address("nodes", told, Ok(Vec::new()));
        assert_eq!(none.verdict, Verdict::Failed);
        let error = address("clients", told, Err("no such name".to_owned()));
        check(
            &error,
            Verdict::Failed,
            "castor.example.org:7222 does not resolve: no such name",
        );
    }
}
