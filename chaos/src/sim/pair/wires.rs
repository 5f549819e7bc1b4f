//! What a fault does to the wires between hosts, to disks and to clocks, and how it is undone. Not
//! for when it comes, and not for processes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use turmoil::Sim;

use super::faults::Fault;
use super::loss::Loss;
use super::plan::{NAMES, node_seat, pair_at};
use super::seat::Seat;
use crate::client::Seed;
use crate::sim::environment::WALL_JUMP_MS;

/// What a wire without a fault takes for a message.
pub const USUAL_LATENCY: (Duration, Duration) =
    (Duration::from_micros(100), Duration::from_millis(5));

/// The names of a run: its seats, and the hosts of its people.
pub struct Hosts<'a> {
    pub seats: &'a [std::rc::Rc<Seat>],
    pub people: &'a [String],
}

/// What becomes of what is said over a wire.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Lost,
    /// From the first to the second only.
    LostOneWay,
    /// It comes when the wire is mended, all at once.
    Held,
    /// It comes late.
    Late,
    /// See [`Loss`].
    Stalled,
}

impl Hosts<'_> {
    /// A node with everybody else.
    fn around(&self, seat: usize) -> Vec<(String, String)> {
        let mut wires = self.with_nodes(seat);
        wires.extend(self.with_people(seat));
        wires
    }

    fn with_nodes(&self, seat: usize) -> Vec<(String, String)> {
        let others = (0..self.seats.len()).filter(|other| *other != seat);
        others.map(|other| wire(seat, other)).collect()
    }

    fn with_people(&self, seat: usize) -> Vec<(String, String)> {
        let people = self.people.iter();
        let wires = people.map(|person| (NAMES[seat].to_owned(), person.clone()));
        wires.collect()
    }

    /// Each seat of that pair with each of the other.
    fn across(&self, pair: usize) -> Vec<(String, String)> {
        let seats = 0..self.seats.len();
        let (ours, theirs): (Vec<usize>, Vec<usize>) =
            seats.partition(|seat| pair_at(*seat) == pair);
        let across = |our: &usize| {
            let our = *our;
            theirs.iter().map(move |their| wire(our, *their))
        };
        ours.iter().flat_map(across).collect()
    }

    /// The wires that a fault cuts, and how; no wires where it is about something else.
    fn wires(&self, fault: Fault) -> (Cut, Vec<(String, String)>) {
        match fault {
            Fault::Frozen(seat) => (Cut::Held, self.around(seat)),
            Fault::Isolated(seat) => (Cut::Lost, self.around(seat)),
            Fault::OneWay(from, to) => (Cut::LostOneWay, vec![wire(from, to)]),
            Fault::NodeApart(seat) => (Cut::Lost, self.with_nodes(seat)),
            Fault::TwinsApart(pair) => {
                let twins = wire(node_seat(pair, 0), node_seat(pair, 1));
                (Cut::Lost, vec![twins])
            }
            Fault::ClientsApart(seat) => (Cut::Lost, self.with_people(seat)),
            Fault::PairsApart => (Cut::Lost, self.across(0)),
            Fault::PairsOneWay(from) => (Cut::LostOneWay, self.across(from)),
            Fault::PairsFrozen => (Cut::Held, self.across(0)),
            Fault::Delayed(seat) => (Cut::Late, self.around(seat)),
            Fault::TwinsDelayed(pair) => {
                let twins = wire(node_seat(pair, 0), node_seat(pair, 1));
                (Cut::Late, vec![twins])
            }
            Fault::Lossy(seat) => (Cut::Stalled, self.around(seat)),
            Fault::SlowDisk(_) | Fault::StuckDisk(_) => (Cut::Lost, Vec::new()),
            Fault::WallJump(_) | Fault::Paused(_) => (Cut::Lost, Vec::new()),
            Fault::PortTaken(_) | Fault::PortsTaken(_) => (Cut::Lost, Vec::new()),
            Fault::PortStopped(_) | Fault::Drained(_) => (Cut::Lost, Vec::new()),
            Fault::Crash(_) | Fault::PowerCut(_) | Fault::Blackout => (Cut::Lost, Vec::new()),
        }
    }

    /// Begins what does not happen to a process: the world does that itself.
    pub fn begin(&self, sim: &Sim<'_>, loss: &mut Option<Loss>, fault: Fault, dice: &mut Seed) {
        let (cut, wires) = self.wires(fault);
        match cut {
            Cut::Lost => each(wires, |one, other| sim.partition(one, other)),
            Cut::LostOneWay => each(wires, |one, other| sim.partition_oneway(one, other)),
            Cut::Held => each(wires, |one, other| sim.hold(one, other)),
            Cut::Late => {
                let least = 20 + dice.below(380);
                let most = least + dice.below(401 - least);
                let latency = (Duration::from_millis(least), Duration::from_millis(most));
                each(wires, |one, other| set_latency(sim, one, other, latency));
            }
            Cut::Stalled => *loss = Some(Loss::begin(sim, &wires, Seed::new(dice.number()))),
        }
        match fault {
            Fault::SlowDisk(seat) => {
                let most = 20_000 + dice.below(780_000);
                let mood = &self.seats[seat].mood;
                mood.slow_us.store(most, Ordering::Relaxed);
            }
            Fault::StuckDisk(seat) => {
                let until = sim.elapsed().as_millis() as u64 + 1_500 + dice.below(4_500);
                let mood = &self.seats[seat].mood;
                mood.stuck_until_ms.store(until, Ordering::Relaxed);
            }
            Fault::WallJump(seat) => {
                let forward = dice.below(2) == 0;
                let off = if forward { WALL_JUMP_MS } else { -WALL_JUMP_MS };
                self.seats[seat].clock.set_wall_off(off);
            }
            _ => {}
        }
    }

    pub fn heal(&self, sim: &Sim<'_>, loss: &mut Option<Loss>, fault: Fault) {
        let (cut, wires) = self.wires(fault);
        match cut {
            Cut::Lost => each(wires, |one, other| sim.repair(one, other)),
            Cut::LostOneWay => each(wires, |one, other| sim.repair_oneway(one, other)),
            Cut::Held => each(wires, |one, other| sim.release(one, other)),
            Cut::Late => each(wires, |one, other| {
                set_latency(sim, one, other, USUAL_LATENCY);
            }),
            Cut::Stalled => {
                if let Some(loss) = loss.take() {
                    loss.end(sim);
                }
            }
        }
        match fault {
            Fault::SlowDisk(seat) => self.seats[seat].mood.slow_us.store(0, Ordering::Relaxed),
            Fault::StuckDisk(seat) => {
                let mood = &self.seats[seat].mood;
                mood.stuck_until_ms.store(0, Ordering::Relaxed);
            }
            Fault::WallJump(seat) => self.seats[seat].clock.set_wall_off(0),
            _ => {}
        }
    }
}

fn wire(one: usize, other: usize) -> (String, String) {
    (NAMES[one].to_owned(), NAMES[other].to_owned())
}

fn each(wires: Vec<(String, String)>, act: impl Fn(String, String)) {
    for (one, other) in wires {
        act(one, other);
    }
}

/// Of both directions: turmoil has no other.
fn set_latency(sim: &Sim<'_>, one: String, other: String, (least, most): (Duration, Duration)) {
    sim.set_link_latency(one.as_str(), other.as_str(), least);
    sim.set_link_max_message_latency(one, other, most);
}
