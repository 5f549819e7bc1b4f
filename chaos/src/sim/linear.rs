//! Whether a register's history is linearizable: whether its operations can be put into one order in
//! which each read returns the last write before it, and none comes before one that had ended when it
//! began (Wing and Gong, "Testing and Verifying Concurrent Objects", 1993). Not for where the
//! operations come from.

use std::collections::BTreeSet;
use std::time::Duration;

/// What was done; a value is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Write(u64),
    Read(u64),
}

/// One operation as its client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub begun: Duration,
    /// None: no answer came. A write may have been done at any time since, or never.
    pub ended: Option<Duration>,
    pub deed: Deed,
}

/// Operations that are under way at one time, at most: more are no history of a client here.
const OPEN_MAX: usize = 32;

/// Looks for the order; `Err` names the operation behind which there is none.
pub fn check(initial: u64, operations: &[Operation]) -> Result<(), String> {
    let mut operations: Vec<Operation> = operations
        .iter()
        // A read without an answer says nothing.
        .filter(|operation| operation.ended.is_some() || matches!(operation.deed, Deed::Write(_)))
        .copied()
        .collect();
    operations.sort_by_key(|operation| operation.begun);
    // What can be reached: the operations that were ordered, and the value then. Kept as a window:
    // all before `first` are ordered in each.
    let mut reached: BTreeSet<(Vec<bool>, u64)> = BTreeSet::new();
    reached.insert((vec![false; operations.len()], initial));
    let wanted: Vec<usize> = ended_first(&operations);
    for goal in wanted {
        reached = order_until(&operations, reached, goal)?;
        if reached.is_empty() {
            return Err(format!("{:?} fits nowhere", operations[goal]));
        }
    }
    Ok(())
}

/// Operations with an answer, in the order of their answers.
fn ended_first(operations: &[Operation]) -> Vec<usize> {
    let mut ended: Vec<usize> = (0..operations.len())
        .filter(|index| operations[*index].ended.is_some())
        .collect();
    ended.sort_by_key(|index| operations[*index].ended);
    ended
}

/// All ways to have ordered `goal` by the time of its answer: others that had begun by then may come
/// before it.
fn order_until(
    operations: &[Operation],
    from: BTreeSet<(Vec<bool>, u64)>,
    goal: usize,
) -> Result<BTreeSet<(Vec<bool>, u64)>, String> {
    let limit = operations[goal].ended;
    let mut done = BTreeSet::new();
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
            let next = match operations[index].deed {
                Deed::Write(written) => written,
                Deed::Read(read) if read == value => value,
                Deed::Read(_) => continue,
            };
            let mut then = ordered.clone();
            then[index] = true;
            let then = (then, next);
            if seen.insert(then.clone()) {
                open.push(then);
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(begun: u64, ended: u64, deed: Deed) -> Operation {
        Operation {
            begun: Duration::from_millis(begun),
            ended: (ended != 0).then(|| Duration::from_millis(ended)),
            deed,
        }
    }

    #[test]
    fn planted_histories_are_judged() {
        use Deed::{Read, Write};
        let cases: [(&str, &[(u64, u64, Deed)], bool); 8] = [
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
}
