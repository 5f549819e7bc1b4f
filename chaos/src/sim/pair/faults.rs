//! What goes wrong in a run, each with its healing, as the seed decides. Faults of the network come
//! one after another; those of processes and disks may overlap them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use turmoil::Sim;

use super::seat::{NAMES, Seat};
use crate::client::Seed;

/// One thing that goes wrong. A number is a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Crash(usize),
    /// All three at once.
    PowerCut,
    /// Nothing comes or goes; then everything at once.
    Frozen(usize),
    /// A partition from everyone.
    Isolated(usize),
    /// What one node says to another is lost; the answers are not.
    OneWay(usize, usize),
    /// A node loses the others, and has its clients still.
    NodeApart(usize),
    /// The twins lose each other; both see the witness.
    TwinsApart,
    /// Clients lose a node; the nodes have each other.
    ClientsApart(usize),
    SlowDisk(usize),
    StuckDisk(usize),
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
}

/// Steps with their virtual milliseconds after the beginning, in order.
pub fn schedule(dice: &mut Seed, count: u64) -> Vec<(u64, Step)> {
    let mut steps = Vec::new();
    let mut free = [0; 3];
    let mut cursor = 100 + dice.below(900);
    for _ in 0..count {
        let (fault, lane) = draw(dice);
        let at = cursor.max(free[lane as usize]);
        let end = plan(dice, fault, at, &mut steps);
        free[lane as usize] = end + 50;
        cursor = at + 200 + dice.below(2_500);
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}

fn draw(dice: &mut Seed) -> (Fault, Lane) {
    let any = dice.below(3) as usize;
    let twin = dice.below(2) as usize;
    match dice.below(100) {
        0..=29 => (Fault::Crash(twin), Lane::Process),
        30..=35 => (Fault::Crash(2), Lane::Process),
        36..=40 => (Fault::PowerCut, Lane::Process),
        41..=52 => (Fault::Frozen(any), Lane::Network),
        53..=59 => (Fault::Isolated(any), Lane::Network),
        60..=68 => (Fault::NodeApart(twin), Lane::Network),
        69..=75 => {
            let to = (any + 1 + dice.below(2) as usize) % 3;
            (Fault::OneWay(any, to), Lane::Network)
        }
        76..=80 => (Fault::TwinsApart, Lane::Network),
        81..=86 => (Fault::ClientsApart(twin), Lane::Network),
        87..=93 => (Fault::SlowDisk(any), Lane::Disk),
        _ => (Fault::StuckDisk(any), Lane::Disk),
    }
}

/// Puts down what happens, and returns when it is over.
fn plan(dice: &mut Seed, fault: Fault, at: u64, steps: &mut Vec<(u64, Step)>) -> u64 {
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
        Fault::PowerCut => {
            let backs = [0, 1, 2].map(|seat| (at + down(dice), seat));
            steps.extend(backs.map(|(back, seat)| (back, Step::Restart(seat))));
            backs.iter().map(|(back, _)| *back).max().unwrap_or(at)
        }
        Fault::StuckDisk(_) => at + 6_000,
        _ => {
            let end = at + 100 + dice.below(3_000);
            steps.push((end, Step::Heal(fault)));
            end
        }
    }
}

/// How long a process is away: often no longer than a supervisor takes.
fn down(dice: &mut Seed) -> u64 {
    match dice.below(2) {
        0 => 5 + dice.below(200),
        _ => 200 + dice.below(3_000),
    }
}

/// The names of a run: its seats, and the hosts of its people.
pub struct Hosts<'a> {
    pub seats: &'a [std::rc::Rc<Seat>],
    pub people: &'a [String],
}

impl Hosts<'_> {
    /// Both ways between a node and everybody else.
    fn around(&self, seat: usize) -> Vec<String> {
        let nodes = NAMES.iter().map(|name| (*name).to_owned());
        let others = nodes.filter(|name| name != NAMES[seat]);
        others.chain(self.people.iter().cloned()).collect()
    }

    /// Begins what is not a crash: the world does those itself.
    pub fn begin(&self, sim: &Sim<'_>, fault: Fault, now: Duration, dice: &mut Seed) {
        match fault {
            Fault::Frozen(seat) => {
                let others = self.around(seat);
                others
                    .iter()
                    .for_each(|other| sim.hold(NAMES[seat], &**other));
            }
            Fault::Isolated(seat) => {
                let others = self.around(seat);
                others
                    .iter()
                    .for_each(|other| sim.partition(NAMES[seat], &**other));
            }
            Fault::OneWay(from, to) => sim.partition_oneway(NAMES[from], NAMES[to]),
            Fault::NodeApart(seat) => {
                let others = (0..3).filter(|other| *other != seat);
                others.for_each(|other| sim.partition(NAMES[seat], NAMES[other]));
            }
            Fault::TwinsApart => sim.partition(NAMES[0], NAMES[1]),
            Fault::ClientsApart(seat) => {
                let people = self.people.iter();
                people.for_each(|person| sim.partition(NAMES[seat], &**person));
            }
            Fault::SlowDisk(seat) => {
                let most = 20_000 + dice.below(780_000);
                let mood = &self.seats[seat].mood;
                mood.slow_us.store(most, Ordering::Relaxed);
            }
            Fault::StuckDisk(seat) => {
                let until = now.as_millis() as u64 + 1_500 + dice.below(4_500);
                let mood = &self.seats[seat].mood;
                mood.stuck_until_ms.store(until, Ordering::Relaxed);
            }
            Fault::Crash(_) | Fault::PowerCut => {}
        }
    }

    pub fn heal(&self, sim: &Sim<'_>, fault: Fault) {
        match fault {
            Fault::Frozen(seat) => {
                let others = self.around(seat);
                let others = others.iter();
                others.for_each(|other| sim.release(NAMES[seat], &**other));
            }
            Fault::Isolated(seat) => {
                let others = self.around(seat);
                others
                    .iter()
                    .for_each(|other| sim.repair(NAMES[seat], &**other));
            }
            Fault::OneWay(from, to) => sim.repair_oneway(NAMES[from], NAMES[to]),
            Fault::NodeApart(seat) => {
                let others = (0..3).filter(|other| *other != seat);
                others.for_each(|other| sim.repair(NAMES[seat], NAMES[other]));
            }
            Fault::TwinsApart => sim.repair(NAMES[0], NAMES[1]),
            Fault::ClientsApart(seat) => {
                let people = self.people.iter();
                people.for_each(|person| sim.repair(NAMES[seat], &**person));
            }
            Fault::SlowDisk(seat) => self.seats[seat].mood.slow_us.store(0, Ordering::Relaxed),
            Fault::StuckDisk(seat) => {
                let mood = &self.seats[seat].mood;
                mood.stuck_until_ms.store(0, Ordering::Relaxed);
            }
            Fault::Crash(_) | Fault::PowerCut => {}
        }
    }
}
