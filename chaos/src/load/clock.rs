//! The time by which the load tool measures: tokio's, so that a paused clock holds for it too.
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the clock; it is read here only"
)]

use tokio::time::Instant;

pub fn now() -> Instant {
    Instant::now()
}
