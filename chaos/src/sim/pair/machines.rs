//! The machines of a run, one to a seat: a kernel each and, while it is up, a process, which can be
//! stopped, go on, and die. Not for the wires between them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use turmoil::Sim;

use super::seat::{self, Surroundings};
use crate::sim::kernel::{self, Kernel};
use crate::sim::process::Process;

/// See the module.
pub struct Machines {
    around: Surroundings,
    machines: Vec<Machine>,
}

struct Machine {
    name: &'static str,
    /// Of the process that starts next: the host of turmoil takes it.
    kernel: Rc<RefCell<Option<Kernel>>>,
    /// None while it is down.
    process: Option<Process>,
    state: State,
}

/// What its process does, while it is up.
#[derive(Debug, Clone, Copy)]
enum State {
    Runs,
    /// Its tasks have so many turns more.
    Stops(u64),
    /// It does not run, and the kernel does.
    Stopped,
}

impl Machines {
    /// Turns all of them on.
    pub fn build(sim: &mut Sim<'_>, around: Surroundings) -> Machines {
        let seats = around.seats.clone();
        let mut machines = Machines {
            around,
            machines: Vec::new(),
        };
        for seat in seats.iter() {
            let kernel = Rc::default();
            machines.machines.push(Machine {
                name: seat.name,
                kernel: Rc::clone(&kernel),
                process: None,
                state: State::Runs,
            });
            machines.start_process(machines.machines.len() - 1);
            sim.host(seat.name, move || {
                let kernel = kernel.take();
                async {
                    match kernel {
                        Some(kernel) => kernel.run().await,
                        None => Err("a machine was turned on without a process".into()),
                    }
                }
            });
        }
        machines
    }

    fn start_process(&mut self, index: usize) {
        let (kernel, net) = kernel::boot();
        let seat = self.around.seats[index].clone();
        let seed = seat.process_seed();
        let life = seat::live(seat, net, self.around.clone());
        let machine = &mut self.machines[index];
        machine.kernel.replace(Some(kernel));
        machine.process = Some(Process::start(seed, life));
    }

    /// Kills the process, stopped or not, and takes its sockets away; if it is up.
    pub fn crash(&mut self, sim: &mut Sim<'_>, index: usize) {
        let machine = &mut self.machines[index];
        if machine.process.take().is_none() {
            return;
        }
        machine.state = State::Runs;
        sim.crash(machine.name);
        self.around.seats[index].crashed();
    }

    /// If it is down.
    pub fn restart(&mut self, sim: &mut Sim<'_>, index: usize) {
        if self.machines[index].process.is_none() {
            self.start_process(index);
            sim.bounce(self.machines[index].name);
        }
    }

    /// SIGSTOP, which comes to it when its tasks have had so many turns in the next step.
    pub fn stop(&mut self, index: usize, turns: u64) {
        self.machines[index].state = State::Stops(turns);
    }

    /// SIGCONT.
    pub fn go_on(&mut self, index: usize) {
        self.machines[index].state = State::Runs;
    }

    /// All processes that are up and not stopped run for so long, in the order of their seats.
    pub fn run(&mut self, time: Duration) -> turmoil::Result {
        for machine in &mut self.machines {
            let Some(process) = &mut machine.process else {
                continue;
            };
            let _span = tracing::info_span!("node", name = machine.name).entered();
            match machine.state {
                State::Runs => process.run(time)?,
                State::Stops(turns) => {
                    process.turns(turns);
                    process.miss(time);
                    machine.state = State::Stopped;
                }
                State::Stopped => process.miss(time),
            }
        }
        Ok(())
    }
}
