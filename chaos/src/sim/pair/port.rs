//! The port for clients of a simulated node as a service: the node's own, but for the look at it,
//! which in the program is a call by the operating system. Not for what is done about a port that
//! is down.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pollux_actors::node::Node;
use pollux_actors::services::client_port::ClientPort;
use pollux_actors::services::{Doing, Driver};
use pollux_actors::stream::Entrance;
use pollux_domain::services::{Event, Service, Wish};

use super::seat::{Mood, Seat};
use crate::sim::process_net::ProcessNet;
use crate::sim::world::PORT;

/// See the module.
struct SimulatedPort {
    port: ClientPort,
    mood: Arc<Mood>,
    /// It was taken, and has not been opened again.
    is_lost: AtomicBool,
}

impl SimulatedPort {
    fn check_taken(&self) -> Result<(), String> {
        match self.mood.port_taken.load(Ordering::Relaxed) {
            true => Err("somebody else has the port".to_owned()),
            false => Ok(()),
        }
    }
}

impl Driver for SimulatedPort {
    fn start(&self) -> Doing<'_, Result<(), String>> {
        Box::pin(async {
            self.check_taken()?;
            self.port.start().await?;
            self.is_lost.store(false, Ordering::Relaxed);
            Ok(())
        })
    }

    fn stop(&self) -> Doing<'_, ()> {
        self.port.stop()
    }

    /// Who comes to a port that is taken from it is not heard, also when it is free again.
    fn check(&self) -> Doing<'_, Result<(), String>> {
        Box::pin(async {
            if self.check_taken().is_err() {
                self.is_lost.store(true, Ordering::Relaxed);
                self.port.stop().await;
            }
            match self.is_lost.load(Ordering::Relaxed) {
                true => Err("somebody else has the port, or had it".to_owned()),
                false => Ok(()),
            }
        })
    }
}

/// Takes clients, until the process ends, whenever the port runs.
pub async fn serve(seat: &Seat, node: &Arc<Node>, net: Arc<ProcessNet>) -> turmoil::Result {
    let address = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT).into();
    let port = SimulatedPort {
        port: ClientPort::new(node, net, Entrance::StartTls, address),
        mood: seat.mood.clone(),
        is_lost: AtomicBool::new(false),
    };
    let is_stopped = seat.mood.port_stopped.load(Ordering::Relaxed);
    if !is_stopped {
        // One that is taken is so at the next look.
        port.port.open().await?;
    }
    let clock = node.ambient.clock.clone();
    node.services
        .add(Service::Clients, Arc::new(port), clock.now());
    if is_stopped {
        wish(node, Wish::Stopped)?;
    }
    node.services.clone().run(clock).await;
    Ok(())
}

/// An operator wants the port of that node to run, or not.
pub fn wish(node: &Node, wish: Wish) -> std::io::Result<()> {
    let now = node.ambient.clock.now();
    let event = Event::Wished(wish);
    node.services.wish(Service::Clients, event, now)
}
