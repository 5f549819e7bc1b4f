//! How long a test waits for what must come. Only for waiting: no test measures time.
#![expect(
    clippy::disallowed_methods,
    reason = "real processes are watched from outside, by threads of the test"
)]

use std::time::{Duration, Instant};

/// What a loaded machine may need for any single thing; nothing right takes nearly as long.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition that cannot be waited for otherwise.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A moment after which a test gives up.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn new() -> Deadline {
        Deadline::after(PATIENCE)
    }

    pub fn after(patience: Duration) -> Deadline {
        Deadline(Instant::now() + patience)
    }

    /// What is left, or nothing.
    pub fn left(self) -> Option<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Looks until there is something, and panics with `what` was waited for where it never comes.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match found(PATIENCE, look) {
        Some(found) => found,
        None => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// Looks until there is something, or the patience is over.
pub fn found<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Deadline::after(patience);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        deadline.left()?;
        std::thread::sleep(LOOK_AGAIN);
    }
}
