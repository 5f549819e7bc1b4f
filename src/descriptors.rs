//! How many files this process may open: each client takes one. The soft limit of most systems, a
//! thousand, is for programs that cannot count further; a node raises its own to the hard one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The soft and the hard limit; none is unlimited.
pub fn limits() -> (Option<u64>, Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    (limit.current, limit.maximum)
}

/// Takes what this process may have, and says so.
pub fn raise() {
    let (_, maximum) = limits();
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "failed to raise the number of open files");
    }
    let (files, _) = limits();
    tracing::info!(files = files.unwrap_or(u64::MAX), "open files are limited");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise();
        let (soft, hard) = limits();
        assert_eq!(soft, hard);
    }
}
