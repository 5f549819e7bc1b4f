//! The cluster's configuration as a pure state machine: users with their credentials and homes, the
//! topology, and the settings of the cluster. The rest joins it with the issues that need it.

mod topology;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::operations::Secret;
use pollux_domain::settings::Settings;
use serde::{Deserialize, Serialize};

pub use topology::{
    ClusterSecrets, Invitation, NodeEntry, Role, SubclusterEntry, Topology, TopologyChange,
    TopologyReply,
};

/// What is configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Configuration {
    users: Arc<BTreeMap<BareJid, Account>>,
    /// Makes unknown users look like known ones (RFC 5802 section 9); made once, secret.
    decoy_secret: Option<Bytes>,
    /// What tokens of clients are derived from (XEP-0484); made once, secret. It stands here so
    /// that the database of a subcluster, where their numbers are, signs nobody in by itself.
    token_secret: Option<Bytes>,
    /// What the cluster shares with its TURN servers (XEP-0215).
    external_secret: Option<Secret>,
    topology: Arc<Topology>,
    settings: Arc<Settings>,
    /// How often it has changed.
    version: u64,
}

/// One user as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub home: NodeId,
    /// Salted keys, one record for each mechanism; opaque here, never a password.
    pub credentials: Bytes,
    /// The version of the configuration with which its password was set, whatever is proposed here.
    /// What was given to its clients before is worth nothing.
    pub password_version: u64,
    pub administrator: bool,
}

/// One change.
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
        credentials: Bytes,
    },
    RemoveUser {
        user: BareJid,
    },
    Topology(TopologyChange),
    /// Settings by name, as a person writes them; without text one is as at the beginning. All of
    /// them, or none.
    Set(Vec<(String, Option<String>)>),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeReply {
    Done,
    Exists,
    NoSuchUser,
    TooManyUsers,
    BadSettings,
    Topology(TopologyReply),
}

impl Configuration {
    pub fn apply(&mut self, change: &Change) -> ChangeReply {
        self.version += 1;
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
                Arc::make_mut(&mut self.users).insert(user.clone(), account);
            }
            Change::SetCredentials { user, credentials } => {
                match Arc::make_mut(&mut self.users).get_mut(user) {
                    Some(account) => {
                        account.credentials = credentials.clone();
                        account.password_version = self.version;
                    }
                    None => return ChangeReply::NoSuchUser,
                }
            }
            Change::RemoveUser { user } => {
                if Arc::make_mut(&mut self.users).remove(user).is_none() {
                    return ChangeReply::NoSuchUser;
                }
            }
            Change::Topology(change) => {
                let topology = Arc::make_mut(&mut self.topology);
                return ChangeReply::Topology(topology.apply(change));
            }
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

    /// Grows with each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub fn account(&self, user: &BareJid) -> Option<&Account> {
        self.users.get(user)
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
    use super::*;

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
        let account = Account {
            home: NodeId(1),
            credentials: Bytes::from_static(b"k"),
            password_version: 0,
            administrator: false,
        };
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
        let credentials = Bytes::from_static(b"l");
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
        let remove = Change::RemoveUser { user: user.clone() };
        assert_eq!(configuration.apply(&remove), ChangeReply::Done);
        assert_eq!(configuration.apply(&add), ChangeReply::Done);
        assert!(second < password_version(&configuration), "a new user");
        assert_eq!(configuration.apply(&remove), ChangeReply::Done);
        assert_eq!(configuration.apply(&remove), ChangeReply::NoSuchUser);
        assert_eq!(configuration.apply(&set), ChangeReply::NoSuchUser);
    }
}
