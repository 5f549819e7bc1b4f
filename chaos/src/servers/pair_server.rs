//! A pair with its witness as one server under test, whose three processes count together. For
//! measurements without faults; drills take the pair itself.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::bail;

use super::certificate::Certificate;
use super::pair::{Homes, Pair, PairOptions, Station};
use super::{Server, Users};

/// Each start makes a new pair: had its processes stopped one after the other, the twin of the
/// first would serve all users, and a run would measure relayed streams.
pub struct PairServer {
    options: PairOptions,
    pair: Pair,
    state: PairState,
    users: Option<Users>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PairState {
    /// Made, and not yet asked for.
    Fresh,
    Running,
    Stopped,
}

impl PairServer {
    /// `program` is the built binary.
    pub fn new(program: &Path) -> anyhow::Result<Self> {
        let options = PairOptions::of(program);
        Ok(PairServer {
            pair: Pair::open(&options)?,
            options,
            state: PairState::Fresh,
            users: None,
        })
    }
}

impl Server for PairServer {
    fn name(&self) -> &'static str {
        "pollux pair"
    }

    fn start(&mut self) -> anyhow::Result<()> {
        match self.state {
            PairState::Running => bail!("the pair runs already"),
            PairState::Fresh => {}
            PairState::Stopped => {
                self.pair = Pair::open(&self.options)?;
                if let Some(users) = &self.users {
                    self.pair.add_users(users, Homes::Both)?;
                }
            }
        }
        self.state = PairState::Running;
        Ok(())
    }

    fn pid(&self) -> Option<u32> {
        self.pair.stations.first().and_then(Station::pid)
    }

    fn other_pids(&self) -> Vec<u32> {
        let others = self.pair.stations.iter().skip(1);
        others.filter_map(Station::pid).collect()
    }

    fn address(&self) -> SocketAddr {
        self.pair.stations[0].client_address()
    }

    /// Each pair of clients goes to the node that is its home.
    fn addresses(&self) -> Vec<SocketAddr> {
        self.pair.client_addresses()
    }

    fn certificate(&self) -> &Certificate {
        self.pair.certificate()
    }

    fn add_users(&mut self, users: &Users) -> anyhow::Result<()> {
        self.pair.add_users(users, Homes::Both)?;
        self.users = Some(users.clone());
        Ok(())
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.state = PairState::Stopped;
        let mut stations = self.pair.stations.iter_mut();
        stations.try_for_each(Station::stop)
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.state = PairState::Stopped;
        let mut stations = self.pair.stations.iter_mut();
        stations.try_for_each(Station::kill)
    }
}
