//! What a drill does to the services of a node, and to a node or a wire that comes and goes. Runs
//! on a thread of its own.

use std::time::Duration;

use pollux_domain::node_state::NodeState;

use super::scene::Scene;
use crate::servers::pair::{CASTOR, End, Way, Wire};

type Done = anyhow::Result<()>;

/// How often something comes and goes.
const TURNS: usize = 20;
/// For how long it is gone, and there: long enough to be taken over from, and to come home to.
const GONE: Duration = Duration::from_secs(1);
const THERE: Duration = Duration::from_millis(1_500);
/// Users go home so soon after their node came back, where it has not failed before that day.
const STABLE_SECONDS: &str = "fallback.stable-seconds=1";

/// An operator stops the port for clients, and starts it again when its users have gone.
pub fn service_down(scene: &mut Scene<'_>) -> Done {
    let (owner, twin) = (scene.owner, scene.twin());
    scene.fault();
    scene.pair.stations[owner].ctl(&["service", "stop", "clients"])?;
    scene.wait_served_by(twin)?;
    scene.last(Duration::from_secs(1));
    scene.pair.stations[owner].ctl(&["service", "start", "clients"])?;
    // Until the leader has heard so, it sends nobody home to a node without its port.
    scene.wait_state(twin, owner, NodeState::FailedOver)?;
    scene.pair.stations[twin].ctl(&["subcluster", "fallback"])?;
    scene.wait_served_by(CASTOR)
}

/// Whoever serves first dies and comes back again and again, while users go home by themselves.
pub fn flapping_node(scene: &mut Scene<'_>) -> Done {
    flapping(scene, |scene| {
        scene.kill(scene.owner)?;
        scene.last(GONE);
        scene.start(scene.owner)
    })
}

/// The same with its wires to the other nodes: it goes on, and reaches nobody but its clients.
pub fn flapping_link(scene: &mut Scene<'_>) -> Done {
    flapping(scene, |scene| {
        let owner = scene.owner;
        let others = scene.others(owner).into_iter();
        let wires: Vec<Wire> = others
            .map(|other| Wire {
                end: End::Station(other),
                way: Way::Both,
            })
            .collect();
        scene.fault();
        scene.pair.ground.cut(owner, &wires)?;
        scene.last(GONE);
        scene.pair.ground.mend(owner)
    })
}

/// The same with its port for clients.
pub fn flapping_service(scene: &mut Scene<'_>) -> Done {
    flapping(scene, |scene| {
        let owner = scene.owner;
        scene.fault();
        scene.pair.stations[owner].ctl(&["service", "stop", "clients"])?;
        scene.last(GONE);
        let started = scene.pair.stations[owner].ctl(&["service", "start", "clients"]);
        started.map(|_| ())
    })
}

fn flapping(scene: &mut Scene<'_>, turn: impl Fn(&mut Scene<'_>) -> Done) -> Done {
    let twin = scene.twin();
    let set = ["settings", "set", "fallback.automatic=on", STABLE_SECONDS];
    scene.pair.stations[twin].ctl(&set)?;
    for _ in 0..TURNS {
        turn(scene)?;
        scene.last(THERE);
    }
    let names = ["fallback.automatic", "fallback.stable-seconds"];
    let reset = [&["settings", "reset"][..], &names].concat();
    scene.pair.stations[twin].ctl(&reset).map(|_| ())
}
