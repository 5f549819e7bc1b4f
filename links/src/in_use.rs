//! The format that the cluster uses, as far as this process has heard: shared by the groups, which
//! learn it and write in it, and the links, which refuse whoever does not speak it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// See the module. It only grows. Cheap to clone: all clones are one.
#[derive(Debug, Clone)]
pub struct InUse(Arc<AtomicU16>);

impl InUse {
    pub fn new(format: u16) -> InUse {
        InUse(Arc::new(AtomicU16::new(format)))
    }

    pub fn get(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns whether it is news.
    pub fn raise(&self, format: u16) -> bool {
        self.0.fetch_max(format, Ordering::Relaxed) < format
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
    }
}
