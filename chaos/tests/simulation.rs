//! The simulation in CI: a thousand seeds with crashes between any two steps, and proof that a seed
//! is a trace.

use std::sync::atomic::{AtomicU64, Ordering};

use pollux_chaos::sim::{Plan, invariants, run};

/// Seeds of one plan; split over two threads, since each world is one thread.
fn check(seeds: std::ops::Range<u64>, plan: Plan) {
    let next = AtomicU64::new(seeds.start);
    let telling = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seeds.end <= seed {
                        return;
                    }
                    let run = run(seed, plan).expect("the world holds together");
                    if let Err(broken) = invariants::check(&run.history) {
                        panic!("seed {seed} of {plan:?} breaks {broken}");
                    }
                    telling.fetch_add(run.telling_crashes, Ordering::Relaxed);
                }
            });
        }
    });
    // A drill without anything under way at the fault proves nothing.
    let count = seeds.end - seeds.start;
    let telling = telling.into_inner();
    assert!(
        count <= telling,
        "{telling} telling crashes in {count} runs"
    );
}

#[test]
fn a_thousand_seeds_lose_nothing_and_repeat_nothing() {
    check(0..700, Plan::default());
}

#[test]
fn people_who_leave_find_what_was_stored() {
    check(
        10_000..10_300,
        Plan {
            leaves: true,
            ..Plan::default()
        },
    );
}

#[test]
fn a_seed_is_a_trace() {
    for seed in [1, 42, 4_711] {
        for leaves in [false, true] {
            let plan = Plan {
                leaves,
                ..Plan::default()
            };
            let (one, other) = (run(seed, plan).unwrap(), run(seed, plan).unwrap());
            assert!(one.history.entries.len() > 100);
            assert_eq!(one.history, other.history, "seed {seed}");
        }
    }
}
