//! The cluster's configuration as a pure state machine: users with their credentials and homes, the
//! topology, the settings of the cluster, who administers it, and who changed what. The rest joins
//! it with the issues that need it.

mod accounts;
mod administrators;
mod audit;
mod hosting;
mod rotation;
mod topology;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::hashes::Lacking;
use pollux_domain::ids::{ClusterId, NodeId};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::operations::Secret;
use pollux_domain::settings::Settings;
use serde::{Deserialize, Serialize};

pub use accounts::{Account, Credentials};
pub use administrators::{
    Administrator, Administrators, AdministratorsChange, AdministratorsReply, ApiToken,
    PasswordHash,
};
pub use audit::{Audit, AuditEntry, AuditLine};
pub use hosting::Hosting;
pub use rotation::{Credential, Due, Phase, Shown, TicketSecrets};
pub use topology::{
    ClusterSecrets, Invitation, NodeEntry, Role, SubclusterEntry, Topology, TopologyChange,
    TopologyReply,
};

/// What is configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Configuration {
    users: Arc<BTreeMap<BareJid, Account>>,
    /// How many of them have no keys for a hash.
    lacking: Lacking,
    /// Makes unknown users look like known ones (RFC 5802 section 9); made once, secret.
    decoy_secret: Option<Bytes>,
    /// What tokens of clients are derived from (XEP-0484); made once, secret. It stands here so
    /// that the database of a subcluster, where their numbers are, signs nobody in by itself.
    token_secret: Option<Bytes>,
    /// What the cluster shares with its TURN servers (XEP-0215).
    external_secret: Option<Secret>,
    topology: Arc<Topology>,
    settings: Arc<Settings>,
    administrators: Arc<Administrators>,
    audit: Arc<Audit>,
    /// How often it has changed, the audit aside.
    version: u64,
}

/// One change.
#[expect(
    clippy::large_enum_variant,
    reason = "changes are few, travel alone, and are not kept"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Taken only once.
    DecoySecret(Bytes),
    /// Taken only once.
    TokenSecret(Bytes),
    /// None: it is forgotten.
    ExternalSecret(Option<Secret>),
    AddUser {
        user: BareJid,
        account: Account,
    },
    SetCredentials {
        user: BareJid,
        credentials: Credentials,
    },
    /// More keys for the same password, as long as these are those that the account has.
    AddKeys {
        user: BareJid,
        known: Credentials,
        credentials: Credentials,
    },
    RemoveUser {
        user: BareJid,
    },
    SetDisabled {
        user: BareJid,
        disabled: bool,
    },
    Topology(TopologyChange),
    /// Settings by name, as a person writes them; without text one is as at the beginning. All of
    /// them, or none.
    Set(Vec<(String, Option<String>)>),
    Administrators(AdministratorsChange),
    /// Something was changed, or somebody wanted it to be.
    Audit(AuditEntry),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeReply {
    Done,
    Exists,
    NoSuchUser,
    TooManyUsers,
    /// The credentials are others by now.
    Stale,
    BadSettings,
    Topology(TopologyReply),
    Administrators(AdministratorsReply),
}

impl Configuration {
    /// As a new cluster begins with it; `node` is all that there is of that. What clients and
    /// programs were given to come in without a password is worth nothing there: it may have been
    /// taken back since.
    pub fn begin_anew(
        &mut self,
        cluster: ClusterId,
        node: NodeId,
        entry: NodeEntry,
        secrets: ClusterSecrets,
        restored: [u8; 16],
    ) {
        self.version += 1;
        self.token_secret = None;
        Arc::make_mut(&mut self.administrators).begin_anew();
        Arc::make_mut(&mut self.topology).begin_anew(cluster, node, entry, secrets, restored);
    }

