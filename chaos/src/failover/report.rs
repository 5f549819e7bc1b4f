//! What the runs of a drill add up to, and whether the promises and the bounds were kept. Pure.

use serde::Serialize;

use super::catalogue::{Expectation, Plan};
use super::recovery::Recovery;
use super::run::WHOLE_LIMIT;
use crate::load::Verdict;
use crate::servers::Mode;

/// Messages that a run must have seen acknowledged: a drill in which nobody chats proves nothing.
const ACKNOWLEDGED_LEAST: u64 = 50;

/// What one run found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Findings {
    pub verdict: Verdict,
    pub recovery: Recovery,
    /// Contacts were told that somebody had gone who had not.
    pub false_unavailable: u64,
    /// Contacts who still saw somebody who had gone.
    pub ghosts: u64,
    /// Contacts who did not see somebody who was here.
    pub unseen: u64,
    /// What users had put down and did not find again, in words.
    pub forgotten: Vec<String>,
    /// From the healing to a whole pair.
    pub whole_ms: Option<f64>,
    /// Acts under an epoch after another had acted under a higher one; see `acts`.
    pub late_acts: u64,
    /// Accounts of acts on which that rests.
    pub accounts: u64,
    /// Elections.
    pub terms: u64,
    /// Changes of who serves the users.
    pub epochs: u64,
    /// The first lost messages, as (sender, number).
    pub lost: Vec<(u32, u32)>,
    pub faults: Vec<String>,
    pub remarks: Vec<String>,
}

/// Least, median and most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Some(Spread {
            least: *values.first()?,
            median: values[values.len() / 2],
            most: *values.last()?,
        })
    }
}

/// All runs of a drill.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub drill: &'static str,
    pub runs: Vec<Findings>,
}

impl Report {
    pub fn sum(&self, of: impl Fn(&Findings) -> u64) -> u64 {
        self.runs.iter().map(of).sum()
    }

    pub fn spread(&self, of: impl Fn(&Findings) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.runs.iter().filter_map(of))
    }

    /// Everything that was not kept, in words. `bounds`: also what is about time.
    pub fn broken(&self, plan: &Plan, mode: Mode, bounds: bool) -> Vec<String> {
        let mut broken = Vec::new();
        let mut none = |what: &str, count: u64| {
            if count > 0 {
                broken.push(format!("{what}: {count}"));
            }
        };
        none("lost", self.sum(|run| run.verdict.lost));
        if !mode.may_repeat() {
            none("twice", self.sum(|run| run.verdict.twice));
        }
        none("out of order", self.sum(|run| run.verdict.out_of_order));
        none("h backwards", self.sum(|run| run.verdict.h_backwards));
        none("h ahead", self.sum(|run| run.verdict.h_ahead));
        none("false unavailable", self.sum(|run| run.false_unavailable));
        none("ghosts", self.sum(|run| run.ghosts));
        none("not seen", self.sum(|run| run.unseen));
        none("not resumed", self.sum(|run| run.verdict.not_resumed));
        none("acts of an old epoch", self.sum(|run| run.late_acts));
        for (run, number) in self.runs.iter().zip(1..) {
            let mut say = |words: &str| broken.push(format!("run {number}: {words}"));
            if !run.forgotten.is_empty() {
                say(&format!("forgotten: {}", run.forgotten.join(", ")));
            }
            if run.verdict.acknowledged < ACKNOWLEDGED_LEAST {
                say("too few messages for a proof");
            }
            if run.accounts <= run.epochs.min(1) {
                say("too few accounts of acts for a proof");
            }
            let all = plan.pairs.map_or(0, |pairs| pairs * 2);
            if run.recovery.returns < all {
                say("not everybody had to come back");
            }
            match plan.expectation {
                Expectation::Takeover { .. } | Expectation::AtMost { .. } if run.epochs == 0 => {
                    say("nobody took over");
                }
                Expectation::AtMost { moves } if moves < run.epochs => {
                    say(&format!("the users were moved {} times", run.epochs));
                }
                Expectation::NoTakeover | Expectation::NoElection if run.epochs > 0 => {
                    say("the users were moved for nothing");
                }
                Expectation::NoElection if run.terms > 0 => say("an election for nothing"),
                _ => {}
            }
            let limit = WHOLE_LIMIT.as_secs_f64() * 1e3;
            if bounds && run.whole_ms.is_none_or(|whole| whole > limit) {
                say("the pair was not whole by itself in time");
            }
        }
        if bounds && let Some(bound) = plan.last_back_ms {
            let last = self.spread(|run| run.recovery.last_back_ms);
            if last.is_none_or(|last| last.most > bound as f64) {
                broken.push(format!("last back: over {bound} ms"));
            }
        }
        if bounds
            && let Expectation::Takeover {
                first_message_ms: Some(bound),
            } = plan.expectation
        {
            let median = self.spread(|run| run.recovery.first_message_ms);
            let median = median.map(|spread| spread.median);
            if median.is_none_or(|median| median > bound as f64) {
                broken.push(format!("first message through: median over {bound} ms"));
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;

    fn report(findings: Findings) -> Report {
        Report {
            drill: "kill-active",
            runs: vec![findings],
        }
    }

    #[test]
    fn a_good_run_breaks_nothing_and_each_fault_is_named() {
        let mut good = Findings {
            accounts: 2,
            epochs: 1,
            whole_ms: Some(100.0),
            ..Findings::default()
        };
        good.verdict.acknowledged = 1_000;
        good.recovery.first_message_ms = Some(700.0);
        let judge = |findings: &Findings, mode: Mode| {
            let drill = plan("kill-active").unwrap();
            report(findings.clone())
                .broken(drill, mode, true)
                .join("; ")
        };
        let check = |findings: &Findings, words: &str| {
            assert_eq!(judge(findings, Mode::default()), words);
        };
        check(&good, "");
        let mut bad = good.clone();
        bad.verdict.lost = 2;
        check(&bad, "lost: 2");
        bad = good.clone();
        bad.verdict.twice = 1;
        check(&bad, "twice: 1");
        assert_eq!(judge(&bad, Mode::EARLY), "");
        bad = good.clone();
        bad.forgotten = vec!["vCard".to_owned(), "blocking".to_owned()];
        check(&bad, "run 1: forgotten: vCard, blocking");
        bad = good.clone();
        bad.late_acts = 1;
        check(&bad, "acts of an old epoch: 1");
        let slow = Findings {
            recovery: Recovery {
                first_message_ms: Some(1_200.0),
                ..good.recovery
            },
            ..good.clone()
        };
        check(&slow, "first message through: median over 1000 ms");
        let idle = Findings { epochs: 0, ..good };
        check(&idle, "run 1: nobody took over");
    }

    #[test]
    fn what_comes_and_goes_moves_users_a_few_times_and_not_each_time() {
        let flapping = plan("flapping-node").unwrap();
        let moved = |epochs| {
            let mut run = Findings {
                accounts: 2,
                epochs,
                whole_ms: Some(100.0),
                ..Findings::default()
            };
            run.verdict.acknowledged = 1_000;
            report(run)
                .broken(flapping, Mode::default(), true)
                .join("; ")
        };
        assert_eq!(moved(0), "run 1: nobody took over");
        assert_eq!((moved(1), moved(12)), (String::new(), String::new()));
        assert_eq!(moved(13), "run 1: the users were moved 13 times");
    }

    #[test]
    fn the_middle_of_an_odd_number() {
        let spread = Spread::of([3.0, 1.0, 2.0].into_iter()).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }
}
