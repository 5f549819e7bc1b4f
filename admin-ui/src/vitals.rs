//! What is asked of a node.

use pollux_domain::metrics::Sample;

/// A node as a monitor sees it. Called on the server's own thread: must not wait.
pub trait Vitals: Send + Sync + 'static {
    fn samples(&self) -> Vec<Sample>;

    /// The node can go on; otherwise why not, for the operator: who asks may start it again.
    fn healthy(&self) -> Result<(), String>;

    /// The node serves and listens; otherwise what it waits for.
    fn ready(&self) -> Result<(), String>;
}
