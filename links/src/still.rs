//! A clock that stands and chance that is none, for the tests within this crate.

use std::sync::Arc;
use std::time::Duration;

use pollux_domain::ids::WallMs;
use pollux_domain::seams::{Ambient, Clock, Rand};

struct Still;

impl Clock for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> WallMs {
        WallMs(1_800_000_000_000)
    }
}

impl Rand for Still {
    fn fill(&self, out: &mut [u8]) {
        out.fill(5);
    }
}

pub(crate) fn ambient() -> Ambient {
    Ambient {
        clock: Arc::new(Still),
        rand: Arc::new(Still),
    }
}
