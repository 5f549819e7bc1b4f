//! Pairs in CI: seeds with faults and their healing, proof that most of them prove something, and
//! that a seed is a trace.

use std::sync::atomic::{AtomicU64, Ordering};

use pollux_chaos::sim::pair::{PairPlan, run};

#[test]
fn a_pair_keeps_its_promises() {
    const SEEDS: std::ops::Range<u64> = 0..160;
    let next = AtomicU64::new(SEEDS.start);
    let telling = AtomicU64::new(0);
    // Each world is one thread.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if SEEDS.end <= seed {
                        return;
                    }
                    let run = run(seed, PairPlan::default());
                    if let Err(broken) = run.check() {
                        panic!("seed {seed} of pairs breaks {broken}");
                    }
                    telling.fetch_add(u64::from(run.is_telling()), Ordering::Relaxed);
                }
            });
        }
    });
    // A run in which nobody took over, or nothing was under way, proves nothing.
    let (telling, count) = (telling.into_inner(), SEEDS.end - SEEDS.start);
    assert!(
        count * 9 <= telling * 10,
        "{telling} of {count} runs prove something"
    );
}

#[test]
fn a_seed_of_pairs_is_a_trace() {
    for seed in [7, 4_711] {
        let (one, other) = (
            run(seed, PairPlan::default()),
            run(seed, PairPlan::default()),
        );
        assert!(one.history.entries.len() > 1_000);
        assert_eq!(one.history, other.history, "seed {seed}");
    }
}