    pub fn apply(&mut self, change: &Change) -> ChangeReply {
        // What is written down of a change is none: nobody needs to look again.
        if !matches!(change, Change::Audit(_)) {
            self.version += 1;
        }
        match change {
            Change::DecoySecret(secret) => {
                self.decoy_secret.get_or_insert_with(|| secret.clone());
            }
            Change::TokenSecret(secret) => {
                self.token_secret.get_or_insert_with(|| secret.clone());
            }
            Change::ExternalSecret(secret) => self.external_secret = secret.clone(),
            Change::AddUser { user, .. } if self.users.contains_key(user) => {
                return ChangeReply::Exists;
            }
            Change::AddUser { .. } if limits::USERS_MAX <= self.users.len() => {
                return ChangeReply::TooManyUsers;
            }
            Change::AddUser { user, account } => {
                let account = Account {
                    password_version: self.version,
                    ..account.clone()
                };
                self.lacking.enter(account.credentials.hashes);
                Arc::make_mut(&mut self.users).insert(user.clone(), account);
            }
            Change::SetCredentials { user, credentials } => {
                let version = self.version;
                return self.change_account(user, |account| {
                    account.credentials = credentials.clone();
                    account.password_version = version;
                    ChangeReply::Done
                });
            }
            Change::AddKeys {
                user,
                known,
                credentials,
            } => {
                return self.change_account(user, |account| {
                    if account.credentials != *known {
                        return ChangeReply::Stale;
                    }
                    account.credentials = credentials.clone();
                    ChangeReply::Done
                });
            }
            Change::RemoveUser { user } => {
                let Some(account) = Arc::make_mut(&mut self.users).remove(user) else {
                    return ChangeReply::NoSuchUser;
                };
                self.lacking.leave(account.credentials.hashes);
            }
            Change::SetDisabled { user, disabled } => {
                return self.change_account(user, |account| {
                    account.disabled = *disabled;
                    ChangeReply::Done
                });
            }
            Change::Topology(change) => {
                let topology = Arc::make_mut(&mut self.topology);
                return ChangeReply::Topology(topology.apply(change));
            }
            Change::Administrators(change) => {
                let administrators = Arc::make_mut(&mut self.administrators);
                let reply = administrators.apply(change, self.version);
                return ChangeReply::Administrators(reply);
            }
            Change::Audit(entry) => Arc::make_mut(&mut self.audit).append(entry),
            Change::Set(wanted) => {
                let wanted = wanted
                    .iter()
                    .map(|(name, text)| (name.as_str(), text.as_deref()));
                // Whoever proposes it has told the caller what is wrong.
                if Arc::make_mut(&mut self.settings).set_all(wanted).is_err() {
                    return ChangeReply::BadSettings;
                }
            }
        }
        ChangeReply::Done
    }

