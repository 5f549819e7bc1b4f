//! One run: founds the cluster, lets the faults of the seed come over it, heals everything, waits
//! until all is well again, and returns the history.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::operations::Operation;
use turmoil::Sim;

use super::acquaintance::Acquaintance;
use super::faults::{Fault, Step, schedule};
use super::loss::Loss;
use super::machines::Machines;
use super::operator::Answer;
use super::person::{Person, Standing};
use super::plan::{self, PairPlan, SEATS, STABLE};
use super::run::PairRun;
use super::seat::{Acts, Seat, Surroundings};
use super::tending::Tending;
use super::watch::Watch;
use super::wellness;
use super::wires::{Hosts, USUAL_LATENCY};
use crate::client::{Options, Seed};
use crate::sim::environment::{SeededRand, VirtualTime};
use crate::sim::history::{Fact, History, Phase};
use crate::sim::invariants::{goes_home, gone_once};
use crate::sim::world::is_busy;

/// How long the cluster may take to be founded, and to be well again after everything is healed.
const SETUP_MAX: Duration = Duration::from_secs(60);
pub const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// "Announcements to watchers must agree with the database within 2 s after healing" (design,
/// section 5).
const QUIET: Duration = Duration::from_secs(2);
/// Longer waits for users to go home are left out: a node that has failed again and again.
const HOMECOMING_MAX: Duration = Duration::from_secs(16);
/// What a move takes besides, from the leader's wish to clients that have been told.
const MOVE_MAX: Duration = Duration::from_secs(4);
/// For how long a service is down, or a node drained, at most, while all else is well; and how long
/// when its users have left.
const TENDING: Duration = Duration::from_secs(8);
const STAYS_SO: Duration = Duration::from_millis(500);
/// An operation that moves users gives up before (`MOVE_PATIENCE`).
const ANSWERED_WITHIN: Duration = Duration::from_secs(14);
/// The leader knows by then what was asked.
const NOTED: Duration = Duration::from_millis(30);
/// What one step of the world lasts.
const TICK: Duration = Duration::from_millis(1);
/// Of a process's tasks in a busy step: somewhere among them it is stopped.
const TURNS_MAX: u64 = 40;
/// Steps between two looks at what costs more than a glance.
const SELDOM: u64 = 50;

/// Everything of one run.
struct World<'a> {
    sim: Sim<'a>,
    machines: Machines,
    tending: Tending,
    time: VirtualTime,
    /// While wires lose packets.
    loss: Option<Loss>,
    seats: Rc<[Rc<Seat>]>,
    people: Vec<String>,
    standings: Vec<Rc<Standing>>,
    acts: Arc<Acts>,
    watch: Watch,
    history: Rc<RefCell<History>>,
    phase: Rc<Cell<Phase>>,
    plan: PairPlan,
    dice: Seed,
    steps: u64,
}

/// Runs one seed.
pub fn run(seed: u64, plan: PairPlan) -> PairRun {
    let mut dice = Seed::new(seed);
    let plan = plan.drawn(&mut dice);
    let mut world = World::build(plan, dice);
    // A node that panics takes the whole world with it.
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let ran = lived.unwrap_or_else(|_| {
        let remains = World::build(plan, Seed::new(seed));
        let history = world.history.clone();
        std::mem::forget(std::mem::replace(&mut world, remains));
        world.history = history;
        Err("a node panicked".to_owned())
    });
    let history = world.history.borrow().clone();
    let (recovered_in, broken) = match ran {
        Ok(recovered_in) => (recovered_in, None),
        Err(error) => (None, Some(error)),
    };
    PairRun {
        seed,
        plan,
        history,
        recovered_in,
        broken,
    }
}

