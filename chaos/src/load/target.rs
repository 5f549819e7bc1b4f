//! The server under load as the drivers see it: where it is, who may sign in, which process to
//! measure.

use std::cell::RefCell;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::dial::{Stream, dial};
use super::oracle::Oracle;
use super::span::Recordings;
use crate::client::{
    Client, Error, Journal, KeyCache, Mechanism, Options, Outcome, StreamManagement, Tls,
};
use crate::servers::pair::Pair;
use crate::servers::{Server, Users};

pub struct Target {
    /// Where clients connect: one server, or the nodes of a pair.
    pub addresses: Vec<SocketAddr>,
    /// How long a server may be silent before a client gives the connection up; a client without
    /// waits for ever.
    pub patience: Option<Duration>,
    /// The process to measure, if it is on this machine.
    pub pid: Option<u32>,
    /// Processes whose CPU time counts with it, where a server is several.
    pub other_pids: Vec<u32>,
    pub users: Users,
    pub tls: Tls,
    pub mechanism: Option<Mechanism>,
    pub keys: KeyCache,
    /// Where to record what measured parts spend CPU time on, if anybody wants to know.
    pub recordings: Option<Recordings>,
    /// Whether long work says on standard error how far it is.
    pub progress: bool,
}

/// How long signing in may take where nobody is in a hurry.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(60);

/// A client whose account an oracle keeps.
pub type Driven = Client<Stream, Rc<RefCell<Oracle>>>;

impl Target {
    /// A server that was started here. SCRAM-SHA-1, because every server offers it.
    pub fn of(server: &dyn Server, users: &Users, starttls: bool) -> anyhow::Result<Self> {
        let tls = if starttls {
            server.certificate().tls()?
        } else {
            Tls::Never
        };
        Ok(Target {
            addresses: server.addresses(),
            patience: None,
            pid: server.pid(),
            other_pids: server.other_pids(),
            users: users.clone(),
            tls,
            mechanism: Some(Mechanism::ScramSha1),
            keys: KeyCache::default(),
            recordings: None,
            progress: false,
        })
    }

    /// A pair: clients know both nodes. No process is measured.
    pub fn of_pair(pair: &Pair, users: &Users, progress: bool) -> Self {
        Target {
            addresses: pair.client_addresses(),
            patience: None,
            pid: None,
            other_pids: Vec::new(),
            users: users.clone(),
            tls: Tls::Never,
            mechanism: Some(Mechanism::ScramSha1),
            keys: KeyCache::default(),
            recordings: None,
            progress,
        }
    }

    pub fn options(&self, stream_management: StreamManagement, request_every: u32) -> Rc<Options> {
        let options = Options {
            tls: self.tls.clone(),
            mechanism: self.mechanism,
            stream_management,
            request_every,
            answer_requests: true,
            timeout: self.patience.map_or(SIGN_IN_LIMIT, |patience| patience * 3),
            keys: self.keys.clone(),
        };
        options.shared()
    }

    pub async fn connect<J: Journal>(
        &self,
        client: &mut Client<Stream, J>,
    ) -> Result<Outcome, Error> {
        let address = self.addresses.first().ok_or(Error::NotConnected)?;
        self.connect_to(client, *address).await
    }

    /// Connects to one of several.
    pub async fn connect_to<J: Journal>(
        &self,
        client: &mut Client<Stream, J>,
        address: SocketAddr,
    ) -> Result<Outcome, Error> {
        let limit = self.patience.unwrap_or(SIGN_IN_LIMIT);
        let dialled = tokio::time::timeout(limit, dial(address)).await;
        let stream = dialled.map_err(|_| Error::Timeout("connect"))??;
        client.connect(stream).await
    }

    /// Whether clients use TLS.
    pub fn is_secured(&self) -> bool {
        !matches!(self.tls, Tls::Never)
    }

    /// The processes to measure; none where none was named.
    pub fn pids(&self) -> Vec<u32> {
        let others = self.other_pids.iter().copied();
        self.pid
            .map_or(Vec::new(), |pid| [pid].into_iter().chain(others).collect())
    }

    pub fn say(&self, text: std::fmt::Arguments<'_>) {
        if self.progress {
            // Progress that nobody can read is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({:?}, {:?})", self.addresses, self.tls)
    }
}
