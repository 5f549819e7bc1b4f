//! What a drill does to a pair, each fault with its healing. Runs on a thread of its own.

use std::time::Duration;

use rustix::process::Signal;

use super::scene::Scene;
use crate::servers::pair::{CASTOR, End, POLLUX, STATIONS, WITNESS, Way, Wire};
use crate::servers::wait_until;

type Done = anyhow::Result<()>;

/// How long a wire is cut, a disk frozen, a process gone that nobody waits for.
const FAULT: Duration = Duration::from_secs(5);
/// How long a flush waits for a slow disk, how long it does not, and how often that is so.
const SLOW_FLUSH: Duration = Duration::from_millis(400);
const SLOW_FLUSH_PAUSE: Duration = Duration::from_millis(600);
const SLOW_FLUSHES: usize = 10;

pub fn kill_active(scene: &mut Scene<'_>) -> Done {
    scene.kill(scene.owner)?;
    scene.wait_served_by(scene.twin())?;
    scene.last(Duration::from_secs(1));
    scene.start(scene.owner)
}

pub fn stop_5(scene: &mut Scene<'_>) -> Done {
    stopped(scene, Duration::from_secs(5))
}

pub fn stop_30(scene: &mut Scene<'_>) -> Done {
    stopped(scene, Duration::from_secs(30))
}

fn stopped(scene: &mut Scene<'_>, duration: Duration) -> Done {
    let owner = scene.owner;
    scene.fault();
    scene.pair.stations[owner].signal(Signal::STOP)?;
    scene.last(duration);
    scene.pair.stations[owner].signal(Signal::CONT)
}

fn everybody(scene: &Scene<'_>, station: usize, way: Way) -> Vec<Wire> {
    let others = scene.others(station).into_iter().map(End::Station);
    let ends = others.chain([End::Clients]);
    ends.map(|end| Wire { end, way }).collect()
}

fn cut(scene: &mut Scene<'_>, station: usize, wires: &[Wire]) -> Done {
    scene.fault();
    scene.pair.ground.cut(station, wires)?;
    scene.last(FAULT);
    scene.pair.ground.mend(station)
}

pub fn cut_off(scene: &mut Scene<'_>) -> Done {
    let wires = everybody(scene, scene.owner, Way::Both);
    cut(scene, scene.owner, &wires)
}

pub fn cut_in(scene: &mut Scene<'_>) -> Done {
    let wires = everybody(scene, scene.owner, Way::In);
    cut(scene, scene.owner, &wires)
}

pub fn cut_out(scene: &mut Scene<'_>) -> Done {
    let wires = everybody(scene, scene.owner, Way::Out);
    cut(scene, scene.owner, &wires)
}

pub fn cut_clients(scene: &mut Scene<'_>) -> Done {
    let wires = [Wire {
        end: End::Clients,
        way: Way::Both,
    }];
    cut(scene, scene.owner, &wires)
}

/// The twins do not hear each other; both hear the witness.
fn cut_twin(scene: &mut Scene<'_>) -> Done {
    let wires = [Wire {
        end: End::Station(scene.twin()),
        way: Way::Both,
    }];
    cut(scene, scene.owner, &wires)
}

pub fn cut_twin_leader_serves(scene: &mut Scene<'_>) -> Done {
    cut_twin(scene)
}

pub fn cut_twin_leader_stands_by(scene: &mut Scene<'_>) -> Done {
    cut_twin(scene)
}

pub fn cut_twin_leader_is_witness(scene: &mut Scene<'_>) -> Done {
    lead_from_witness(scene)?;
    cut_twin(scene)
}

pub fn leader_on_witness_dies(scene: &mut Scene<'_>) -> Done {
    lead_from_witness(scene)?;
    scene.kill(WITNESS)?;
    scene.last(FAULT);
    scene.start(WITNESS)
}

/// A witness leads only while its log is longer than the surviving twin's, and hands over at once:
/// the twin is stopped for a moment, so that it is behind, and then the leader.
fn lead_from_witness(scene: &mut Scene<'_>) -> Done {
    let leader = scene.pair.leader(WITNESS)?;
    if leader == WITNESS {
        return Ok(());
    }
    let other = if leader == CASTOR { POLLUX } else { CASTOR };
    scene.pair.stations[other].signal(Signal::STOP)?;
    scene.last(Duration::from_millis(200));
    scene.pair.stations[leader].signal(Signal::STOP)?;
    scene.pair.stations[other].signal(Signal::CONT)?;
    let led = wait_until(Duration::from_secs(3), || {
        Ok(scene.pair.leader(WITNESS).ok() == Some(WITNESS))
    });
    scene.pair.stations[leader].signal(Signal::CONT)?;
    if !led? {
        let remark = "the witness could not be made to lead: it hands over at once".to_owned();
        scene.remarks.push(remark);
    }
    Ok(())
}

