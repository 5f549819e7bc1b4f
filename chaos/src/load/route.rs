//! Where a client connects next, when it knows several nodes: where the server said it should
//! resume, then the others in turn, soon at first.

use std::net::SocketAddr;
use std::time::Duration;

/// Before the first tries.
const SOON: Duration = Duration::from_millis(50);
/// So many tries come soon; the pause doubles with each that follows.
const SOON_TRIES: u32 = 20;
const PAUSE_MOST: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
pub struct Route {
    known: Vec<SocketAddr>,
    /// Where the last try went: an index of `known`.
    last: usize,
    tries: u32,
    /// The last connection ended in silence: not there again at first.
    is_silent: bool,
}

impl Route {
    /// `known` has one address at least; the first try goes to the `first` of them, counted around.
    pub fn new(known: &[SocketAddr], first: usize) -> Self {
        let count = known.len().max(1);
        Route {
            known: known.to_vec(),
            last: (first + count - 1) % count,
            tries: 0,
            is_silent: false,
        }
    }

    /// The next address; `location` is what the server said at `<enabled/>`.
    pub fn next(&mut self, location: Option<&str>) -> SocketAddr {
        let told: Option<SocketAddr> = location.and_then(|text| text.parse().ok());
        let told = told.and_then(|told| self.known.iter().position(|known| *known == told));
        self.last = match told {
            Some(told) if self.tries == 0 && !(self.is_silent && told == self.last) => told,
            _ => (self.last + 1) % self.known.len(),
        };
        self.tries += 1;
        self.known[self.last]
    }

    /// The client is in: the next try is the first after a loss.
    pub fn arrived(&mut self) {
        self.tries = 0;
        self.is_silent = false;
    }

    /// The connection was given up because nothing was heard.
    pub fn silent(&mut self) {
        self.is_silent = true;
    }

    /// How long to wait before the next try.
    pub fn pause(&self) -> Duration {
        let doublings = self.tries.saturating_sub(SOON_TRIES).min(8);
        (SOON * 2_u32.pow(doublings)).min(PAUSE_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_where_it_was_told_and_then_around() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut route = Route::new(&[address(1), address(2)], 1);
        assert_eq!(route.next(None), address(2), "the first that was asked for");
        route.arrived();
        assert_eq!(route.next(Some("127.0.0.1:1")), address(1));
        assert_eq!(
            route.next(Some("127.0.0.1:1")),
            address(2),
            "then the other"
        );
        assert_eq!(route.next(Some("127.0.0.1:1")), address(1));
        route.arrived();
        assert_eq!(
            route.next(Some("nowhere")),
            address(2),
            "unknown places are not gone to"
        );
    }

    #[test]
    fn is_quick_at_first() {
        let mut route = Route::new(&[SocketAddr::from(([127, 0, 0, 1], 1))], 0);
        for _ in 0..SOON_TRIES {
            assert_eq!(route.pause(), SOON);
            route.next(None);
        }
        for _ in 0..20 {
            route.next(None);
        }
        assert_eq!(route.pause(), PAUSE_MOST);
    }
}
