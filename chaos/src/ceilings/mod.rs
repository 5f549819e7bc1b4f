//! What a server's work costs at the least on a machine: two servers that promise nothing, to stand
//! beside those that do. Processes of their own, measured as any other; never for real users.
//!
//! - `relay` passes bytes on between two connections: the kernel's part of a message, nothing else.
//! - `memory` speaks enough XMPP for the same clients: it scans and routes, keeps everything in
//!   memory on one thread, builds no tree, and forgets all at its end.

mod memory;
mod relay;
mod relay_load;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;

pub use memory::Settings;
pub use relay_load::{RelayLoad, RelayReport};

/// Connections that may wait to be accepted: a storm comes at once.
const BACKLOG: u32 = 8192;

/// Serves until the process is ended.
pub fn relay(listen: SocketAddr) -> anyhow::Result<()> {
    on_one_thread(relay::serve(listen))
}

/// Serves until the process is ended; accounts are read from a file that `account_line` fills.
pub fn memory(settings: &Settings) -> anyhow::Result<()> {
    on_one_thread(memory::serve(settings))
}

/// One line of the file of accounts.
pub fn account_line(user: &str, keys: &crate::client::Keys) -> String {
    memory::accounts::line(user, keys)
}

/// One thread has no locks and wakes nobody: what a second one costs is not part of the least.
fn on_one_thread(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    tokio::task::LocalSet::new().block_on(&runtime.context("start the runtime")?, work)
}

/// The certificate and its key as rustls takes them.
fn tls(certificate: &Path, key: &Path) -> anyhow::Result<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_file_iter(certificate).context("read the certificate")?;
    let chain: Result<Vec<_>, _> = chain.collect();
    let key = PrivateKeyDer::from_pem_file(key).context("read the key")?;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_no_client_auth()
        .with_single_cert(chain.context("read the certificate")?, key)
        .context("use the certificate")
}
