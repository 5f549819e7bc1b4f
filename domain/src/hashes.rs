//! Which hashes an account has keys for, so that it can be proved by SCRAM with each of them, and
//! what that is for all accounts together. Not for keys.

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    pub sha1: bool,
    pub sha256: bool,
    pub sha512: bool,
}

impl Hashes {
    /// What a password gives.
    pub const ALL: Hashes = Hashes {
        sha1: true,
        sha256: true,
        sha512: true,
    };

    /// The others.
    pub fn missing(self) -> Hashes {
        Hashes {
            sha1: !self.sha1,
            sha256: !self.sha256,
            sha512: !self.sha512,
        }
    }
}

/// How many accounts lack each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    sha1: usize,
    sha256: usize,
    sha512: usize,
}

impl Lacking {
    pub fn enter(&mut self, account: Hashes) {
        let missing = account.missing();
        self.sha1 += usize::from(missing.sha1);
        self.sha256 += usize::from(missing.sha256);
        self.sha512 += usize::from(missing.sha512);
    }

    pub fn leave(&mut self, account: Hashes) {
        let missing = account.missing();
        self.sha1 = self.sha1.saturating_sub(usize::from(missing.sha1));
        self.sha256 = self.sha256.saturating_sub(usize::from(missing.sha256));
        self.sha512 = self.sha512.saturating_sub(usize::from(missing.sha512));
    }

    /// What somebody lacks.
    pub fn any(self) -> Hashes {
        Hashes {
            sha1: self.sha1 != 0,
            sha256: self.sha256 != 0,
            sha512: self.sha512 != 0,
        }
    }

    /// What everybody has; all of them where there is no such.
    pub fn common(self) -> Hashes {
        match self.any().missing() {
            none if none == Hashes::default() => Hashes::ALL,
            common => common,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_has_changes_with_those_who_come_and_go() {
        let sha1 = Hashes {
            sha1: true,
            ..Hashes::default()
        };
        let mut lacking = Lacking::default();
        assert_eq!(lacking.common(), Hashes::ALL);
        assert_eq!(lacking.any(), Hashes::default());
        lacking.enter(Hashes::ALL);
        lacking.enter(sha1);
        lacking.enter(sha1);
        assert_eq!(lacking.common(), sha1);
        assert_eq!(lacking.any(), sha1.missing());
        lacking.leave(sha1);
        assert_eq!(lacking.common(), sha1);
        lacking.enter(sha1.missing());
        assert_eq!(lacking.common(), Hashes::ALL, "nothing is common");
        lacking.leave(sha1.missing());
        lacking.leave(sha1);
        assert_eq!(lacking, Lacking::default());
    }
}
