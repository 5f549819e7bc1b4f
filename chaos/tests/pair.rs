//! Pairs in CI: seeds with faults and their healing, proof that most of them prove something and
//! have reads to be judged by, that users go home and are moved, services fail and nodes are
//! drained in enough of them, and that a seed is a trace; for a pair alone, and for two in one
//! cluster.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use pollux_chaos::sim::pair::{PairPlan, run};
use pollux_chaos::sim::{Entry, Fact};
use pollux_domain::delivery::Deliver;

fn keep_their_promises(plan: PairPlan, seeds: Range<u64>) {
    let next = AtomicU64::new(seeds.start);
    let telling = AtomicU64::new(0);
    let (availability, subscriptions) = (AtomicU64::new(0), AtomicU64::new(0));
    let (homecomings, left) = (AtomicU64::new(0), AtomicU64::new(0));
    let (drained, moved) = (AtomicU64::new(0), AtomicU64::new(0));
    // Each world is one thread.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seeds.end <= seed {
                        return;
                    }
                    let run = run(seed, plan);
                    if let Err(broken) = run.check() {
                        let (pairs, deliver) = (plan.pairs, plan.deliver);
                        panic!("seed {seed} with {pairs} pairs, {deliver:?}, breaks {broken}");
                    }
                    let count = |counter: &AtomicU64, it: bool| {
                        counter.fetch_add(u64::from(it), Ordering::Relaxed);
                    };
                    let reads = run.reads();
                    count(&telling, run.is_telling());
                    count(&availability, 0 < reads.availability);
                    count(&subscriptions, 0 < reads.subscriptions);
                    let tended = run.tended();
                    count(&homecomings, 0 < tended.homecomings);
                    count(&left, 0 < tended.left);
                    count(&drained, 0 < tended.drained);
                    count(&moved, 0 < tended.moved);
                }
            });
        }
    });
    // A run in which nobody took over, or nothing was under way, proves nothing.
    let (telling, count) = (telling.into_inner(), seeds.end - seeds.start);
    assert!(
        count * 9 <= telling * 10,
        "{telling} of {count} runs prove something"
    );
    // In a quarter of the runs people close their streams, and these reads are not judged.
    for (what, reads) in [
        ("availability", availability),
        ("subscriptions", subscriptions),
    ] {
        let judged = reads.into_inner();
        assert!(
            count * 3 <= judged * 5,
            "{what} was read in {judged} of {count} runs"
        );
    }
    // In a third of the runs users may go home; in a half services fail and nodes are drained.
    let of_many = count.saturating_sub(10);
    for (what, of_runs) in [
        ("users went home by themselves", homecomings),
        ("users left a node for its services", left),
        ("nodes were drained", drained),
        ("users were moved", moved),
    ] {
        let found = of_runs.into_inner();
        assert!(of_many <= found * 10, "{what} in {found} of {count} runs");
    }
}

fn is_a_trace(pairs: usize, seed: u64) {
    let plan = PairPlan::of(pairs);
    let (one, other) = (run(seed, plan), run(seed, plan));
    assert!(one.history.entries.len() > 1_000);
    assert_eq!(one.history, other.history, "seed {seed}");
}

#[test]
fn a_pair_keeps_its_promises() {
    keep_their_promises(PairPlan::of(1), 0..160);
}

#[test]
fn two_pairs_keep_their_promises() {
    keep_their_promises(PairPlan::of(2), 0..60);
}

/// `deliver = early`: nothing is lost, and nothing comes again before something went wrong.
#[test]
fn pairs_that_write_early_lose_nothing() {
    for (pairs, seeds) in [(1, 1_000..1_060), (2, 1_000..1_020)] {
        let plan = PairPlan {
            deliver: Deliver::Early,
            ..PairPlan::of(pairs)
        };
        keep_their_promises(plan, seeds);
    }
    // A message on its way with a place of the receiver's older stream was overtaken.
    let plan = PairPlan {
        deliver: Deliver::Early,
        ..PairPlan::of(1)
    };
    for seed in [72_061, 72_178] {
        keep_their_promises(plan, seed..seed + 1);
    }
}

/// The resumption time passes: few seeds, each of five minutes.
#[test]
fn a_client_that_is_gone_is_said_to_be_so_once() {
    for (pairs, seed) in [(1, 1), (1, 2), (2, 3)] {
        let plan = PairPlan {
            outlives: true,
            ..PairPlan::of(pairs)
        };
        let run = run(seed, plan);
        let judged = run.check();
        assert!(judged.is_ok(), "seed {seed} with {pairs} pairs: {judged:?}");
        let gone = |entry: &Entry| matches!(entry.fact, Fact::Gone { .. });
        assert!(run.history.entries.iter().any(gone), "nobody vanished");
    }
}

#[test]
fn a_seed_of_pairs_is_a_trace() {
    for seed in [7, 4_711] {
        is_a_trace(1, seed);
    }
    is_a_trace(2, 4_711);
}
