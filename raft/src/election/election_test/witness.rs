//! When a witness campaigns, and how it hands over.

use super::*;

#[test]
fn the_witness_campaigns_only_when_its_log_is_longer_than_the_surviving_twins() {
    let with = |index| Beat {
        last_log: log(index),
        ..beat()
    };
    let stuck = Beat {
        flush_pending_ms: 1_001,
        ..with(11)
    };
    for (heard, asks) in [
        (vec![], false),
        (vec![(B, with(9))], true),
        (vec![(B, with(10))], false),
        (vec![(B, with(9)), (A, with(10))], false),
        (vec![(B, with(9)), (A, stuck)], true),
        (
            vec![(
                B,
                Beat {
                    able: false,
                    ..with(10)
                },
            )],
            false,
        ),
    ] {
        let mut play = Play::new(W);
        for (from, beat) in &heard {
            play.hear(LATER, *from, *beat);
        }
        assert_eq!(asked(&play.tick(LATER)).is_some(), asks, "{heard:?}");
    }
}

/// The witness leads and B lives, but lacks entries.
fn witness_leads() -> Play {
    let mut play = Play::elected(W, LATER);
    play.facts.matched = BTreeMap::from([(B, 9)]);
    play.echo(LATER + PATIENCE, B, LATER + PATIENCE);
    play
}

#[test]
fn a_witness_stops_taking_proposals_lets_the_twin_match_and_tells_it_to_elect() {
    let mut play = witness_leads();
    play.echo(LATER + PATIENCE - 1, B, LATER + PATIENCE - 1);
    assert_eq!(play.tick(LATER + PATIENCE - 1), []);
    assert_eq!(play.tick(LATER + PATIENCE), [Act::StopProposals]);
    assert_eq!(play.tick(LATER + PATIENCE + 25), []);
    play.facts.matched.insert(B, 10);
    let told = HandOver {
        term: 1,
        last_log: log(10),
    };
    assert_eq!(play.tick(LATER + PATIENCE + 50), [Act::HandOver(B, told)]);
    // The leadership ends, and what was stopped goes on with the next.
    play.facts = Facts { term: 2, ..facts() };
    play.hear(
        LATER + PATIENCE + 60,
        B,
        Beat {
            term: 2,
            ..leaders_beat()
        },
    );
    assert_eq!(play.tick(LATER + PATIENCE + 75), [Act::ResumeProposals]);
}

#[test]
fn a_handover_that_does_not_come_about_ends() {
    let mut play = witness_leads();
    play.facts.quorum_answered_ago = Some(ms(0));
    let begin = LATER + PATIENCE;
    play.tick(begin);
    for at in (begin..begin + 1_000).step_by(100) {
        play.echo(at, B, at);
        assert_eq!(play.tick(at), []);
    }
    play.echo(begin + 1_000, B, begin + 1_000);
    assert_eq!(play.tick(begin + 1_000), [Act::ResumeProposals]);
    play.facts.matched.insert(B, 10);
    let begin = begin + 1_000 + PATIENCE;
    play.echo(begin, B, begin);
    assert_eq!(play.tick(begin), [Act::StopProposals]);
    assert!(matches!(play.tick(begin)[..], [Act::HandOver(B, _)]));
    play.echo(begin + 300, B, begin + 300);
    assert_eq!(play.tick(begin + 300), [Act::ResumeProposals]);
}

#[test]
fn only_voters_that_were_told_of_the_handover_by_the_leader_may_vote_in_spite_of_it() {
    let mut play = witness_leads();
    play.facts.matched.insert(B, 10);
    let at = LATER + PATIENCE;
    play.election.note_lease_granted(ms(at));
    assert_eq!(play.tick(at).len() + play.tick(at).len(), 2);
    for (later, candidate, term, votes) in [
        (0, B, 2, true),
        (299, B, 2, true),
        (300, B, 2, false),
        (0, A, 2, false),
        (0, B, 3, false),
        (0, B, 1, false),
    ] {
        assert_eq!(
            play.votes(at + later, candidate, term),
            votes,
            "{later} {candidate} {term}"
        );
    }
    assert!(!play.election.may_vote(ms(at), &play.facts, B, 2, log(9)));
}

#[test]
fn the_twin_then_elects_at_once_and_waits_with_takeovers() {
    let told = HandOver {
        term: 1,
        last_log: log(10),
    };
    let mut play = Play::new(B);
    play.hear(LATER, W, leaders_beat());
    let acts = play
        .election
        .take_hand_over(ms(LATER), &play.facts, W, told);
    assert_eq!(acts, [Act::Elect]);
    play.facts = Facts {
        term: 2,
        ..leading()
    };
    play.tick(LATER + 20);
    assert!(!play.election.may_take_over(ms(LATER + 20 + PATIENCE - 1)));
    assert!(play.election.may_take_over(ms(LATER + 20 + PATIENCE)));
}

#[test]
fn a_handover_that_does_not_fit_is_not_taken() {
    let told = HandOver {
        term: 1,
        last_log: log(10),
    };
    let other_term = HandOver { term: 2, ..told };
    let longer = HandOver {
        last_log: log(11),
        ..told
    };
    for (from, told, at, taken) in [
        (W, told, LATER, true),
        (W, told, PATIENCE - 1, false),
        (W, other_term, LATER, false),
        (W, longer, LATER, false),
        (voter(3, 0), told, LATER, false),
    ] {
        let mut play = Play::new(B);
        let acts = play
            .election
            .take_hand_over(ms(at), &play.facts, from, told);
        assert_eq!(!acts.is_empty(), taken, "{from} {told:?} {at}");
    }
}
