//! When a voter campaigns.

use super::*;

#[test]
fn on_silence_alone_it_asks_the_others() {
    let mut play = Play::new(B);
    play.hear(LATER, A, leaders_beat());
    assert_eq!(play.tick(LATER + PATIENCE - 1), []);
    let acts = play.tick(LATER + PATIENCE);
    let question = Question::WouldYouElect {
        round: 1,
        last_log: log(10),
    };
    assert_eq!(acts, [Act::Ask(A, question), Act::Ask(W, question)]);
}

#[test]
fn entries_of_a_leader_break_the_silence_too() {
    let mut play = Play::new(B);
    play.election.note_entries(ms(LATER), A, 1);
    assert_eq!(play.tick(LATER + PATIENCE - 1), []);
    // Not those of a leader whose term is over.
    play.facts.term = 2;
    play.tick(LATER + PATIENCE - 1);
    play.election.note_entries(ms(LATER + PATIENCE - 1), A, 1);
    assert_ne!(play.tick(LATER + PATIENCE), []);
}

#[test]
fn a_beat_counts_as_the_leaders_voice_only_if_it_is_confirmed_and_its_disk_writes() {
    let stuck = Beat {
        flush_pending_ms: 1_001,
        ..leaders_beat()
    };
    let slow = Beat {
        flush_pending_ms: 1_000,
        ..leaders_beat()
    };
    let unconfirmed = Beat {
        confirmed: false,
        ..leaders_beat()
    };
    let past = Beat {
        term: 0,
        ..leaders_beat()
    };
    for (heard, counts) in [
        (leaders_beat(), true),
        (slow, true),
        (stuck, false),
        (unconfirmed, false),
        (past, false),
        (beat(), false),
    ] {
        let mut play = Play::new(B);
        play.hear(LATER, A, heard);
        assert_eq!(play.tick(LATER).is_empty(), counts, "{heard:?}");
    }
}

#[test]
fn with_a_majoritys_yes_itself_included_it_elects() {
    let mut play = Play::new(B);
    assert_eq!(play.ask_and_win(LATER, W), [Act::Elect]);
    // A second yes elects no second time.
    let again = Answer {
        round: 1,
        refusal: None,
    };
    assert_eq!(
        play.election.take_answer(ms(LATER), &play.facts, A, again),
        []
    );
}

#[test]
fn a_no_a_stale_yes_and_a_strangers_yes_do_not_count() {
    let mut play = Play::new(B);
    let round = asked(&play.tick(LATER)).expect("it asks");
    let no = Answer {
        round,
        refusal: Some(Refusal::HearsLeader),
    };
    let stale = Answer {
        round: round + 1,
        refusal: None,
    };
    let yes = Answer {
        round,
        refusal: None,
    };
    for (from, answer) in [(W, no), (W, stale), (voter(1, 0), yes)] {
        assert_eq!(
            play.election
                .take_answer(ms(LATER), &play.facts, from, answer),
            []
        );
    }
    // Nor does a yes that comes after a leader was heard.
    play.hear(LATER, A, leaders_beat());
    assert_eq!(
        play.election.take_answer(ms(LATER), &play.facts, W, yes),
        []
    );
}

#[test]
fn failed_attempts_back_off_with_the_dice() {
    let ask_again = |dice| {
        let mut play = Play::new(B);
        let mut times = Vec::new();
        for at in (LATER..LATER + 2_000).step_by(5) {
            let acts = play.election.tick(ms(at), &play.facts, &play.voters, dice);
            times.extend(asked(&acts).map(|_| at - LATER));
        }
        times
    };
    // 100 ms for the answers, 50 at least between the rounds.
    assert_eq!(ask_again(0)[..3], [0, 150, 300]);
    // The dice's share grows with the failures: at most a lease, then two.
    assert_eq!(ask_again(599_999)[..3], [0, 450, 1_200]);
}

#[test]
fn a_single_voter_elects_itself_at_once() {
    let mut play = Play::new(A);
    play.voters = BTreeMap::from([(A, Role::Twin)]);
    play.election = Election::new(A, Timing::DEFAULT, ms(LATER));
    assert_eq!(play.tick(LATER), [Act::Elect]);
    assert_eq!(play.tick(LATER + 25), []);
    play.facts.leads = true;
    assert!(play.said_beat(LATER + 50).confirmed);
    assert_eq!(play.tick(LATER + 5_000), []);
}

#[test]
fn an_election_that_waits_for_slow_flushes_is_not_begun_again() {
    let mut play = Play::new(B);
    assert_eq!(play.ask_and_win(LATER, W), [Act::Elect]);
    play.facts.flush_pending_for = Some(ms(900));
    for at in [300, 1_000, 1_999] {
        assert_eq!(play.tick(LATER + at), [], "{at}");
    }
    play.facts.flush_pending_for = None;
    assert!(asked(&play.tick(LATER + 1_999)).is_some());
}
