//! Elections and leases together, driven against a model of the log's core through everything that
//! can go wrong, from a seed. The faults that the rules are there for are planted in the shell, to
//! see that this would find them.

mod cluster;
mod core;
mod faults;
mod node;
mod rng;

use cluster::{Cluster, Seen, Violation};
use faults::{Plan, anything, deaf, deaf_and_slow, slight_slowness, slowness, through_the_witness};
use rng::Rng;

/// What a shell could do wrong. Each takes away what one rule stands on.
#[derive(Debug, Clone, Copy, Default)]
struct Planted {
    /// Votes whatever was promised.
    no_vote_refusal: bool,
    /// Counts a lease from the answer, not from the request.
    until_from_answer: bool,
    /// Proposes a takeover before the last grant has run out.
    takeover_early: bool,
    /// Does not ask `may_take_over`.
    takes_over_at_once: bool,
    /// Does not tell `Election` that the process has just begun.
    forgets_restart: bool,
    /// Answers an earlier leader while a vote for another is in the core.
    no_guard: bool,
    /// Applies what a leader decided though another has written it.
    decisions_outlive_the_lead: bool,
}

/// Seeds of everything at once, and of each of the narrower plans.
const SEEDS: u64 = 600;
const SEEDS_NARROW: u64 = 300;
/// A planted fault is found within so many.
const SEEDS_PLANTED_MAX: u64 = 3_000;

fn run(seed: u64, plan: fn(&mut Rng) -> Plan, planted: Planted) -> Result<Seen, Violation> {
    Cluster::new(seed, plan, planted).run()
}

/// Runs the seeds and returns what was seen in all of them.
#[track_caller]
fn check(seeds: u64, plan: fn(&mut Rng) -> Plan) -> Seen {
    let mut sum = Seen::default();
    for seed in 0..seeds {
        match run(seed, plan, Planted::default()) {
            Ok(seen) => {
                sum.elections += seen.elections;
                sum.handovers += seen.handovers;
                sum.takeovers += seen.takeovers;
            }
            Err(violation) => panic!("seed {seed}: {violation:?}"),
        }
    }
    eprintln!("{seeds} seeds: {sum:?}");
    sum
}

#[test]
fn whatever_happens_one_node_serves_a_home_and_the_cluster_becomes_whole() {
    let seen = check(SEEDS, anything);
    assert!(SEEDS / 2 < seen.takeovers, "{seen:?}");
    assert!(SEEDS < seen.elections, "{seen:?}");
}

#[test]
fn slow_flushes_and_delays_cause_no_election() {
    check(SEEDS_NARROW, slowness);
}

#[test]
fn flushes_that_are_slow_but_not_near_a_second_cause_no_takeover_either() {
    check(SEEDS_NARROW, slight_slowness);
}

#[test]
fn a_witness_hands_over_while_leases_run() {
    let seen = check(SEEDS_NARROW, through_the_witness);
    assert!(SEEDS_NARROW / 10 < seen.handovers, "{seen:?}");
}

#[test]
fn a_voter_that_does_not_hear_the_leader_deposes_it_not_even_by_restarts() {
    check(SEEDS_NARROW, deaf);
}

#[test]
fn votes_and_entries_that_wait_for_slow_disks_pass_each_other_harmlessly() {
    check(SEEDS_NARROW, deaf_and_slow);
}

/// Some seed shows two nodes that hold the lease of one home at the same moment.
#[track_caller]
fn finds_two_holders(plan: fn(&mut Rng) -> Plan, planted: Planted) {
    finds_two_holders_from(0, plan, planted);
}

/// Begins where a search would come to after a while.
#[track_caller]
fn finds_two_holders_from(first: u64, plan: fn(&mut Rng) -> Plan, planted: Planted) {
    let found = (first..first + SEEDS_PLANTED_MAX).any(|seed| {
        let outcome = run(seed, plan, planted);
        matches!(outcome, Err(Violation::TwoHolders { .. }))
    });
    assert!(found, "{planted:?} is not found");
}

#[test]
fn it_is_seen_when_a_voter_does_not_refuse_its_vote() {
    let planted = Planted {
        no_vote_refusal: true,
        ..Planted::default()
    };
    finds_two_holders(deaf, planted);
}

#[test]
fn it_is_seen_when_a_lease_counts_from_the_answer() {
    let planted = Planted {
        until_from_answer: true,
        ..Planted::default()
    };
    finds_two_holders(anything, planted);
}

#[test]
fn it_is_seen_when_a_takeover_does_not_wait_for_the_last_grant() {
    let planted = Planted {
        takeover_early: true,
        ..Planted::default()
    };
    finds_two_holders(anything, planted);
}

#[test]
fn it_is_seen_when_a_takeover_follows_a_handover_at_once() {
    let planted = Planted {
        takes_over_at_once: true,
        ..Planted::default()
    };
    finds_two_holders(through_the_witness, planted);
}

#[test]
fn it_is_seen_when_a_voter_forgets_that_it_was_restarted() {
    let planted = Planted {
        forgets_restart: true,
        ..Planted::default()
    };
    finds_two_holders(deaf, planted);
}

#[test]
fn it_is_seen_when_an_earlier_leader_is_answered_while_a_vote_waits_in_the_core() {
    let planted = Planted {
        no_guard: true,
        ..Planted::default()
    };
    finds_two_holders_from(2_400, deaf_and_slow, planted);
}

#[test]
fn it_is_seen_when_another_leader_carries_out_a_decision() {
    let planted = Planted {
        decisions_outlive_the_lead: true,
        ..Planted::default()
    };
    finds_two_holders_from(400, deaf_and_slow, planted);
}
