//! What a leader does beside leading.

use super::*;

#[test]
fn a_leader_that_was_restarted_proposes_no_takeover_and_is_not_confirmed() {
    let mut play = Play::new(A);
    play.election = Election::new(A, Timing::DEFAULT, ms(LATER));
    play.facts = leading();
    assert!(!play.said_beat(LATER).confirmed);
    assert!(!play.election.may_take_over(ms(LATER + PATIENCE - 1)));
    assert!(play.election.may_take_over(ms(LATER + PATIENCE)));
    play.echo(LATER + 40, W, LATER);
    assert!(play.said_beat(LATER + 50).confirmed);
}

#[test]
fn after_an_ordinary_election_takeovers_may_be_proposed_at_once() {
    let mut play = Play::elected(A, LATER);
    assert!(play.election.may_take_over(ms(LATER)));
    play.facts = facts();
    play.tick(LATER + 1);
    assert!(!play.election.may_take_over(ms(LATER + 1)));
}

#[test]
fn a_leader_is_confirmed_by_a_quorum_that_hears_it() {
    let mut play = Play::elected(A, LATER);
    assert!(play.said_beat(LATER + 290).confirmed);
    assert!(!play.said_beat(LATER + 350).confirmed);
    play.echo(LATER + 390, W, LATER + 340);
    assert!(play.said_beat(LATER + 400).confirmed);
    // What was heard before the beat of another term, or comes from the future, confirms nothing.
    let mut play = Play::elected(A, LATER);
    let sees = Some(Sight {
        leader: A,
        term: 0,
        stamp_ms: LATER + 340,
    });
    play.hear(LATER + 390, W, Beat { sees, ..beat() });
    play.echo(LATER + 390, B, LATER + 500);
    assert!(!play.said_beat(LATER + 400).confirmed);
}

#[test]
fn a_leader_whose_own_flush_is_stuck_does_not_go_on_looking_alive() {
    for (pending, confirmed) in [(900, true), (1_000, true), (1_001, false)] {
        let mut play = Play::elected(A, LATER);
        play.facts.flush_pending_for = Some(ms(pending));
        let said = play.said_beat(LATER + 100);
        assert_eq!(said.confirmed, confirmed, "{pending}");
        assert_eq!(u64::from(said.flush_pending_ms), pending);
    }
}

#[test]
fn a_leader_without_a_quorums_answer_for_one_lease_turns_its_heartbeats_off_and_on_again() {
    let mut play = Play::elected(A, LATER);
    assert_eq!(play.tick(LATER + 299), []);
    assert_eq!(play.tick(LATER + 300), [Act::HeartbeatsOff]);
    assert_eq!(play.tick(LATER + 400), []);
    play.echo(LATER + 410, W, LATER + 400);
    assert_eq!(play.tick(LATER + 425), [Act::HeartbeatsOn]);
    assert_eq!(play.tick(LATER + 800), [Act::HeartbeatsOff]);
    play.facts = facts();
    assert_eq!(play.tick(LATER + 801)[..1], [Act::HeartbeatsOn]);
}

/// A beat that answers the one that A said, as leader of term 1, at `said`.
fn answering(said: u64) -> Beat {
    let sees = Sight {
        leader: A,
        term: 1,
        stamp_ms: said,
    };
    Beat {
        sees: Some(sees),
        ..beat()
    }
}

#[test]
fn entries_may_reach_the_witness_late_while_a_twin_that_keeps_up_makes_the_majority() {
    let prompt = answering(LATER);
    let flushing = |flush_pending_ms| Beat {
        flush_pending_ms,
        ..prompt
    };
    let unable = Beat {
        able: false,
        ..prompt
    };
    let other_term = Beat {
        sees: prompt.sees.map(|sight| Sight { term: 0, ..sight }),
        ..prompt
    };
    for (name, heard, matched, lag) in [
        ("it has all", prompt, 100, Some(W)),
        ("two are under way", prompt, 98, Some(W)),
        ("it lacks three", prompt, 97, None),
        ("its flush takes its time", flushing(20), 100, Some(W)),
        ("its disk is slow", flushing(21), 100, None),
        ("it has just been started", unable, 100, None),
        ("it answers another leadership", other_term, 100, None),
        ("it answers nothing", beat(), 100, None),
        ("the way to it is long", answering(LATER - 120), 100, None),
    ] {
        let mut play = Play::elected(A, LATER);
        play.facts.last_log = log(100);
        play.facts.matched.insert(B, matched);
        play.hear(LATER + 10, B, heard);
        play.hear(LATER + 10, W, beat());
        let found = |play: &Play, at| play.election.may_lag(ms(at), &play.facts);
        assert_eq!(found(&play, LATER + 30), lag, "{name}");
        assert_eq!(
            found(&play, LATER + 150),
            None,
            "{name}: not answered since"
        );
    }
}

#[test]
fn no_other_voter_gets_entries_late_and_nobody_does_but_of_a_leader_among_three() {
    let prompt = answering(LATER);
    let mut play = Play::new(A);
    play.hear(LATER, B, prompt);
    assert_eq!(play.election.may_lag(ms(LATER), &facts()), None);
    let mut play = Play::elected(W, LATER);
    play.echo(LATER, B, LATER);
    assert_eq!(play.election.may_lag(ms(LATER), &leading()), None);
    let mut play = Play::elected(A, LATER);
    play.hear(LATER + 1, B, prompt);
    assert_eq!(play.election.may_lag(ms(LATER + 1), &leading()), Some(W));
    play.voters.insert(voter(4, 1), Role::Twin);
    play.tick(LATER + 1);
    assert_eq!(play.election.may_lag(ms(LATER + 1), &leading()), None);
}
