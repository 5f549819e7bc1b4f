//! Everybody wants in while the listener is away: how long it takes until all are in once it is
//! back.

use std::rc::Rc;

use anyhow::bail;
use serde::Serialize;

use super::histogram::Latency;
use super::target::Target;

#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Each is a user's own.
    pub sessions: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct StormReport {
    pub sessions: usize,
    pub starttls: bool,
    /// From the open listener to the last bound session.
    pub seconds: f64,
    /// From the open listener to the first bound session.
    pub first_seconds: f64,
    /// From the connection that led to it to the bound session.
    pub sign_in_latency: Latency,
    /// Connections that were made and ended without a session.
    pub turned_away: u64,
}

impl Storm {
    /// Every user signs in once, so that clients have derived their keys. The caller then stops the
    /// server.
    pub async fn warm_up(&self, _target: Rc<Target>) -> anyhow::Result<()> {
        bail!("the body comes with the next commit")
    }

    /// `open` starts the server and may block.
    pub async fn run(
        &self,
        _target: Rc<Target>,
        _open: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<StormReport> {
        bail!("the body comes with the next commit")
    }
}
