//! What is asked of a node on behalf of those who administer it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use pollux_domain::operations::{
    AdministratorName, Caller, Denial, Errand, OperationError, Outcome, Role, Secret,
};

/// An answer that comes from another thread.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    pub name: AdministratorName,
    pub role: Role,
    /// With another one, whoever signed in has to do it again.
    pub password_version: u64,
}

/// A node as its administrators reach it. Called on the server's own thread: must not wait, but in
/// what it returns.
pub trait Administration: Send + Sync + 'static {
    /// Done where the node does such things; refused when too much waits there.
    fn execute(&self, caller: Caller, errand: Errand) -> Pending<Result<Outcome, OperationError>>;

    fn sign_in(
        &self,
        name: String,
        password: Secret,
        address: IpAddr,
    ) -> Pending<Result<Administrator, Denial>>;

    /// Who asks with this token.
    fn of_token(&self, token: String, address: IpAddr) -> Pending<Result<Caller, Denial>>;

    /// Whoever is signed in, as it is now; none: gone.
    fn administrator(&self, name: &AdministratorName) -> Option<Administrator>;

    /// Monotonic.
    fn now(&self) -> Duration;

    /// What people read as the time, in milliseconds since 1970.
    fn wall_ms(&self) -> u64;

    /// Random bytes that nobody guesses.
    fn secret(&self) -> [u8; 32];
}