pub fn kill_twin(scene: &mut Scene<'_>) -> Done {
    kill_and_start(scene, scene.twin())
}

pub fn kill_witness(scene: &mut Scene<'_>) -> Done {
    kill_and_start(scene, WITNESS)
}

fn kill_and_start(scene: &mut Scene<'_>, station: usize) -> Done {
    scene.kill(station)?;
    scene.last(FAULT);
    scene.start(station)
}

/// Killed, and started again before its lease has run out.
pub fn restart_200(scene: &mut Scene<'_>) -> Done {
    scene.kill(scene.owner)?;
    let owner = &mut scene.pair.stations[scene.owner];
    owner.spawn(&scene.pair.ground)?;
    owner.wait_answers()
}

/// The twin takes over and dies before any client has found it; the first one is back by then.
pub fn second_takeover(scene: &mut Scene<'_>) -> Done {
    let clients = [Wire {
        end: End::Clients,
        way: Way::Both,
    }];
    let (owner, twin) = (scene.owner, scene.twin());
    scene.fault();
    scene.pair.ground.cut(owner, &clients)?;
    scene.pair.ground.cut(twin, &clients)?;
    scene.kill(owner)?;
    scene.wait_served_by(twin)?;
    scene.start(owner)?;
    scene.pair.wait_healthy(Duration::from_secs(30))?;
    scene.kill(twin)?;
    scene.wait_served_by(owner)?;
    scene.pair.ground.mend(owner)?;
    scene.pair.ground.mend(twin)?;
    scene.start(twin)
}

pub fn cold_start(scene: &mut Scene<'_>) -> Done {
    for station in 0..STATIONS {
        scene.kill(station)?;
    }
    scene.last(Duration::from_millis(500));
    for station in 0..STATIONS {
        scene.pair.stations[station].spawn(&scene.pair.ground)?;
    }
    for station in 0..STATIONS {
        scene.pair.stations[station].wait_answers()?;
    }
    Ok(())
}

fn frozen_disk(scene: &mut Scene<'_>, station: usize) -> Done {
    scene.pair.stations[station].disk()?.settle()?;
    scene.fault();
    scene.pair.stations[station].disk()?.freeze()?;
    scene.last(FAULT);
    scene.pair.stations[station].disk()?.thaw()
}

pub fn frozen_disk_owner(scene: &mut Scene<'_>) -> Done {
    frozen_disk(scene, scene.owner)
}

pub fn frozen_disk_twin(scene: &mut Scene<'_>) -> Done {
    frozen_disk(scene, scene.twin())
}

pub fn frozen_disk_witness(scene: &mut Scene<'_>) -> Done {
    frozen_disk(scene, WITNESS)
}

/// All three disks again and again stand still for longer than a lease, as one busy array may under
/// three machines.
pub fn slow_disks(scene: &mut Scene<'_>) -> Done {
    scene.fault();
    for _ in 0..SLOW_FLUSHES {
        for station in 0..STATIONS {
            scene.pair.stations[station].disk()?.freeze()?;
        }
        scene.last(SLOW_FLUSH);
        for station in 0..STATIONS {
            scene.pair.stations[station].disk()?.thaw()?;
        }
        scene.last(SLOW_FLUSH_PAUSE);
    }
    Ok(())
}

/// What was not flushed is gone. Whoever loses power stands still while the disk is copied, so that
/// it promises nothing that the copy does not have.
fn power_cut(scene: &mut Scene<'_>, stations: &[usize]) -> Done {
    scene.fault();
    for station in stations {
        scene.pair.stations[*station].signal(Signal::STOP)?;
    }
    for station in stations {
        scene.pair.stations[*station].disk()?.photograph()?;
    }
    for station in stations {
        scene.pair.stations[*station].kill()?;
    }
    for station in stations {
        scene.pair.stations[*station].disk()?.go_back()?;
        scene.pair.stations[*station].spawn(&scene.pair.ground)?;
    }
    for station in stations {
        scene.pair.stations[*station].wait_answers()?;
    }
    Ok(())
}

pub fn power_cut_one(scene: &mut Scene<'_>) -> Done {
    power_cut(scene, &[scene.owner])
}

pub fn power_cut_all(scene: &mut Scene<'_>) -> Done {
    power_cut(scene, &[CASTOR, POLLUX, WITNESS])
}

/// As an operator does it before and after work on a machine.
pub fn planned(scene: &mut Scene<'_>) -> Done {
    let node = scene.pair.stations[scene.owner].node().to_string();
    scene.fault();
    scene.pair.stations[scene.twin()].ctl(&["subcluster", "failover", &node])?;
    scene.wait_served_by(scene.twin())?;
    scene.last(Duration::from_secs(2));
    scene.pair.stations[scene.twin()].ctl(&["subcluster", "fallback"])?;
    scene.wait_served_by(CASTOR)
}
