//! What an operator does to nodes, and what befalls a part of them: ports that close, nodes that
//! are emptied, users that are moved. Not for when, and not for what becomes of the users.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use pollux_domain::ids::NodeId;
use pollux_domain::operations::Operation;
use pollux_domain::services::Wish;

use super::faults::Fault;
use super::operator::{Answer, Errand, Errands, Order, Orders};
use super::plan;
use super::port;
use super::seat::Seat;
use crate::sim::history::Fact;

/// See the module.
pub struct Tending {
    pub seats: Rc<[Rc<Seat>]>,
    pub orders: Orders,
    pub errands: Errands,
}

impl Tending {
    /// What is to be noted of it; `while_well`: nothing else is wrong.
    pub fn begin(&self, fault: Fault, while_well: bool) -> Option<Fact> {
        self.set(fault, true);
        match fault {
            Fault::Drained(seat) => {
                let node = plan::node_at(seat);
                self.orders.borrow_mut().insert(node, Order::Empty);
                Some(Fact::Drains { node, while_well })
            }
            Fault::PortTaken(seat) if while_well => Some(Fact::Ails {
                node: plan::node_at(seat),
            }),
            _ => None,
        }
    }

    pub fn heal(&self, fault: Fault) -> Option<Fact> {
        self.set(fault, false);
        let Fault::Drained(seat) = fault else {
            return None;
        };
        let node = plan::node_at(seat);
        self.orders.borrow_mut().insert(node, Order::Back);
        Some(Fact::Undrains { node })
    }

    /// An operator asks for that at this seat.
    pub fn ask(&self, seat: usize, operation: Operation) -> Answer {
        let answer = Answer::default();
        *self.errands.borrow_mut() = Some(Errand {
            at: plan::node_at(seat),
            operation,
            answer: answer.clone(),
        });
        answer
    }

    /// Nobody waits to hear that this node is empty.
    pub fn is_told(&self, node: NodeId) -> bool {
        self.orders.borrow().get(&node) != Some(&Order::Empty)
    }

    fn set(&self, fault: Fault, is_down: bool) {
        match fault {
            Fault::PortTaken(seat) => self.take(seat, is_down),
            Fault::PortsTaken(pair) => {
                for twin in [0, 1] {
                    self.take(plan::node_seat(pair, twin), is_down);
                }
            }
            Fault::PortStopped(seat) => self.stop(seat, is_down),
            _ => {}
        }
    }

    fn take(&self, seat: usize, is_taken: bool) {
        let mood = &self.seats[seat].mood;
        mood.port_taken.store(is_taken, Ordering::Relaxed);
    }

    fn stop(&self, seat: usize, is_stopped: bool) {
        let seat = &self.seats[seat];
        seat.mood.port_stopped.store(is_stopped, Ordering::Relaxed);
        let wish = match is_stopped {
            true => Wish::Stopped,
            false => Wish::Running,
        };
        if let Some(node) = seat.node()
            && let Err(error) = port::wish(&node, wish)
        {
            tracing::debug!(%error, "the port was not told");
        }
    }
}