impl<'a> World<'a> {
    fn build(plan: PairPlan, mut dice: Seed) -> World<'a> {
        let history = Rc::new(RefCell::new(History::default()));
        let phase = Rc::new(Cell::new(Phase::Founding));
        let mut sim = turmoil::Builder::new()
            .rng_seed(dice.number())
            .simulation_duration(Duration::from_secs(600))
            .tick_duration(TICK)
            .min_message_latency(USUAL_LATENCY.0)
            .max_message_latency(USUAL_LATENCY.1)
            .tcp_capacity(65_536)
            .build();
        let time = VirtualTime::default();
        let acts = Arc::new(Acts::new(time.clone()));
        let mut seat = |index| {
            let rand = SeededRand::new(dice.number());
            Rc::new(Seat::new(index, acts.clone(), rand, time.clone()))
        };
        let seats: Rc<[Rc<Seat>]> = (0..plan.seats()).map(&mut seat).collect();
        let tending = Tending {
            seats: seats.clone(),
            orders: Rc::default(),
            errands: Rc::default(),
        };
        let around = Surroundings {
            seats: seats.clone(),
            plan,
            orders: tending.orders.clone(),
            errands: tending.errands.clone(),
            phase: phase.clone(),
            history: history.clone(),
        };
        let machines = Machines::build(&mut sim, around);
        let options = Options {
            timeout: Duration::from_secs(4),
            ..Options::default()
        }
        .shared();
        let mut people = Vec::new();
        let mut standings = Vec::new();
        for who in 0..plan.people {
            let standing = Rc::new(Standing::default());
            let person = Person {
                who,
                plan,
                seed: Seed::new(dice.number()),
                options: options.clone(),
                history: history.clone(),
                phase: phase.clone(),
                standing: standing.clone(),
                at: plan::node_seat(plan.pair_of(who), dice.below(2) as usize),
                said: 0,
                questions: 0,
                befriended: false,
                asked: BTreeMap::new(),
                noted: 0,
                shown: 0,
                acquaintance: Acquaintance::of(plan, who),
            };
            people.push(format!("person{who}"));
            standings.push(standing);
            sim.client(format!("person{who}"), person.live());
        }
        World {
            sim,
            machines,
            tending,
            time,
            loss: None,
            seats,
            people,
            standings,
            acts,
            watch: Watch::default(),
            history,
            phase,
            plan,
            dice,
            steps: 0,
        }
    }

    fn live(&mut self) -> Result<Option<Duration>, String> {
        for phase in [Phase::Founding, Phase::Setup] {
            self.enter(phase);
            if self.until_well(SETUP_MAX)?.is_none() {
                return Err(format!("{phase:?} comes to no end: {}", self.trouble()));
            }
        }
        if self.plan.falls_back {
            self.note(Fact::FallsBack { stable: STABLE });
        }
        self.enter(Phase::Faults);
        self.suffer()?;
        self.heal_everything();
        self.enter(Phase::Healing);
        let recovered_in = self.until_well(RECOVERY_MAX)?;
        self.enter(Phase::Quiet);
        self.until(self.sim.elapsed() + QUIET)?;
        if recovered_in.is_some() {
            self.come_home()?;
        }
        if self.plan.is_tended && recovered_in.is_some() {
            self.tend()?;
            self.come_home()?;
            self.until(self.sim.elapsed() + QUIET)?;
        }
        if self.plan.outlives && recovered_in.is_some() {
            self.outlive_a_client()?;
        }
        self.close_the_books();
        Ok(recovered_in)
    }

    fn note(&self, fact: Fact) {
        self.history.borrow_mut().add_at(self.sim.elapsed(), fact);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase.set(phase);
        self.note(Fact::Phase(phase));
    }

    /// First the network, the kernels and the people, then the processes.
    fn step(&mut self) -> Result<(), String> {
        if let Some(loss) = &mut self.loss {
            loss.step(&self.sim);
        }
        let stepped = self.sim.step().and_then(|_| self.machines.run(TICK));
        stepped.map_err(|error| error.to_string())?;
        self.steps += 1;
        let at = self.sim.elapsed();
        self.time.set(at);
        let mut history = self.history.borrow_mut();
        self.watch.look(at, &self.seats, &self.acts, &mut history);
        if self.steps.is_multiple_of(2 * SELDOM) {
            self.watch.digest(at, &self.seats, &mut history);
        }
        Ok(())
    }

    fn until(&mut self, end: Duration) -> Result<(), String> {
        while self.sim.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Where users go home by themselves, they do so as all has been well.
    fn come_home(&mut self) -> Result<(), String> {
        if !self.plan.falls_back {
            return Ok(());
        }
        let homes: Vec<_> = self.plan.subclusters().flat_map(plan::homes).collect();
        let wait = |home| goes_home::wait(&self.history.borrow(), home, STABLE);
        let away = homes.iter().filter(|home| !self.is_home(**home));
        let longest = away.map(|home| wait(*home)).max().unwrap_or_default();
        if HOMECOMING_MAX < longest {
            return Ok(());
        }
        let end = self.sim.elapsed() + longest + MOVE_MAX;
        while self.sim.elapsed() < end && !homes.iter().all(|home| self.is_home(*home)) {
            self.step()?;
        }
        for home in homes {
            if let Some(node) = wellness::owner(&self.seats, home) {
                self.note(Fact::EndsAt { home, node });
            }
        }
        match self.until_well(RECOVERY_MAX)? {
            Some(_) => self.until(self.sim.elapsed() + QUIET),
            None => Err(format!("users went home: {}", self.trouble())),
        }
    }

    /// Nobody is served there, and whoever has ordered so has been told.
    fn is_left(&self, seat: usize) -> bool {
        let node = plan::node_at(seat);
        let mut homes = plan::homes(self.seats[seat].subcluster_id()).into_iter();
        homes.all(|home| wellness::owner(&self.seats, home) != Some(node))
            && self.tending.is_told(node)
    }

    fn is_home(&self, home: NodeId) -> bool {
        wellness::owner(&self.seats, home) == Some(home)
    }

    /// A service of a node that serves goes down for good, or the node is emptied, now and then
    /// while it dies, and its twin dies after it; or its users are moved.
    fn tend(&mut self) -> Result<(), String> {
        let who = self.dice.below(self.plan.people as u64) as usize;
        let seat = self.serving(who)?;
        let begun = self.sim.elapsed();
        let fault = match self.dice.below(3) {
            0 => Fault::PortTaken(seat),
            1 => Fault::Drained(seat),
            _ => return self.move_users(who),
        };
        self.begin(fault);
        if self.dice.below(3) == 0 && fault == Fault::Drained(seat) {
            let later = Duration::from_millis(20 + self.dice.below(600));
            self.until(self.sim.elapsed() + later)?;
            self.begin(Fault::Crash(seat));
            self.until(self.sim.elapsed() + Duration::from_secs(1))?;
            self.restart(seat);
        }
        while self.sim.elapsed() < begun + TENDING && !self.is_left(seat) {
            self.step()?;
        }
        self.until(self.sim.elapsed() + STAYS_SO)?;
        if self.dice.below(3) == 0 {
            let twin = plan::node_seat(plan::pair_at(seat), 1 - seat % SEATS);
            self.begin(Fault::Crash(twin));
            self.until(self.sim.elapsed() + Duration::from_secs(2))?;
            self.restart(twin);
        }
        self.heal(fault);
        match self.until_well(RECOVERY_MAX)? {
            Some(_) => Ok(()),
            None => Err(format!("after {fault:?}: {}", self.trouble())),
        }
    }

    /// An operator moves users away from their node and home again, at any node of the pair; now
    /// and then somebody leads who has just begun, or who leads is not there for a moment.
    fn move_users(&mut self, who: usize) -> Result<(), String> {
        let pair = self.plan.pair_of(who);
        let leader = |seats: &[Rc<Seat>]| {
            let leader = wellness::leader(seats, pair);
            leader.ok_or("nobody leads while all is well")
        };
        let how = self.dice.below(3);
        if how == 0 {
            let leader = leader(&self.seats)?;
            self.begin(Fault::Crash(leader));
            let later = Duration::from_millis(100 + self.dice.below(2_000));
            self.until(self.sim.elapsed() + later)?;
            self.restart(leader);
            self.until_whole(pair)?;
        }
        let from = plan::node_at(self.serving(who)?);
        let failover = self.ask(pair, Operation::SubclusterFailover { node: from.0 });
        if how == 1 {
            let later = NOTED + Duration::from_millis(self.dice.below(60));
            self.until(self.sim.elapsed() + later)?;
            let leader = leader(&self.seats)?;
            self.begin(Fault::Paused(leader));
            let later = Duration::from_millis(400 + self.dice.below(1_000));
            self.until(self.sim.elapsed() + later)?;
            self.heal(Fault::Paused(leader));
        }
        if !self.is_done(&failover)? {
            return Ok(());
        }
        if wellness::owner(&self.seats, self.plan.home(who)) == Some(from) {
            return Err(format!("an operator was told that node {from} is relieved"));
        }
        if self.until_well(RECOVERY_MAX)?.is_none() {
            return Err(format!("users were moved away: {}", self.trouble()));
        }
        let fallback = self.ask(pair, Operation::SubclusterFallback {});
        if !self.is_done(&fallback)? {
            return Ok(());
        }
        if !self.is_home(self.plan.home(who)) {
            return Err("an operator was told that all users are at home".to_owned());
        }
        match self.until_well(RECOVERY_MAX)? {
            Some(_) => Ok(()),
            None => Err(format!("users were moved home: {}", self.trouble())),
        }
    }

    /// An operator asks at any node of the pair.
    fn ask(&mut self, pair: usize, operation: Operation) -> Answer {
        let seat = pair * SEATS + self.dice.below(SEATS as u64) as usize;
        self.tending.ask(seat, operation)
    }

    /// Whether the operator was told so, as soon as there is an answer.
    fn is_done(&mut self, answer: &Answer) -> Result<bool, String> {
        let end = self.sim.elapsed() + ANSWERED_WITHIN;
        while self.sim.elapsed() < end && answer.get().is_none() {
            self.step()?;
        }
        let answer = answer.get();
        answer.ok_or_else(|| "an operator who moves users has no answer".to_owned())
    }

    fn serving(&self, who: usize) -> Result<usize, String> {
        let serving = wellness::serving(&self.seats, self.plan.home(who));
        serving.ok_or_else(|| "nobody serves while all is well".to_owned())
    }

    /// A client vanishes, and then the node that keeps its session for it. The session is given up
    /// by the twin, at its time.
    fn outlive_a_client(&mut self) -> Result<(), String> {
        let who = self.dice.below(self.plan.people as u64) as usize;
        let begun = self.sim.elapsed();
        self.standings[who].gone.set(true);
        self.note(Fact::Gone { who });
        let later = Duration::from_millis(500 + self.dice.below(60_000));
        self.until(begun + later)?;
        let serving = wellness::serving(&self.seats, self.plan.home(who));
        let serving = serving.ok_or("nobody serves the one who is gone")?;
        self.begin(Fault::Crash(serving));
        self.until(self.sim.elapsed() + Duration::from_secs(2))?;
        self.restart(serving);
        self.until(begun + gone_once::WITHIN)
    }

    /// Lives on until nothing is wrong with the nodes, and users of that pair can be moved,
    /// whatever people still wait for.
    fn until_whole(&mut self, pair: usize) -> Result<(), String> {
        let end = self.sim.elapsed() + RECOVERY_MAX;
        while let Some(trouble) = wellness::of_nodes(&self.seats, self.plan)
            .or_else(|| wellness::of_twins(&self.seats, pair))
        {
            if end < self.sim.elapsed() {
                return Err(trouble);
            }
            self.step()?;
        }
        Ok(())
    }

    /// Lives on until nothing is wrong; none: that took longer than `most`.
    fn until_well(&mut self, most: Duration) -> Result<Option<Duration>, String> {
        let begun = self.sim.elapsed();
        loop {
            for _ in 0..SELDOM {
                self.step()?;
            }
            let taken = self.sim.elapsed() - begun;
            let trouble = self.trouble();
            if trouble.is_empty() {
                return Ok(Some(taken));
            }
            if most < taken {
                tracing::info!(trouble, "all is not well");
                return Ok(None);
            }
        }
    }

    /// What is not well; empty: nothing.
    fn trouble(&self) -> String {
        let of_nodes = wellness::of_nodes(&self.seats, self.plan);
        let trouble = match self.phase.get() {
            Phase::Founding => of_nodes,
            _ => of_nodes
                .or_else(|| wellness::of_contacts(&self.seats, self.plan))
                .or_else(|| self.of_acquaintances())
                .or_else(|| wellness::of_people(&self.standings, &self.history.borrow())),
        };
        trouble.unwrap_or_default()
    }

    /// They are settled when the faults are over.
    fn of_acquaintances(&self) -> Option<String> {
        let is_over = Phase::Healing <= self.phase.get();
        let of_all = || wellness::of_acquaintances(&self.seats, self.plan);
        is_over.then(of_all).flatten()
    }

    /// The faults of the seed, in their order.
    fn suffer(&mut self) -> Result<(), String> {
        let begun = self.sim.elapsed();
        let PairPlan {
            pairs,
            faults,
            is_tended,
            ..
        } = self.plan;
        let steps = schedule(&mut self.dice, pairs, faults, is_tended);
        for (at, step) in steps {
            while self.sim.elapsed() < begun + Duration::from_millis(at) {
                self.step()?;
            }
            match step {
                Step::Begin(fault) => self.begin(fault),
                Step::Restart(seat) => self.restart(seat),
                Step::Heal(fault) => self.heal(fault),
            }
        }
        Ok(())
    }

    fn begin(&mut self, fault: Fault) {
        let busy = is_busy(&self.history.borrow());
        let between = wellness::of_outboxes(&self.seats).is_some();
        let what = format!("{fault:?}");
        self.note(Fact::Fault {
            what,
            busy,
            between,
        });
        let while_well = self.phase.get() == Phase::Quiet;
        if let Some(fact) = self.tending.begin(fault, while_well) {
            self.note(fact);
        }
        match fault {
            Fault::Crash(seat) => self.crash(seat),
            Fault::PowerCut(pair) => {
                let seats = pair * SEATS..(pair + 1) * SEATS;
                seats.for_each(|seat| self.crash(seat));
            }
            Fault::Blackout => (0..self.plan.seats()).for_each(|seat| self.crash(seat)),
            Fault::Paused(seat) => {
                let turns = self.dice.below(TURNS_MAX);
                self.machines.stop(seat, turns);
            }
            fault => {
                let hosts = Hosts {
                    seats: &self.seats,
                    people: &self.people,
                };
                hosts.begin(&self.sim, &mut self.loss, fault, &mut self.dice);
            }
        }
    }

    fn crash(&mut self, seat: usize) {
        self.machines.crash(&mut self.sim, seat);
        let node = self.seats[seat].id;
        self.note(Fact::Crashed { node });
    }

    fn restart(&mut self, seat: usize) {
        self.machines.restart(&mut self.sim, seat);
    }

    fn heal(&mut self, fault: Fault) {
        let hosts = Hosts {
            seats: &self.seats,
            people: &self.people,
        };
        hosts.heal(&self.sim, &mut self.loss, fault);
        if let Fault::Paused(seat) = fault {
            self.machines.go_on(seat);
        }
        if let Some(fact) = self.tending.heal(fault) {
            self.note(fact);
        }
        let what = format!("{fault:?}");
        self.note(Fact::Healed { what });
    }

    /// Every fault has its own healing; what is left is a disk that is stuck for a while.
    fn heal_everything(&mut self) {
        for seat in 0..self.plan.seats() {
            self.restart(seat);
            self.heal(Fault::StuckDisk(seat));
        }
    }

    /// What the database says at the end, and the state of each replica.
    fn close_the_books(&mut self) {
        let at = self.sim.elapsed();
        let mut history = self.history.borrow_mut();
        self.watch.digest(at, &self.seats, &mut history);
        let truths = wellness::truths(&self.seats, self.plan).into_iter();
        for fact in truths.chain(wellness::added_users(&self.seats)) {
            history.add_at(at, fact);
        }
    }
}
