//! A drill in which the certificates between nodes are rotated while people chat, and a node dies
//! in the middle of it.

use std::time::Duration;

use anyhow::{Context, bail};
use pollux_domain::operations::CertificatesStatus;

use super::scene::Scene;
use crate::servers::pair::WITNESS;
use crate::servers::wait_until;

/// How soon all nodes must show other certificates after the last of them is back.
const LIMIT: Duration = Duration::from_secs(30);

pub fn certificate_rotation(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let before = status(scene)?.authority;
    scene.fault();
    let asked = &scene.pair.stations[scene.twin()];
    asked.ctl(&["cluster", "rotate-certificates"])?;
    // In the middle: it has heard of it, and has not come to its end.
    scene.kill(scene.owner)?;
    scene.wait_served_by(scene.twin())?;
    let halfway = status(scene)?;
    if halfway.authority != before {
        bail!("the rotation did not wait for the node that was killed");
    }
    scene.start(scene.owner)?;
    let done = wait_until(LIMIT, || {
        let status = status(scene)?;
        Ok(status.authority != before && status.next_authority.is_none())
    })?;
    if !done {
        let status = status(scene)?;
        bail!("the certificates are not rotated in time: {status:?}");
    }
    let status = status(scene)?;
    let all = status.nodes.iter();
    let others = all.filter(|row| row.authority.as_ref() != Some(&status.authority));
    if let Some(row) = { others }.next() {
        bail!("{} shows a certificate of another authority", row.name);
    }
    Ok(())
}

fn status(scene: &Scene<'_>) -> anyhow::Result<CertificatesStatus> {
    let text = scene.pair.stations[WITNESS].ctl(&["--json", "cluster", "certificates"])?;
    serde_json::from_str(&text).context("read the certificates")
}
