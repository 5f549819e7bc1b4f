//! The format that the cluster uses, as far as this process has heard: shared by the groups, which
//! learn it and write in it, and the links, which refuse whoever does not speak it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// See the module. It only grows. Cheap to clone: all clones are one.
#[derive(Debug, Clone)]
pub struct InUse(Arc<Heard>);

#[derive(Debug)]
struct Heard {
    format: AtomicU16,
    /// What the cluster went over to, and this build does not speak; 0: nothing.
    unspoken: AtomicU16,
}

impl InUse {
    pub fn new(format: u16) -> InUse {
        InUse(Arc::new(Heard {
            format: AtomicU16::new(format),
            unspoken: AtomicU16::new(0),
        }))
    }

    pub fn get(&self) -> u16 {
        self.0.format.load(Ordering::Relaxed)
    }

    /// Returns whether it is news.
    pub fn raise(&self, format: u16) -> bool {
        self.0.format.fetch_max(format, Ordering::Relaxed) < format
    }

    /// The cluster uses a format that this build does not speak: its groups go on no more.
    pub fn give_up(&self, format: u16) {
        self.0.unspoken.fetch_max(format, Ordering::Relaxed);
    }

    /// That format, if there is one.
    pub fn unspoken(&self) -> Option<u16> {
        Some(self.0.unspoken.load(Ordering::Relaxed)).filter(|format| 0 < *format)
    }
}

impl Default for InUse {
    /// The first format that there was.
    fn default() -> InUse {
        InUse::new(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_grows() {
        let one = InUse::default();
        let same = one.clone();
        assert!(one.raise(3));
        assert!(!same.raise(2) && !same.raise(3));
        assert_eq!((one.get(), same.get()), (3, 3));
        assert_eq!(one.unspoken(), None);
        same.give_up(4);
        assert_eq!((one.unspoken(), one.get()), (Some(4), 3));
    }
}
