//! Who administers: accounts with a role and the hash of a password, and tokens for programs. Not
//! for what a role may, nor for proving anything.

use std::collections::BTreeMap;
use std::fmt;

use pollux_domain::ids::WallMs;
use pollux_domain::limits;
use pollux_domain::operations::{AdministratorName, Role};
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administrators {
    accounts: BTreeMap<AdministratorName, Administrator>,
    tokens: BTreeMap<AdministratorName, ApiToken>,
}

/// One who signs in to the pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administrator {
    pub role: Role,
    pub password: PasswordHash,
    /// The version of the configuration with which the password was set. A session on the pages
    /// that is of another one has ended.
    pub password_version: u64,
}

/// What is kept of a password: Argon2id (RFC 9106) with what it was made by. Shows itself as
/// `PasswordHash(…)`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    pub salt: [u8; 16],
    pub hash: [u8; 32],
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What a program shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    pub role: Role,
    /// SHA-256 of the token: whoever reads it here has no token.
    pub digest: [u8; 32],
    pub expires: WallMs,
}

/// One change of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdministratorsChange {
    Add {
        name: AdministratorName,
        role: Role,
        password: PasswordHash,
    },
    Remove {
        name: AdministratorName,
    },
    SetPassword {
        name: AdministratorName,
        password: PasswordHash,
    },
    SetRole {
        name: AdministratorName,
        role: Role,
    },
    AddToken {
        name: AdministratorName,
        token: ApiToken,
    },
    RemoveToken {
        name: AdministratorName,
    },
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdministratorsReply {
    Done,
    Exists,
    NotFound,
    TooMany,
}

impl Administrators {
    /// In a new cluster: a token may have been taken back since.
    pub(super) fn begin_anew(&mut self) {
        self.tokens.clear();
    }

    /// `version`: of the configuration, with this change.
    pub(super) fn apply(
        &mut self,
        change: &AdministratorsChange,
        version: u64,
    ) -> AdministratorsReply {
        match change {
            AdministratorsChange::Add {
                name,
                role,
                password,
            } => {
                let administrator = Administrator {
                    role: *role,
                    password: *password,
                    password_version: version,
                };
                let most = limits::ADMINISTRATORS_MAX;
                enter(&mut self.accounts, name, administrator, most)
            }
            AdministratorsChange::Remove { name } => removed(self.accounts.remove(name)),
            AdministratorsChange::SetPassword { name, password } => self.change(name, |known| {
                known.password = *password;
                known.password_version = version;
            }),
            AdministratorsChange::SetRole { name, role } => {
                self.change(name, |known| known.role = *role)
            }
            AdministratorsChange::AddToken { name, token } => {
                enter(&mut self.tokens, name, *token, limits::API_TOKENS_MAX)
            }
            AdministratorsChange::RemoveToken { name } => removed(self.tokens.remove(name)),
        }
    }

    fn change(
        &mut self,
        name: &AdministratorName,
        change: impl FnOnce(&mut Administrator),
    ) -> AdministratorsReply {
        let Some(known) = self.accounts.get_mut(name) else {
            return AdministratorsReply::NotFound;
        };
        change(known);
        AdministratorsReply::Done
    }

    pub fn account(&self, name: &AdministratorName) -> Option<&Administrator> {
        self.accounts.get(name)
    }

    /// All in the order of their names.
    pub fn accounts(&self) -> impl Iterator<Item = (&AdministratorName, &Administrator)> {
        self.accounts.iter()
    }

    /// All in the order of their names.
    pub fn tokens(&self) -> impl Iterator<Item = (&AdministratorName, &ApiToken)> {
        self.tokens.iter()
    }

    /// The token with this digest, also when it has expired. Where a comparison of digests ends
    /// says nothing of the token.
    pub fn token(&self, digest: &[u8; 32]) -> Option<(&AdministratorName, &ApiToken)> {
        self.tokens().find(|(_, token)| token.digest == *digest)
    }
}

