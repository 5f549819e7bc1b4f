//! What a drill changes of who belongs to a cluster, while people chat: a node is replaced or
//! emptied, another becomes the witness, and whoever does it is killed on the way. Runs on a thread
//! of its own, as the faults do.

use std::time::Duration;

use anyhow::{Context, bail};

use super::scene::Scene;
use crate::servers::pair::{CASTOR, NEIGHBOURS, POLLUX};
use crate::servers::wait_until;

type Done = anyhow::Result<()>;

/// How long a change of the membership may take.
const CHANGE_LIMIT: Duration = Duration::from_secs(60);
/// For how long a change goes on before somebody is killed.
const BEGUN: Duration = Duration::from_millis(100);
/// The same, of a node that joins: once for each.
const JOINING: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
];
/// Between two steps of an operator.
const PAUSE: Duration = Duration::from_secs(2);

/// A machine is lost for good: another one takes its place and learns all from its twin.
pub fn node_replaced(scene: &mut Scene<'_>) -> Done {
    let (owner, twin) = (scene.owner, scene.twin());
    scene.kill(owner)?;
    scene.wait_served_by(twin)?;
    scene.last(Duration::from_secs(1));
    join_again(scene, owner, twin)?;
    scene.start(owner)
}

/// The newcomer is killed again and again while it learns.
pub fn killed_in_a_join(scene: &mut Scene<'_>) -> Done {
    let (owner, twin) = (scene.owner, scene.twin());
    scene.kill(twin)?;
    join_again(scene, twin, owner)?;
    for joining in JOINING {
        scene.pair.stations[twin].spawn(&scene.pair.ground)?;
        scene.last(joining);
        scene.pair.stations[twin].kill()?;
    }
    scene.start(twin)
}

/// With an empty folder and a token of `host`; does not start it.
fn join_again(scene: &mut Scene<'_>, station: usize, host: usize) -> Done {
    let pair = &mut *scene.pair;
    let node = pair.stations[station].node().to_string();
    let token = pair.stations[host].ctl(&["cluster", "invite", "--replaces", &node])?;
    pair.stations[station].forget()?;
    pair.stations[station].cluster(&pair.ground, &["join", token.trim()])
}

/// As an operator does it before a machine goes, who then thinks better of it.
pub fn node_drained(scene: &mut Scene<'_>) -> Done {
    let (owner, twin) = (scene.owner, scene.twin());
    let node = scene.pair.stations[owner].node().to_string();
    scene.fault();
    scene.pair.stations[twin].ctl(&["node", "drain", &node])?;
    scene.wait_served_by(twin)?;
    scene.last(PAUSE);
    scene.pair.stations[twin].ctl(&["node", "undrain", &node])?;
    Ok(())
}

/// The node dies while it is emptied, and comes back while it still is.
pub fn killed_in_a_drain(scene: &mut Scene<'_>) -> Done {
    let (owner, twin) = (scene.owner, scene.twin());
    let node = scene.pair.stations[owner].node().to_string();
    let mut drain = scene.pair.stations[twin].begin_ctl(&["node", "drain", &node])?;
    scene.last(BEGUN);
    scene.kill(owner)?;
    scene.wait_served_by(twin)?;
    scene.start(owner)?;
    drain.wait().context("wait for the drain")?;
    scene.last(PAUSE);
    let status = scene.pair.status(twin)?;
    let twins = scene.pair.stations[twin].node();
    if status.is_protected || status.homes.iter().any(|home| home.serving != Some(twins)) {
        bail!("a drain that was begun was not gone on with: {status:?}");
    }
    scene.pair.stations[twin].ctl(&["node", "undrain", &node])?;
    Ok(())
}

/// Back and forth, between the two nodes of the other pair.
pub fn witness_moved(scene: &mut Scene<'_>) -> Done {
    scene.fault();
    for _ in NEIGHBOURS {
        let to = other_neighbour(scene)?.to_string();
        let moved = ["subcluster", "witness", "move", "--to", &to];
        scene.pair.stations[scene.owner].ctl(&moved)?;
        scene.last(PAUSE);
    }
    Ok(())
}

/// Whoever leads the group, and serves, dies while the witness is moved.
pub fn killed_in_a_membership_change(scene: &mut Scene<'_>) -> Done {
    let (owner, twin) = (scene.owner, scene.twin());
    let to = other_neighbour(scene)?;
    let number = to.to_string();
    let moved = ["subcluster", "witness", "move", "--to", &number];
    let mut moving = scene.pair.stations[twin].begin_ctl(&moved)?;
    scene.last(BEGUN);
    scene.kill(owner)?;
    scene.wait_served_by(twin)?;
    scene.last(Duration::from_secs(1));
    scene.start(owner)?;
    moving.wait().context("wait for the witness")?;
    let is_moved = wait_until(CHANGE_LIMIT, || Ok(witness(scene).ok() == Some(to)))?;
    if !is_moved {
        bail!("a move that was begun was not gone on with");
    }
    Ok(())
}

/// The node of the other pair that votes in this one's group.
fn witness(scene: &Scene<'_>) -> anyhow::Result<u16> {
    let status = scene.pair.status(scene.twin())?;
    let ours = [CASTOR, POLLUX].map(|station| scene.pair.stations[station].node());
    let voters: Vec<u16> = { status.members.iter() }
        .filter(|row| row.votes && !ours.contains(&row.node))
        .map(|row| row.node)
        .collect();
    match voters[..] {
        [witness] => Ok(witness),
        _ => bail!("there is not one witness: {voters:?}"),
    }
}

fn other_neighbour(scene: &Scene<'_>) -> anyhow::Result<u16> {
    let witness = witness(scene)?;
    let neighbours = NEIGHBOURS.map(|station| scene.pair.stations[station].node());
    let mut others = neighbours.into_iter().filter(|node| *node != witness);
    others.next().context("there is no other neighbour")
}
