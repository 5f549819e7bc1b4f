//! Whether an object's history is linearizable: whether its operations can be put into one order in
//! which each finds what the ones before it have made, and none comes before one that had ended
//! when it began (Wing and Gong, "Testing and Verifying Concurrent Objects", 1993). Not for where
//! the operations come from.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

/// What is done to an object whose value is a number.
pub trait Act: Copy + Debug {
    /// The value afterwards; None: this cannot have found that value.
    fn on(self, value: u64) -> Option<u64>;

    /// Changes nothing, so that without an answer it says nothing.
    fn is_read(self) -> bool;
}

/// What is done to a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Write(u64),
    Read(u64),
}

impl Act for Deed {
    fn on(self, value: u64) -> Option<u64> {
        match self {
            Deed::Write(written) => Some(written),
            Deed::Read(read) => (read == value).then_some(value),
        }
    }

    fn is_read(self) -> bool {
        matches!(self, Deed::Read(_))
    }
}

/// One operation as its client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation<A = Deed> {
    pub begun: Duration,
    /// None: no answer came. A change may have been made at any time since, or never.
    pub ended: Option<Duration>,
    pub deed: A,
    /// What is said on one line is done in the order in which it was said; one that was left out
    /// comes no more.
    pub line: Option<u8>,
}

/// Operations that are under way at one time, at most: more are no history of a client here.
const OPEN_MAX: usize = 32;

/// The operations that were ordered, and the value then.
type Reached = BTreeSet<(Vec<bool>, u64)>;

/// Looks for the order; `Err` names the operation behind which there is none. Of those that begun
/// at the same time, the first in `operations` was said first.
pub fn check<A: Act>(initial: u64, operations: &[Operation<A>]) -> Result<(), String> {
    let mut operations: Vec<Operation<A>> = operations
        .iter()
        .filter(|operation| operation.ended.is_some() || !operation.deed.is_read())
        .copied()
        .collect();
    operations.sort_by_key(|operation| operation.begun);
    let mut reached = Reached::from([(vec![false; operations.len()], initial)]);
    for goal in ended_first(&operations) {
        reached = order_until(&operations, reached, goal)?;
        if reached.is_empty() {
            return Err(format!("{:?} fits nowhere", operations[goal]));
        }
    }
    Ok(())
}

/// Operations with an answer, in the order of their answers.
fn ended_first<A>(operations: &[Operation<A>]) -> Vec<usize> {
    let mut ended: Vec<usize> = (0..operations.len())
        .filter(|index| operations[*index].ended.is_some())
        .collect();
    ended.sort_by_key(|index| operations[*index].ended);
    ended
}

/// All ways to have ordered `goal` by the time of its answer: others that had begun by then may
/// come before it.
fn order_until<A: Act>(
    operations: &[Operation<A>],
    from: Reached,
    goal: usize,
) -> Result<Reached, String> {
    let limit = operations[goal].ended;
    let mut done = Reached::new();
    let mut seen = from.clone();
    let mut open: Vec<(Vec<bool>, u64)> = from.into_iter().collect();
    while let Some((ordered, value)) = open.pop() {
        if ordered[goal] {
            done.insert((ordered, value));
            continue;
        }
        let may = (0..operations.len())
            .filter(|index| !ordered[*index] && Some(operations[*index].begun) <= limit);
        let may: Vec<usize> = may.collect();
        if OPEN_MAX < may.len() {
            return Err(format!("{} operations are open at once", may.len()));
        }
        for index in may {
            let Some(next) = operations[index].deed.on(value) else {
                continue;
            };
            let Some(then) = with(operations, &ordered, index) else {
                continue;
            };
            let then = (then, next);
            if seen.insert(then.clone()) {
                open.push(then);
            }
        }
    }
    Ok(done)
}

