//! How many connections there are whose client has not signed in. While there are as many as may
//! be, newcomers wait in the system's backlog for a place, and are turned away one by one, so that
//! turning away does not become the node's work. Not for what strangers say: see `negotiate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pollux_domain::limits;
use tokio::sync::Notify;
use tokio::time::timeout;

const MAX: u64 = limits::PREAUTH_CONNECTIONS_MAX as u64;
/// Between two that are turned away.
const PAUSE: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Debug, Default)]
pub struct Strangers {
    inside: AtomicU64,
    left: Notify,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Stranger {
    strangers: Arc<Strangers>,
    welcome: bool,
}

impl Strangers {
    pub fn count(&self) -> u64 {
        self.inside.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.count() < MAX
    }

    /// Resolves when there is a place, and when none has become free for a moment: who comes next
    /// has waited, and is told.
    pub async fn room(&self) {
        while !self.has_room() {
            if timeout(PAUSE, self.left.notified()).await.is_err() {
                return;
            }
        }
    }

    /// One more is here, and goes again if it is not welcome.
    pub fn enter(self: &Arc<Strangers>) -> Stranger {
        let before = self.inside.fetch_add(1, Ordering::Relaxed);
        Stranger {
            strangers: self.clone(),
            welcome: before < MAX,
        }
    }
}

impl Stranger {
    /// There was a place.
    pub fn is_welcome(&self) -> bool {
        self.welcome
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let before = self.strangers.inside.fetch_sub(1, Ordering::Relaxed);
        // One that was turned away leaves no place.
        if before <= MAX {
            self.strangers.left.notify_one();
        }
    }
}
