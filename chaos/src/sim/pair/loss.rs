//! Wires that lose packets now and then, as those see them who talk over TCP: nothing is missing,
//! but it comes late. Not for a wire that is cut.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use turmoil::{LinkIter, Sim};

use crate::client::Seed;

/// In how many milliseconds a direction loses one packet, on average.
const ONE_IN_MS: u64 = 500;

/// The wires of one fault. turmoil's network never sends a lost segment again, so that one lost
/// segment would end its connection. TCP does send it again: after 200 ms at least on Linux, after
/// twice that when it is lost again, and what was sent behind it waits for it meanwhile. So the
/// loss of a packet is a stall of one direction of a wire, for all connections on it: the messages
/// are held, and then all come.
#[derive(Debug)]
pub struct Loss {
    dice: Seed,
    /// Under the two ends in order, as turmoil names a link.
    wires: BTreeMap<(IpAddr, IpAddr), Stalls>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Stalls {
    /// Until when nothing arrives: from the first end to the second, and back.
    until: [Duration; 2],
    /// turmoil holds the wire.
    is_held: bool,
}

impl Loss {
    pub fn begin(sim: &Sim<'_>, wires: &[(String, String)], dice: Seed) -> Loss {
        let ends = |(one, other): &(String, String)| {
            let (one, other) = (sim.lookup(one.as_str()), sim.lookup(other.as_str()));
            (one.min(other), one.max(other))
        };
        let wires = wires.iter().map(|wire| (ends(wire), Stalls::default()));
        Loss {
            dice,
            wires: wires.collect(),
        }
    }

    /// Before each step of the world.
    pub fn step(&mut self, sim: &Sim<'_>) {
        let now = sim.elapsed();
        for stalls in self.wires.values_mut() {
            for until in &mut stalls.until {
                if *until <= now && self.dice.below(ONE_IN_MS) == 0 {
                    *until = now + resent_after(&mut self.dice);
                }
            }
        }
        self.hold(sim, now);
    }

    fn hold(&mut self, sim: &Sim<'_>, now: Duration) {
        for ((one, other), stalls) in &mut self.wires {
            let holds = stalls.until.iter().any(|until| now < *until);
            match (stalls.is_held, holds) {
                (false, true) => sim.hold(*one, *other),
                (true, false) => sim.release(*one, *other),
                _ => {}
            }
            stalls.is_held = holds;
        }
        sim.links(|links| links.for_each(|link| self.let_pass(link, now)));
    }

    /// turmoil holds both directions of a wire: what goes the way that is not stalled passes.
    fn let_pass(&self, link: LinkIter<'_>, now: Duration) {
        let (one, other) = link.pair();
        let Some(stalls) = self
            .wires
            .get(&(one, other))
            .filter(|stalls| stalls.is_held)
        else {
            return;
        };
        let [there, back] = stalls.until;
        for sent in link {
            let until = if sent.pair().0.ip() == one {
                there
            } else {
                back
            };
            if until <= now {
                sent.deliver();
            }
        }
    }

    pub fn end(self, sim: &Sim<'_>) {
        for (one, other) in self.wires.into_keys() {
            sim.release(one, other);
        }
    }
}

fn resent_after(dice: &mut Seed) -> Duration {
    let ms = match dice.below(16) {
        0..=11 => 200,
        12..=14 => 400,
        _ => 800,
    };
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use turmoil::net::{TcpListener, TcpStream};

    use super::*;

    const COUNT: usize = 60;

    /// Says a byte each 10 ms, and notes when it hears one.
    async fn talk(mut stream: TcpStream, heard: Rc<RefCell<Vec<Duration>>>) -> turmoil::Result {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        let (mut said, mut byte) = (0, [0]);
        while heard.borrow().len() < COUNT || said < COUNT {
            tokio::select! {
                biased;
                read = stream.read_exact(&mut byte), if heard.borrow().len() < COUNT => {
                    read?;
                    heard.borrow_mut().push(turmoil::sim_elapsed().unwrap_or_default());
                }
                _ = beat.tick(), if said < COUNT => {
                    said += 1;
                    stream.write_all(b"x").await?;
                }
            }
        }
        // Whoever goes first would reset what the other has not read.
        std::future::pending().await
    }

    fn longest_silence(heard: &[Duration]) -> Duration {
        let silences = heard.windows(2).map(|two| two[1] - two[0]);
        silences.max().unwrap_or_default()
    }

    #[test]
    fn a_lost_packet_makes_one_direction_late_and_nothing_is_missing() {
        let mut sim = turmoil::Builder::new()
            .rng_seed(7)
            .tick_duration(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(5))
            .build();
        let (one, other) = (Rc::default(), Rc::default());
        let heard: [Rc<RefCell<Vec<Duration>>>; 2] = [Rc::clone(&one), Rc::clone(&other)];
        sim.client("one", async move {
            let listener = TcpListener::bind("0.0.0.0:1").await?;
            talk(listener.accept().await?.0, one).await
        });
        sim.client("other", async move {
            talk(TcpStream::connect("one:1").await?, other).await
        });
        let wires = [("one".to_owned(), "other".to_owned())];
        let mut loss = Loss::begin(&sim, &wires, Seed::new(1));
        let (first, _) = loss.wires.keys().copied().next().unwrap();
        let to_one = usize::from(first == sim.lookup("one"));
        for step in 0..1_200 {
            if step == 300 {
                let stalls = loss.wires.values_mut().next().unwrap();
                stalls.until[to_one] = Duration::from_millis(500);
            }
            loss.hold(&sim, sim.elapsed());
            sim.step().unwrap();
        }
        let [one, other] = heard.map(|heard| heard.borrow().clone());
        assert_eq!((one.len(), other.len()), (COUNT, COUNT));
        let late = longest_silence(&one);
        assert!(Duration::from_millis(190) <= late, "{late:?}");
        let late = longest_silence(&other);
        assert!(late <= Duration::from_millis(20), "{late:?}");
    }
}