fn enter<T>(
    all: &mut BTreeMap<AdministratorName, T>,
    name: &AdministratorName,
    one: T,
    most: usize,
) -> AdministratorsReply {
    if all.contains_key(name) {
        return AdministratorsReply::Exists;
    }
    if most <= all.len() {
        return AdministratorsReply::TooMany;
    }
    all.insert(name.clone(), one);
    AdministratorsReply::Done
}

fn removed<T>(one: Option<T>) -> AdministratorsReply {
    match one {
        Some(_) => AdministratorsReply::Done,
        None => AdministratorsReply::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AdministratorName {
        AdministratorName::new(text).unwrap()
    }

    fn hash(byte: u8) -> PasswordHash {
        PasswordHash {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
            salt: [byte; 16],
            hash: [byte; 32],
        }
    }

    fn add(text: &str) -> AdministratorsChange {
        AdministratorsChange::Add {
            name: name(text),
            role: Role::Operator,
            password: hash(231),
        }
    }

    #[test]
    fn administrators_come_change_and_go() {
        let mut all = Administrators::default();
        assert_eq!(all.apply(&add("ann"), 7), AdministratorsReply::Done);
        assert_eq!(all.apply(&add("ann"), 8), AdministratorsReply::Exists);
        let account = |all: &Administrators| all.account(&name("ann")).cloned().unwrap();
        assert_eq!(account(&all).password_version, 7);
        let role = Role::Viewer;
        let set = AdministratorsChange::SetRole {
            name: name("ann"),
            role,
        };
        assert_eq!(all.apply(&set, 9), AdministratorsReply::Done);
        assert_eq!(
            (account(&all).role, account(&all).password_version),
            (role, 7)
        );
        let password = AdministratorsChange::SetPassword {
            name: name("ann"),
            password: hash(232),
        };
        assert_eq!(all.apply(&password, 10), AdministratorsReply::Done);
        assert_eq!(account(&all).password_version, 10);
        assert!(!format!("{all:?} {password:?}").contains("232"));
        let remove = AdministratorsChange::Remove { name: name("ann") };
        assert_eq!(all.apply(&remove, 11), AdministratorsReply::Done);
        for change in [remove, set, password] {
            assert_eq!(all.apply(&change, 12), AdministratorsReply::NotFound);
        }
    }

    #[test]
    fn a_token_is_found_by_its_digest() {
        let mut all = Administrators::default();
        let token = ApiToken {
            role: Role::Viewer,
            digest: [7; 32],
            expires: WallMs(1),
        };
        let add = AdministratorsChange::AddToken {
            name: name("backup"),
            token,
        };
        assert_eq!(all.apply(&add, 1), AdministratorsReply::Done);
        assert_eq!(all.apply(&add, 2), AdministratorsReply::Exists);
        assert_eq!(all.token(&[7; 32]), Some((&name("backup"), &token)));
        assert_eq!(all.token(&[8; 32]), None);
        let remove = AdministratorsChange::RemoveToken {
            name: name("backup"),
        };
        assert_eq!(all.apply(&remove, 3), AdministratorsReply::Done);
        assert_eq!(all.apply(&remove, 4), AdministratorsReply::NotFound);
        assert_eq!(all.token(&[7; 32]), None);
    }

    #[test]
    fn there_are_not_more_than_there_may_be() {
        let mut all = Administrators::default();
        for number in 0..limits::ADMINISTRATORS_MAX {
            let add = add(&format!("a{number}"));
            assert_eq!(all.apply(&add, 1), AdministratorsReply::Done);
        }
        assert_eq!(all.apply(&add("one-more"), 1), AdministratorsReply::TooMany);
        let remove = AdministratorsChange::Remove { name: name("a0") };
        all.apply(&remove, 1);
        assert_eq!(all.apply(&add("one-more"), 1), AdministratorsReply::Done);
    }
}
