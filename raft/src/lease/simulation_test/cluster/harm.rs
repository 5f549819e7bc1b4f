//! How a fault is done to the cluster. Each ends by itself.

use super::super::faults::Fault;
use super::{Cluster, What};

impl Cluster {
    pub(super) fn fault(&mut self, number: usize) {
        let (_, fault) = self.plan.faults[number].clone();
        match fault {
            Fault::Crash { node, back_us } => {
                self.stop(node);
                if let Some(back) = back_us {
                    self.at(self.now + back, What::Heal(node));
                }
            }
            Fault::Pause { node, us } => self.hosts[node].paused_until = self.now + us,
            Fault::Cut { from, to, us } => self.cut(from, to, us),
            Fault::Isolate { node, us } => {
                for other in (0..3).filter(|other| *other != node) {
                    self.cut(node, other, us);
                    self.cut(other, node, us);
                }
            }
            Fault::Slow { node, us } => self.hosts[node].slow_us = us,
            Fault::Stuck { node, us } => self.hosts[node].stuck_until = self.now + us,
            Fault::Loss { percent } => self.loss_percent = percent,
            Fault::Delay { us } => self.delay_us = us,
            Fault::Move { home, to } => {
                self.wishes
                    .moves
                    .insert(self.names[home].node, self.names[to].node);
            }
            Fault::NoMoves => self.wishes.moves.clear(),
        }
    }

    fn cut(&mut self, from: usize, to: usize, us: u64) {
        let until = &mut self.cut_until[from][to];
        *until = (self.now + us).max(*until);
    }
}
