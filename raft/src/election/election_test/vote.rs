//! Whom a voter would elect, and whom it may vote for.

use super::*;

#[test]
fn each_says_yes_only_if_it_hears_no_leader_and_the_askers_log_is_at_least_its_own() {
    for (index, heard, refusal) in [
        (10, None, None),
        (11, None, None),
        (9, None, Some(Refusal::LongerLog)),
        (10, Some(LATER - PATIENCE), None),
        (10, Some(LATER - PATIENCE + 1), Some(Refusal::HearsLeader)),
    ] {
        let mut play = Play::new(W);
        if let Some(at) = heard {
            play.hear(at, A, leaders_beat());
        }
        assert_eq!(
            play.refusal(LATER, B, log(index)),
            refusal,
            "{index} {heard:?}"
        );
    }
}

#[test]
fn of_two_that_ask_one_goes_first() {
    let mut play = Play::new(A);
    assert!(asked(&play.tick(LATER)).is_some());
    assert_eq!(play.refusal(LATER, B, log(10)), None);
    let mut play = Play::new(B);
    assert!(asked(&play.tick(LATER)).is_some());
    assert_eq!(play.refusal(LATER, A, log(10)), Some(Refusal::GoesFirst));
    assert_eq!(play.refusal(LATER, A, log(11)), None);
    let mut play = Play::new(B);
    assert_eq!(play.refusal(LATER, A, log(10)), None);
    assert_eq!(play.tick(LATER + 99), []);
    assert!(asked(&play.tick(LATER + 100)).is_some());
    let mut play = Play::new(W);
    assert_eq!(play.refusal(LATER, A, log(10)), None);
    assert_eq!(
        play.refusal(LATER + 99, B, log(10)),
        Some(Refusal::GoesFirst)
    );
    assert_eq!(play.refusal(LATER + 99, A, log(10)), None);
    assert_eq!(play.refusal(LATER + 199, B, log(10)), None);
}

#[test]
fn a_voter_refuses_its_vote_for_lease_and_a_tenth_after_it_last_heard_a_leader() {
    let mut play = Play::new(W);
    play.hear(LATER, A, leaders_beat());
    assert!(!play.votes(LATER + PATIENCE - 1, B, 2));
    assert!(play.votes(LATER + PATIENCE, B, 2));
    play.election.note_entries(ms(LATER + 500), A, 1);
    assert!(!play.votes(LATER + 500 + PATIENCE - 1, B, 2));
    assert!(play.votes(LATER + 500 + PATIENCE, B, 2));
}

#[test]
fn a_voter_refuses_its_vote_for_lease_and_a_tenth_after_it_last_granted_a_lease() {
    let mut play = Play::new(A);
    play.election.note_lease_granted(ms(LATER));
    assert!(!play.votes(LATER + PATIENCE - 1, B, 2));
    // Its own as well.
    assert_eq!(play.tick(LATER + PATIENCE - 1), []);
    assert!(play.votes(LATER + PATIENCE, B, 2));
    assert!(asked(&play.tick(LATER + PATIENCE)).is_some());
}

#[test]
fn a_leader_confirmed_within_one_lease_says_no() {
    let mut play = Play::elected(A, LATER);
    assert_eq!(play.refusal(LATER + 299, B, log(10)), Some(Refusal::Leads));
    assert!(!play.votes(LATER + 299, B, 2));
    assert!(play.votes(LATER + 300, B, 2));
    play.echo(LATER + 310, W, LATER + 250);
    assert!(!play.votes(LATER + 549, B, 2));
    assert!(play.votes(LATER + 550, B, 2));
    play.facts.quorum_answered_ago = Some(ms(299));
    assert!(!play.votes(LATER + 600, B, 2));
    play.facts.quorum_answered_ago = Some(ms(300));
    assert!(play.votes(LATER + 600, B, 2));
}

#[test]
fn a_leader_that_was_elected_since_the_last_tick_says_no() {
    let mut play = Play::new(A);
    play.facts = leading();
    assert!(!play.votes(LATER, B, 2));
}

#[test]
fn a_restarted_voter_grants_nothing_and_does_not_campaign() {
    let mut play = Play::new(B);
    play.election = Election::new(B, Timing::DEFAULT, ms(LATER));
    assert_eq!(play.tick(LATER + PATIENCE - 1), []);
    assert!(!play.votes(LATER + PATIENCE - 1, A, 2));
    assert_eq!(
        play.refusal(LATER + PATIENCE - 1, A, log(10)),
        Some(Refusal::JustStarted)
    );
    assert!(play.votes(LATER + PATIENCE, A, 2));
    assert!(asked(&play.tick(LATER + PATIENCE)).is_some());
}

#[test]
fn old_incarnations_of_a_node_are_strangers() {
    let mut play = Play::new(B);
    play.voters = BTreeMap::from([
        (voter(1, 2), Role::Twin),
        (B, Role::Twin),
        (W, Role::Witness),
    ]);
    play.tick(PATIENCE - 1);
    play.hear(LATER, A, leaders_beat());
    assert!(!play.election.alive(ms(LATER), A));
    assert!(!play.votes(LATER, A, 2));
    assert_eq!(play.refusal(LATER, A, log(10)), Some(Refusal::Stranger));
    // Our own log may lag behind the membership, so that a newer one is none.
    assert!(play.votes(LATER, voter(1, 3), 2));
}

#[test]
fn a_voter_whose_disk_has_stopped_neither_votes_nor_campaigns() {
    let mut play = Play::new(B);
    play.facts.flush_pending_for = Some(ms(1_001));
    assert_eq!(play.tick(LATER), []);
    assert!(!play.votes(LATER, A, 2));
    assert_eq!(play.refusal(LATER, A, log(10)), Some(Refusal::DiskStopped));
}
