//! What goes wrong in a run, each with its healing, as the seed decides. Faults of the network come
//! one after another; those of processes, disks and clocks may overlap them.

use super::plan::{SEATS, node_seat, pair_at};
use crate::client::Seed;

/// One thing that goes wrong. A number is a seat; where it says so, a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Crash(usize),
    /// All three of a pair at once.
    PowerCut(usize),
    /// All pairs at once.
    Blackout,
    /// The process stands still and its machine does not: what was about to happen happens when it
    /// goes on, with its clock leapt forward, or never, when it is killed as it stands.
    Paused(usize),
    /// Nothing comes or goes; then everything at once. The process runs on.
    Frozen(usize),
    /// A partition from everyone.
    Isolated(usize),
    /// What one node says to another is lost; the answers are not.
    OneWay(usize, usize),
    /// A node loses the others, and has its clients still.
    NodeApart(usize),
    /// The twins of a pair lose each other; both see the witness.
    TwinsApart(usize),
    /// Clients lose a node; the nodes have each other.
    ClientsApart(usize),
    /// All that a node hears and says is late.
    Delayed(usize),
    /// What the twins of a pair say to each other is late.
    TwinsDelayed(usize),
    /// The wires of a node lose packets, which are sent again.
    Lossy(usize),
    /// The wall clock of a machine is an hour off, for a while or for good.
    WallJump(usize),
    SlowDisk(usize),
    StuckDisk(usize),
    /// The pairs lose each other; each is whole.
    PairsApart,
    /// What one pair says to the other is lost; the answers are not.
    PairsOneWay(usize),
    /// Nothing comes from pair to pair; then everything at once.
    PairsFrozen,
    /// The port for clients of a node takes nobody: somebody else has it.
    PortTaken(usize),
    /// The same of both nodes of a pair.
    PortsTaken(usize),
    /// An operator stops it.
    PortStopped(usize),
    /// An operator empties a node, and takes that back.
    Drained(usize),
}

/// What the world does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin(Fault),
    /// A crashed node comes back.
    Restart(usize),
    Heal(Fault),
}

/// Faults of one kind come one after another.
#[derive(Debug, Clone, Copy)]
enum Lane {
    Process = 0,
    Network = 1,
    Disk = 2,
    Clock = 3,
}