    /// Grows with each change but those of the audit.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    pub fn administrators(&self) -> &Administrators {
        &self.administrators
    }

    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub fn account(&self, user: &BareJid) -> Option<&Account> {
        self.users.get(user)
    }

    fn change_account(
        &mut self,
        user: &BareJid,
        change: impl FnOnce(&mut Account) -> ChangeReply,
    ) -> ChangeReply {
        let Some(account) = Arc::make_mut(&mut self.users).get_mut(user) else {
            return ChangeReply::NoSuchUser;
        };
        self.lacking.leave(account.credentials.hashes);
        let reply = change(account);
        self.lacking.enter(account.credentials.hashes);
        reply
    }

    /// Which hashes accounts have no keys for, all together.
    pub fn lacking(&self) -> Lacking {
        self.lacking
    }

    pub fn is_disabled(&self, user: &BareJid) -> bool {
        self.account(user).is_some_and(|account| account.disabled)
    }

    /// All users in alphabetical order.
    pub fn users(&self) -> impl Iterator<Item = (&BareJid, &Account)> {
        self.users.iter()
    }

    pub fn token_secret(&self) -> Option<&Bytes> {
        self.token_secret.as_ref()
    }

    pub fn external_secret(&self) -> Option<&Secret> {
        self.external_secret.as_ref()
    }

    pub fn decoy_secret(&self) -> Option<&Bytes> {
        self.decoy_secret.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::hashes::Hashes;
    use pollux_domain::ids::NodeId;

    use super::*;

    fn credentials(keys: &'static [u8], hashes: Hashes) -> Credentials {
        let keys = Bytes::from_static(keys);
        Credentials { keys, hashes }
    }

    #[test]
    fn settings_are_all_set_or_none() {
        let mut configuration = Configuration::default();
        let set = |name: &str, text: &str| (name.to_owned(), Some(text.to_owned()));
        let plain = set("sign-in.plain", "on");
        let wrong = Change::Set(vec![plain.clone(), set("sign-in.plain", "yes")]);
        assert_eq!(configuration.apply(&wrong), ChangeReply::BadSettings);
        assert!(!configuration.settings().plain.is_on());
        assert_eq!(
            configuration.apply(&Change::Set(vec![plain])),
            ChangeReply::Done
        );
        assert!(configuration.settings().plain.is_on());
    }

    #[test]
    fn a_secret_is_replaced_forgotten_and_never_shown() {
        let mut configuration = Configuration::default();
        for word in ["north", "south"] {
            let secret = Secret::new(word.to_owned()).unwrap();
            let change = Change::ExternalSecret(Some(secret.clone()));
            assert_eq!(configuration.apply(&change), ChangeReply::Done);
            assert_eq!(configuration.external_secret(), Some(&secret));
            assert!(!format!("{change:?} {configuration:?}").contains(word));
        }
        configuration.apply(&Change::ExternalSecret(None));
        assert_eq!(configuration.external_secret(), None);
    }

    #[test]
    fn users_come_change_and_go() {
        let mut configuration = Configuration::default();
        let user = BareJid::parse("ann@example.org").unwrap();
        let account = Account::new(NodeId(1), credentials(b"k", Hashes::ALL));
        let add = Change::AddUser {
            user: user.clone(),
            account,
        };
        assert_eq!(configuration.apply(&add), ChangeReply::Done);
        assert_eq!(configuration.apply(&add), ChangeReply::Exists);
        let password_version = |configuration: &Configuration| {
            let account = configuration.account(&user);
            account.map(|account| account.password_version)
        };
        let first = password_version(&configuration);
        let credentials = credentials(b"l", Hashes::ALL);
        let set = Change::SetCredentials {
            user: user.clone(),
            credentials: credentials.clone(),
        };
        assert_eq!(configuration.apply(&set), ChangeReply::Done);
        assert_eq!(
            configuration.account(&user).unwrap().credentials,
            credentials
        );
        let second = password_version(&configuration);
        assert!(first < second, "a new password");
        let disable = Change::SetDisabled {
            user: user.clone(),
            disabled: true,
        };
        assert!(!configuration.is_disabled(&user));
        assert_eq!(configuration.apply(&disable), ChangeReply::Done);
        assert!(configuration.is_disabled(&user));
        assert_eq!(
            password_version(&configuration),
            second,
            "the password is as it was"
        );
        let remove = Change::RemoveUser { user: user.clone() };
        assert_eq!(configuration.apply(&remove), ChangeReply::Done);
        assert_eq!(configuration.apply(&add), ChangeReply::Done);
        assert!(second < password_version(&configuration), "a new user");
        assert_eq!(configuration.apply(&remove), ChangeReply::Done);
        assert_eq!(configuration.apply(&remove), ChangeReply::NoSuchUser);
        assert_eq!(configuration.apply(&set), ChangeReply::NoSuchUser);
        assert_eq!(configuration.apply(&disable), ChangeReply::NoSuchUser);
        assert!(!configuration.is_disabled(&user));
    }

    #[test]
    fn keys_are_added_to_those_that_are_known_and_the_password_stays() {
        let mut configuration = Configuration::default();
        let user = BareJid::parse("ann@example.org").unwrap();
        let sha1 = Hashes {
            sha1: true,
            ..Hashes::default()
        };
        let first = credentials(b"1", sha1);
        let both = credentials(b"12", Hashes::ALL);
        let add = Change::AddUser {
            user: user.clone(),
            account: Account::new(NodeId(1), first.clone()),
        };
        let upgrade = Change::AddKeys {
            user: user.clone(),
            known: first,
            credentials: both.clone(),
        };
        assert_eq!(configuration.apply(&upgrade), ChangeReply::NoSuchUser);
        configuration.apply(&add);
        assert_eq!(configuration.lacking().common(), sha1);
        let before = configuration.account(&user).unwrap().password_version;
        assert_eq!(configuration.apply(&upgrade), ChangeReply::Done);
        let account = configuration.account(&user).unwrap();
        assert_eq!(account.credentials, both);
        assert_eq!(account.password_version, before);
        assert_eq!(configuration.lacking(), Lacking::default());
        assert_eq!(
            configuration.apply(&upgrade),
            ChangeReply::Stale,
            "said twice"
        );
        configuration.apply(&Change::RemoveUser { user: user.clone() });
        configuration.apply(&add);
        configuration.apply(&Change::SetCredentials {
            user,
            credentials: both,
        });
        assert_eq!(configuration.lacking(), Lacking::default());
    }
}
