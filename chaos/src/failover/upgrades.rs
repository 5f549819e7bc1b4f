//! Drills with two versions of the program: a pair is upgraded node by node, and back, while people
//! chat, and the mixed pair is broken meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use super::scene::Scene;
use crate::servers::pair::{Role, WITNESS};
use crate::servers::wait_until;

type Done = anyhow::Result<()>;

/// How soon a pair is whole again after one of its nodes was replaced.
const WHOLE: Duration = Duration::from_secs(30);
/// What a version ends with that does not speak the format of its cluster.
const REFUSED: i32 = 66;
/// The format of the next version.
const NEXT: u16 = 2;

/// The order of the book: the witness, the node that stands by, the one that serves. In between
/// each takes over from the other, which is killed.
pub fn rolling_upgrade(scene: &mut Scene<'_>) -> Done {
    let (owner, twin) = (scene.owner, scene.twin());
    let (old, next) = versions(scene)?;
    scene.fault();
    replace(scene, WITNESS, &next)?;
    replace(scene, twin, &next)?;
    expect_refusal(scene, WITNESS, "not every node speaks format")?;
    take_over(scene, owner, twin)?;
    take_over(scene, twin, owner)?;
    replace(scene, owner, &next)?;
    finish(scene)?;
    expect_refusal(scene, WITNESS, "there is nothing to finish")?;
    // What is written from now on, the version before does not read: a takeover reads it.
    take_over(scene, twin, owner)?;
    for station in [WITNESS, twin] {
        relieve(scene, station)?;
        scene.pair.stations[station].stop()?;
        scene.pair.stations[station].install(&old);
        let words = format!("install a version that speaks format {NEXT}");
        is_refused(scene, station, &words)?;
        // As if it had been killed before it kept what it had heard: its logs tell.
        scene.pair.stations[station].forget_format(NEXT, NEXT - 1)?;
        is_refused(scene, station, "written by a newer release")?;
        scene.pair.stations[station].install(&next);
        scene.start(station)?;
        scene.pair.wait_healthy(WHOLE)?;
    }
    Ok(())
}

/// All are upgraded, and all go back: what the next version has written meanwhile is read by the
/// version before.
pub fn rolling_downgrade(scene: &mut Scene<'_>) -> Done {
    let (owner, twin) = (scene.owner, scene.twin());
    let (old, next) = versions(scene)?;
    scene.fault();
    for station in [WITNESS, twin, owner] {
        replace(scene, station, &next)?;
    }
    scene.last(Duration::from_secs(2));
    replace(scene, owner, &old)?;
    take_over(scene, twin, owner)?;
    take_over(scene, owner, twin)?;
    replace(scene, twin, &old)?;
    replace(scene, WITNESS, &old)?;
    take_over(scene, twin, owner)
}

fn versions(scene: &Scene<'_>) -> anyhow::Result<(PathBuf, PathBuf)> {
    let next = scene.pair.next.clone();
    let next = next.context("the program of the next version is needed: --pollux-next")?;
    Ok((scene.pair.program.clone(), next))
}

/// As an operator does it: nobody is served by the node, it is stopped, and comes back with another
/// program.
fn replace(scene: &mut Scene<'_>, station: usize, program: &Path) -> Done {
    relieve(scene, station)?;
    let pair = &mut *scene.pair;
    pair.stations[station].stop()?;
    pair.stations[station].install(program);
    pair.stations[station].start(&pair.ground)?;
    pair.wait_healthy(WHOLE)
}

/// Its twin serves its users.
fn relieve(scene: &mut Scene<'_>, station: usize) -> Done {
    if scene.pair.stations[station].role == Role::Witness {
        return Ok(());
    }
    let node = scene.pair.stations[station].node().to_string();
    scene.pair.stations[WITNESS].ctl(&["subcluster", "failover", &node])?;
    scene.pair.wait_healthy(WHOLE)
}

/// kill -9 of a node that serves, until its twin does.
fn take_over(scene: &mut Scene<'_>, from: usize, to: usize) -> Done {
    relieve(scene, to)?;
    scene.wait_served_by(from)?;
    scene.kill(from)?;
    scene.wait_served_by(to)?;
    scene.start(from)?;
    scene.pair.wait_healthy(WHOLE)
}

/// As soon as the last one has said what it runs.
fn finish(scene: &Scene<'_>) -> Done {
    let mut said = Err(anyhow::anyhow!("was not asked"));
    wait_until(WHOLE, || {
        said = scene.pair.stations[WITNESS].ctl(&["cluster", "finish-upgrade"]);
        Ok(said.is_ok())
    })?;
    said.map(drop).context("finish the upgrade")
}

/// The upgrade is not finished, and why.
fn expect_refusal(scene: &Scene<'_>, station: usize, words: &str) -> Done {
    match scene.pair.stations[station].ctl(&["cluster", "finish-upgrade"]) {
        Ok(said) => bail!("the upgrade was finished too early: {said}"),
        Err(error) if error.to_string().contains(words) => Ok(()),
        Err(error) => Err(error.context("another reason was expected")),
    }
}

/// The version before does not come back, and says what to install.
fn is_refused(scene: &mut Scene<'_>, station: usize, words: &str) -> Done {
    let pair = &mut *scene.pair;
    let (code, said) = pair.stations[station].fails_to_start(&pair.ground)?;
    if code != Some(REFUSED) || !said.contains(words) {
        bail!("an older version ended with {code:?}, and said: {said}");
    }
    Ok(())
}