/// Steps with their virtual milliseconds after the beginning, in order.
pub fn schedule(dice: &mut Seed, pairs: usize, count: u64, is_tended: bool) -> Vec<(u64, Step)> {
    let mut steps = Vec::new();
    let mut free = [0; 4];
    let mut cursor = 100 + dice.below(900);
    for _ in 0..count {
        let (fault, lane) = draw(dice, pairs);
        let at = cursor.max(free[lane as usize]);
        let end = plan(dice, pairs, fault, at, &mut steps);
        free[lane as usize] = end + 50;
        cursor = at + 200 + dice.below(2_500);
    }
    if is_tended {
        let mut cursor = dice.below(3_000);
        for _ in 0..count.div_ceil(3) {
            let fault = draw_of_services(dice, pairs);
            cursor = plan(dice, pairs, fault, cursor, &mut steps) + 50 + dice.below(2_000);
        }
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}

fn draw(dice: &mut Seed, pairs: usize) -> (Fault, Lane) {
    let seats = pairs * SEATS;
    let any = dice.below(seats as u64) as usize;
    let pair = pair_at(any);
    let twin = node_seat(pair, dice.below(2) as usize);
    // What only two pairs can suffer comes behind.
    let kinds = if pairs == 1 { 140 } else { 170 };
    match dice.below(kinds) {
        0..=29 => (Fault::Crash(twin), Lane::Process),
        30..=35 => (Fault::Crash(node_seat(pair, 2)), Lane::Process),
        36..=40 => (Fault::PowerCut(pair), Lane::Process),
        41..=52 => (Fault::Frozen(any), Lane::Network),
        53..=59 => (Fault::Isolated(any), Lane::Network),
        60..=68 => (Fault::NodeApart(twin), Lane::Network),
        69..=75 => {
            let to = (any + 1 + dice.below(seats as u64 - 1) as usize) % seats;
            (Fault::OneWay(any, to), Lane::Network)
        }
        76..=80 => (Fault::TwinsApart(pair), Lane::Network),
        81..=86 => (Fault::ClientsApart(twin), Lane::Network),
        87..=93 => (Fault::SlowDisk(any), Lane::Disk),
        94..=99 => (Fault::StuckDisk(any), Lane::Disk),
        100..=117 => (Fault::Paused(any), Lane::Process),
        118..=124 => (Fault::Delayed(any), Lane::Network),
        125..=128 => (Fault::TwinsDelayed(pair), Lane::Network),
        129..=135 => (Fault::Lossy(any), Lane::Network),
        136..=139 => (Fault::WallJump(any), Lane::Clock),
        140..=149 => (Fault::PairsApart, Lane::Network),
        150..=157 => (Fault::PairsOneWay(pair), Lane::Network),
        158..=165 => (Fault::PairsFrozen, Lane::Network),
        _ => (Fault::Blackout, Lane::Process),
    }
}

/// What an operator does, and what befalls a part of a node.
fn draw_of_services(dice: &mut Seed, pairs: usize) -> Fault {
    let pair = dice.below(pairs as u64) as usize;
    let twin = node_seat(pair, dice.below(2) as usize);
    match dice.below(10) {
        0..=2 => Fault::PortTaken(twin),
        3 => Fault::PortsTaken(pair),
        4..=5 => Fault::PortStopped(twin),
        _ => Fault::Drained(twin),
    }
}

/// Puts down what happens, and returns when it is over.
fn plan(dice: &mut Seed, pairs: usize, fault: Fault, at: u64, steps: &mut Vec<(u64, Step)>) -> u64 {
    steps.push((at, Step::Begin(fault)));
    match fault {
        Fault::Crash(seat) => {
            let mut back = at + down(dice);
            steps.push((back, Step::Restart(seat)));
            if dice.below(4) == 0 {
                // Again, before the first client has resumed.
                let again = back + 5 + dice.below(300);
                steps.push((again, Step::Begin(fault)));
                back = again + down(dice);
                steps.push((back, Step::Restart(seat)));
            }
            back
        }
        Fault::PowerCut(pair) => all_back(dice, pair * SEATS..(pair + 1) * SEATS, at, steps),
        Fault::Blackout => all_back(dice, 0..pairs * SEATS, at, steps),
        Fault::Paused(seat) => {
            let end = at + stillness(dice);
            if dice.below(5) != 0 {
                steps.push((end, Step::Heal(fault)));
                return end;
            }
            // Killed as it stands.
            steps.push((end, Step::Begin(Fault::Crash(seat))));
            all_back(dice, seat..seat + 1, end, steps)
        }
        Fault::StuckDisk(_) => at + 6_000,
        Fault::WallJump(_) => {
            let end = at + 100 + dice.below(3_000);
            if dice.below(2) == 0 {
                steps.push((end, Step::Heal(fault)));
            }
            end
        }
        // Longer than a group waits for another's answer, too.
        Fault::PairsApart | Fault::PairsOneWay(_) | Fault::PairsFrozen => {
            let end = at + 100 + dice.below(8_000);
            steps.push((end, Step::Heal(fault)));
            end
        }
        // Longer than it takes until the users are with the twin; now and then shorter.
        Fault::PortTaken(_) | Fault::PortsTaken(_) | Fault::PortStopped(_) => {
            let end = at + 500 + dice.below(7_500);
            steps.push((end, Step::Heal(fault)));
            end
        }
        Fault::Drained(seat) => {
            let end = at + 200 + dice.below(6_000);
            steps.push((end, Step::Heal(fault)));
            if dice.below(3) == 0 {
                // While its users leave.
                let kill = at + 20 + dice.below(600);
                steps.push((kill, Step::Begin(Fault::Crash(seat))));
                return end.max(all_back(dice, seat..seat + 1, kill, steps));
            }
            end
        }
        _ => {
            let end = at + 100 + dice.below(3_000);
            steps.push((end, Step::Heal(fault)));
            end
        }
    }
}

/// Restarts these, each after its time; returns when the last is there.
fn all_back(
    dice: &mut Seed,
    seats: std::ops::Range<usize>,
    at: u64,
    steps: &mut Vec<(u64, Step)>,
) -> u64 {
    let mut last = at;
    for seat in seats {
        let back = at + down(dice);
        steps.push((back, Step::Restart(seat)));
        last = last.max(back);
    }
    last
}

/// How long a process stands still: mostly longer than a lease, so that another takes over; now and
/// then for a moment that nobody notices, and now and then longer than a session waits for its
/// client and a stream for its lease.
fn stillness(dice: &mut Seed) -> u64 {
    match dice.below(8) {
        0 => 20,
        1 => 5_000 + dice.below(1_000),
        _ => 100 + dice.below(2_400),
    }
}

/// How long a process is away: often no longer than a supervisor takes.
fn down(dice: &mut Seed) -> u64 {
    match dice.below(2) {
        0 => 5 + dice.below(200),
        _ => 200 + dice.below(3_000),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The name of a fault without its places.
    fn kind(fault: Fault) -> String {
        let name = format!("{fault:?}");
        name.split('(').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn every_kind_of_fault_comes_and_all_but_clocks_are_healed() {
        for (pairs, all) in [(1, 19), (2, 23)] {
            let (mut kinds, mut open) = (BTreeSet::new(), BTreeSet::new());
            for seed in 0..400 {
                let mut begun: Vec<Fault> = Vec::new();
                for (_, step) in schedule(&mut Seed::new(seed), pairs, 8, true) {
                    match step {
                        Step::Begin(fault) => begun.push(fault),
                        Step::Heal(fault) => begun.retain(|other| *other != fault),
                        Step::Restart(seat) => begun.retain(|fault| match fault {
                            Fault::Crash(at) | Fault::Paused(at) => *at != seat,
                            Fault::PowerCut(pair) => *pair != pair_at(seat),
                            Fault::Blackout => false,
                            _ => true,
                        }),
                    }
                    kinds.extend(begun.last().copied().map(kind));
                }
                open.extend(begun.into_iter().map(kind));
            }
            assert_eq!(kinds.len(), all, "{kinds:?}");
            // A stuck disk heals itself.
            let left: Vec<&str> = open.iter().map(String::as_str).collect();
            assert_eq!(left, ["StuckDisk", "WallJump"]);
        }
    }

    #[test]
    fn a_process_stands_still_for_a_moment_for_a_while_and_until_it_is_killed() {
        let (mut lengths, mut killed) = (Vec::new(), 0);
        for seed in 0..400 {
            let steps = schedule(&mut Seed::new(seed), 1, 8, false);
            for (at, step) in &steps {
                let Step::Begin(Fault::Paused(seat)) = *step else {
                    continue;
                };
                let heals = Step::Heal(Fault::Paused(seat));
                let kills = Step::Begin(Fault::Crash(seat));
                let is_end =
                    |(end, step): &&(u64, Step)| at <= end && (*step == heals || *step == kills);
                let (end, how) = steps.iter().find(is_end).expect("it ends");
                lengths.push(end - at);
                killed += usize::from(*how == kills);
            }
        }
        assert!(lengths.contains(&20) && lengths.iter().any(|length| 5_000 < *length));
        assert!(lengths.iter().all(|length| (20..=6_000).contains(length)));
        assert!(0 < killed && killed < lengths.len() / 2, "{killed}");
    }
}
