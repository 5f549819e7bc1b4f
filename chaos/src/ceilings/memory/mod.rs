//! The least that an XMPP server can do: accepts, and keeps who is there. Everything is on one
//! thread and in memory; nothing is replicated, stored, resumed or acknowledged.

pub mod accounts;
mod connection;
mod contacts;
mod people;
mod stanzas;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;
use tokio::task::JoinSet;

use accounts::Accounts;
use people::State;
use wire::{Desk, Wire};

/// What the server is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub domain: String,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub accounts: PathBuf,
}

pub async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let tls = Arc::new(super::tls(&settings.certificate, &settings.key)?);
    let accounts = Accounts::new(settings.accounts.clone());
    let state = Rc::new(State::new(settings.domain.clone(), tls, accounts));
    let desk = Rc::new(Desk::default());
    let listener = super::relay::listener(settings.listen)?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.context("accept a connection")?;
        stream.set_nodelay(true).context("set up a connection")?;
        let wire = Rc::new(Wire::new(stream, desk.clone()));
        connections.spawn_local(connection::serve(wire, state.clone()));
        while connections.try_join_next().is_some() {}
    }
}