/// `index` is ordered now, and what was said before it on its line comes no more; none: that has an
/// answer, so that it must come first.
fn with<A>(operations: &[Operation<A>], ordered: &[bool], index: usize) -> Option<Vec<bool>> {
    let mut then = ordered.to_vec();
    then[index] = true;
    let Some(line) = operations[index].line else {
        return Some(then);
    };
    for (earlier, operation) in operations.iter().enumerate().take(index) {
        if operation.line == Some(line) && !std::mem::replace(&mut then[earlier], true) {
            operation.ended.is_none().then_some(())?;
        }
    }
    Some(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, operations with their times (0: no end), and whether they are linearizable.
    type Case = (&'static str, &'static [(u64, u64, Deed)], bool);

    fn operation(begun: u64, ended: u64, deed: Deed) -> Operation {
        Operation {
            begun: Duration::from_millis(begun),
            ended: (ended != 0).then(|| Duration::from_millis(ended)),
            deed,
            line: None,
        }
    }

    #[test]
    fn planted_histories_are_judged() {
        use Deed::{Read, Write};
        let cases: [Case; 8] = [
            ("in turn", &[(1, 2, Write(1)), (3, 4, Read(1))], true),
            ("a stale read", &[(1, 2, Write(1)), (3, 4, Read(0))], false),
            (
                "at once",
                &[(1, 5, Write(1)), (2, 3, Read(0)), (3, 4, Read(1))],
                true,
            ),
            (
                "back in time",
                &[(1, 9, Write(1)), (2, 3, Read(1)), (4, 5, Read(0))],
                false,
            ),
            (
                "a lost write",
                &[(1, 2, Write(1)), (3, 4, Write(2)), (5, 6, Read(1))],
                false,
            ),
            (
                "an unknown write, done late",
                &[(1, 0, Write(1)), (5, 6, Read(0)), (7, 8, Read(1))],
                true,
            ),
            (
                "an unknown write, undone",
                &[(1, 0, Write(1)), (3, 4, Read(1)), (5, 6, Read(0))],
                false,
            ),
            ("never written", &[(1, 2, Write(1)), (3, 4, Read(7))], false),
        ];
        for (name, operations, good) in cases {
            let operations: Vec<Operation> = operations
                .iter()
                .map(|(begun, ended, deed)| operation(*begun, *ended, *deed))
                .collect();
            assert_eq!(check(0, &operations).is_ok(), good, "{name}");
        }
    }

    const ON_ONE_LINE: [Case; 6] = [
        (
            "the second is there, then the first",
            &[
                (1, 0, Deed::Write(1)),
                (2, 0, Deed::Write(2)),
                (3, 4, Deed::Read(2)),
                (5, 6, Deed::Read(1)),
            ],
            false,
        ),
        (
            "in turn",
            &[
                (1, 0, Deed::Write(1)),
                (2, 0, Deed::Write(2)),
                (3, 4, Deed::Read(1)),
                (5, 6, Deed::Read(2)),
            ],
            true,
        ),
        (
            "the first was left out",
            &[
                (1, 0, Deed::Write(1)),
                (2, 0, Deed::Write(2)),
                (3, 4, Deed::Read(0)),
                (5, 6, Deed::Read(2)),
            ],
            true,
        ),
        (
            "at the same time",
            &[
                (1, 0, Deed::Write(1)),
                (1, 0, Deed::Write(2)),
                (3, 4, Deed::Read(2)),
                (5, 6, Deed::Read(1)),
            ],
            false,
        ),
        (
            "the first was done although its answer came late",
            &[
                (1, 9, Deed::Write(1)),
                (2, 3, Deed::Write(2)),
                (4, 5, Deed::Read(2)),
            ],
            true,
        ),
        (
            "the first was not done",
            &[
                (1, 9, Deed::Write(1)),
                (2, 3, Deed::Write(2)),
                (4, 5, Deed::Read(2)),
                (10, 11, Deed::Read(1)),
            ],
            false,
        ),
    ];

    #[test]
    fn what_is_said_on_one_line_keeps_its_order() {
        for (name, operations, good) in ON_ONE_LINE {
            let said = |(begun, ended, deed): &(u64, u64, Deed)| {
                let line = matches!(deed, Deed::Write(_)).then_some(1);
                Operation {
                    line,
                    ..operation(*begun, *ended, *deed)
                }
            };
            let operations: Vec<Operation> = operations.iter().map(said).collect();
            assert_eq!(check(0, &operations).is_ok(), good, "{name}");
        }
    }
}
