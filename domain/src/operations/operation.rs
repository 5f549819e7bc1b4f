//! The table of operations: name, permission, fields and what they mean, and of a dangerous one
//! what it does to whom. One entry here is one operation on every face.

use serde::{Deserialize, Serialize};

use super::audit::AuditLine;
use super::field::{FieldDescription, OperationField};
use super::{
    AdministratorName, Assignments, Caller, ErrorKind, KeysText, OperationError, Permission, Role,
    Secret, SessionRef, UserName,
};
use crate::services::Service;

/// What a face shows of an operation without running it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The name on every wire: `user.add`.
    pub name: &'static str,
    pub permission: Permission,
    /// What it does, for a person.
    pub summary: &'static str,
    /// Of a dangerous one: what it does to whom. Whoever asks from afar says once more that it is
    /// meant.
    pub danger: Option<&'static str>,
    pub fields: &'static [FieldDescription],
}

impl Description {
    pub fn of(name: &str) -> Option<&'static Description> {
        DESCRIPTIONS.iter().find(|one| one.name == name)
    }

    /// Whether it may go on: a dangerous one wants its own name as the confirmation.
    pub fn check_confirmation(&self, given: Option<&str>) -> Result<(), OperationError> {
        let Some(danger) = self.danger.filter(|_| given != Some(self.name)) else {
            return Ok(());
        };
        let name = self.name;
        let message = format!("{danger} To confirm, say \"confirm\": \"{name}\"");
        Err(OperationError::new(ErrorKind::Unconfirmed, message))
    }
}

/// The sentence, if there is one.
const fn sentence(all: &'static [&'static str]) -> Option<&'static str> {
    match all {
        [one, ..] => Some(*one),
        [] => None,
    }
}

/// Makes the enum, its table of descriptions and its audit line from one list, so that they cannot
/// differ.
macro_rules! operations {
    ($(
        #[doc = $summary:literal]
        $variant:ident = $name:literal, $permission:ident $(, danger $danger:literal)? {
            $( #[doc = $meaning:literal] $(#[$attribute:meta])* $field:ident: $type:ty, )*
        }
    )*) => {
        /// One thing that can be asked of a node.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "name", deny_unknown_fields)]
        pub enum Operation {
            $(
                #[doc = $summary]
                #[serde(rename = $name)]
                $variant { $( #[doc = $meaning] $(#[$attribute])* $field: $type, )* },
            )*
        }

        /// Every operation, in the order in which a person reads them.
        pub const DESCRIPTIONS: &[Description] = &[
            $( Description {
                name: $name,
                permission: Permission::$permission,
                summary: $summary,
                danger: sentence(&[$( $danger )?]),
                fields: &[$( FieldDescription {
                    name: stringify!($field),
                    meaning: $meaning,
                    kind: <$type as OperationField>::KIND,
                    is_optional: <$type as OperationField>::IS_OPTIONAL,
                }, )*],
            }, )*
        ];

        impl Operation {
            pub fn name(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $name, )* }
            }

            pub fn permission(&self) -> Permission {
                match self { $( Self::$variant { .. } => Permission::$permission, )* }
            }

            /// Who asked for what. Secrets are left out; an absent field is left out.
            pub fn audit_line(&self, caller: &Caller) -> AuditLine {
                let mut fields = Vec::new();
                match self {
                    $( Self::$variant { $( $field, )* } => {
                        $( fields.extend(
                            OperationField::shown($field).map(|text| (stringify!($field), text)),
                        ); )*
                    } )*
                }
                AuditLine::new(caller.clone(), self.name(), self.permission(), fields)
            }
        }
    };
}

operations! {
    #[doc = "Adds a user with a password."]
    UserAdd = "user.add", ChangeUsers {
        #[doc = "The local part, or the whole address in the domain of the node."]
        user: UserName,
        #[doc = "Kept only as salted keys."]
        password: Secret,
    }

    #[doc = "Adds a user with what another server has kept of the password."]
    UserImport = "user.import", ChangeUsers {
        #[doc = "The local part, or the whole address in the domain of the node."]
        user: UserName,
        #[doc = "Lines of RFC 5803, one for each hash, or the file of an account of Prosody."]
        keys: KeysText,
    }

    #[doc = "Lists users in the order of their names."]
    UserList = "user.list", ReadUsers {
        #[doc = "Begins behind this user: the last of the page before."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<UserName>,
    }

    #[doc = "Removes a user with contact list and stored messages, and ends the user's sessions."]
    UserRemove = "user.remove", ChangeUsers,
        danger "The user's contact list and stored messages are lost, and the user's sessions \
                end." {
        #[doc = "The local part, or the whole address in the domain of the node."]
        user: UserName,
    }

    #[doc = "Disables an account: nobody signs in to it, its sessions end, its data stays."]
    UserDisable = "user.disable", ChangeUsers {
        #[doc = "The local part, or the whole address in the domain of the node."]
        user: UserName,
    }

    #[doc = "Enables a disabled account; everything is as before."]
    UserEnable = "user.enable", ChangeUsers {
        #[doc = "The local part, or the whole address in the domain of the node."]
        user: UserName,
    }

    #[doc = "Gives a user a new password; open sessions stay."]
    UserSetPassword = "user.set-password", ChangeUsers {
        #[doc = "The local part, or the whole address in the domain of the node."]
        user: UserName,
        #[doc = "Kept only as salted keys."]
        password: Secret,
    }

    #[doc = "Shows who may see a user and write to it without being asked about."]
    PrivacyShow = "privacy.show", ReadUsers {
        #[doc = "The local part, or the whole address in the domain of the node."]
        user: UserName,
    }

    #[doc = "Sets who may see a user and write to it: all that is given, or nothing."]
    PrivacySet = "privacy.set", ChangeUsers {
        #[doc = "The local part, or the whole address in the domain of the node."]
        user: UserName,
        #[doc = "Names with values; one without a value is as at the beginning."]
        settings: Assignments,
    }

    #[doc = "Lists sessions, connected or waiting for their client to resume."]
    SessionList = "session.list", ReadSessions {
        #[doc = "Only the sessions of this user."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserName>,
        #[doc = "Begins behind this session: the last of the page before."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<SessionRef>,
    }

    #[doc = "Ends a session; what the client has not acknowledged is stored or sent elsewhere."]
    SessionEnd = "session.end", EndSessions {
        #[doc = "The session as `session list` shows it."]
        session: SessionRef,
    }

    #[doc = "The counters and gauges of the node."]
    Statistics = "statistics", ReadNode {}

    #[doc = "What the node is and how it is."]
    NodeStatus = "node.status", ReadNode {}

    #[doc = "How the measurements of the node went in the last hour."]
    NodeHistory = "node.history", ReadNode {}

    #[doc = "Has a node look at itself and at the others: what is well, and what to mend."]
    NodeSelfTest = "node.self-test", ReadNode {}

    #[doc = "Lists the services of a node: what each is to be, and is."]
    ServiceList = "service.list", ReadNode {}

    #[doc = "Starts a service of a node; it stays so when the node is started again."]
    ServiceStart = "service.start", RunServices {
        #[doc = "The name of the service."]
        service: Service,
    }

    #[doc = "Stops a service of a node; it stays so when the node is started again."]
    ServiceStop = "service.stop", RunServices,
        danger "Nobody new gets in by a port that is stopped; where high availability is on, the \
                users of its node go to the twin after `services.down-seconds`. A node whose links \
                are stopped serves nobody." {
        #[doc = "The name of the service."]
        service: Service,
    }

    #[doc = "Stops a service of a node and starts it again; streams of clients stay."]
    ServiceRestart = "service.restart", RunServices {
        #[doc = "The name of the service."]
        service: Service,
    }

    #[doc = "Empties a node: its twin serves its users, and it takes no users and no duties."]
    NodeDrain = "node.drain", MoveUsers,
        danger "The sessions of its users move to its twin, clients come back there by \
                themselves, and the pair stands no other loss until the node is undrained or \
                replaced." {
        #[doc = "The number of the node."]
        node: u16,
    }

    #[doc = "Ends that: a node takes users again, who come home by a fallback."]
    NodeUndrain = "node.undrain", MoveUsers {
        #[doc = "The number of the node."]
        node: u16,
    }

    #[doc = "Shows the settings of the cluster."]
    SettingsList = "settings.list", ReadCluster {}

    #[doc = "Sets settings of the cluster: all that are given, or none if one is wrong."]
    SettingsSet = "settings.set", ChangeCluster {
        #[doc = "Names with values; one without a value is as at the beginning."]
        settings: Assignments,
    }

    #[doc = "Shows which servers clients are told of for calls, and whether their secret is known."]
    ExternalShow = "external.show", ReadCluster {}

    #[doc = "Sets the secret that TURN servers know too: clients are given credentials made of it."]
    ExternalSetSecret = "external.set-secret", ChangeCluster {
        #[doc = "Kept by the cluster, and never shown."]
        secret: Secret,
    }

    #[doc = "Forgets that secret: clients are given no credentials any more."]
    ExternalForgetSecret = "external.forget-secret", ChangeCluster {}

    #[doc = "Makes a token with which one node joins the cluster, once."]
    ClusterInvite = "cluster.invite", ChangeCluster {
        #[doc = "Whether it only votes, and serves nobody."]
        witness: bool,
        #[doc = "The subcluster that it joins, or founds; by default that of the asked node."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subcluster: Option<u16>,
        #[doc = "The node that comes back without its memory; none for a new one."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<u16>,
    }

    #[doc = "Writes a backup of the cluster beside the data of the asked node, while all go on."]
    ClusterBackup = "cluster.backup", Backup {}

    #[doc = "Lists the backups that the asked node has made."]
    ClusterBackups = "cluster.backups", ReadCluster {}

    #[doc = "Lists the nodes of the cluster."]
    ClusterNodes = "cluster.nodes", ReadCluster {}

    #[doc = "Removes a node for ever; the others go on without it."]
    ClusterRemove = "cluster.remove", ChangeCluster,
        danger "The node may not come back under its name, and its users are served by its twin, \
                or by nobody." {
        #[doc = "The number of the node."]
        node: u16,
    }

    #[doc = "Lets the cluster use what the version that all its nodes run has more."]
    ClusterFinishUpgrade = "cluster.finish-upgrade", ChangeCluster,
        danger "The version before cannot be installed any more, on no node." {}

    #[doc = "Shows the certificates between nodes, and how far a rotation of them is."]
    ClusterCertificates = "cluster.certificates", ReadCluster {}

    #[doc = "Rotates certificates between nodes, their authority, and the secret of TLS tickets."]
    ClusterRotateCertificates = "cluster.rotate-certificates", ChangeCluster,
        danger "Invitations that wait are void; and until every node has its new certificate, \
                nobody joins." {}

    #[doc = "Who serves whom in this subcluster, who leads, who votes."]
    SubclusterStatus = "subcluster.status", ReadCluster {}

    #[doc = "Lists the takeovers of this subcluster, the newest first: who, when and why."]
    SubclusterTakeovers = "subcluster.takeovers", ReadCluster {}

    #[doc = "Lets a node take over from its twin by itself, or not."]
    SubclusterSetHighAvailability = "subcluster.set-high-availability", MoveUsers,
        danger "While it is off, the users of a node that fails are served by nobody." {
        #[doc = "Whether it does."]
        on: bool,
    }

    #[doc = "Moves all users that a node serves to its twin."]
    SubclusterFailover = "subcluster.failover", MoveUsers,
        danger "The sessions of its users move to its twin; clients come back there by \
                themselves." {
        #[doc = "The number of the node that is relieved."]
        node: u16,
    }

    #[doc = "Moves all users back to their home nodes."]
    SubclusterFallback = "subcluster.fallback", MoveUsers,
        danger "The sessions of those users move; clients come back there by themselves." {}

    #[doc = "Makes a node of another subcluster the witness of a pair, instead of who is it."]
    SubclusterMoveWitness = "subcluster.move-witness", ChangeCluster {
        #[doc = "The pair; by default that of the asked node."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subcluster: Option<u16>,
        #[doc = "The number of the node; without it the cluster chooses, now and later."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u16>,
    }

    #[doc = "Compares the databases of all replicas at one index."]
    SubclusterVerify = "subcluster.verify", ReadCluster {}

    #[doc = "Adds an administrator: an account for the pages, apart from the users."]
    AdministratorAdd = "administrator.add", ChangeAdministrators {
        #[doc = "The name: a to z, 0 to 9, `.`, `-` and `_`."]
        administrator: AdministratorName,
        #[doc = "What the administrator may."]
        role: Role,
        #[doc = "Kept only as a salted hash."]
        password: Secret,
    }

    #[doc = "Lists the administrators."]
    AdministratorList = "administrator.list", ReadAdministrators {}

    #[doc = "Removes an administrator and ends its sessions on the pages."]
    AdministratorRemove = "administrator.remove", ChangeAdministrators {
        #[doc = "The name of the administrator."]
        administrator: AdministratorName,
    }

    #[doc = "Gives an administrator a new password, and ends its sessions on the pages."]
    AdministratorSetPassword = "administrator.set-password", ChangeAdministrators {
        #[doc = "The name of the administrator."]
        administrator: AdministratorName,
        #[doc = "Kept only as a salted hash."]
        password: Secret,
    }

    #[doc = "Gives an administrator another role, at once."]
    AdministratorSetRole = "administrator.set-role", ChangeAdministrators {
        #[doc = "The name of the administrator."]
        administrator: AdministratorName,
        #[doc = "What the administrator may from now on."]
        role: Role,
    }

    #[doc = "Makes a token with which a program asks over REST; it is shown once."]
    TokenAdd = "token.add", ChangeAdministrators {
        #[doc = "The name, which the audit has: a to z, 0 to 9, `.`, `-` and `_`."]
        token: AdministratorName,
        #[doc = "What the program may."]
        role: Role,
        #[doc = "For how many days it is good, up to 3660."]
        days: u16,
    }

    #[doc = "Lists the tokens, without what they are."]
    TokenList = "token.list", ReadAdministrators {}

    #[doc = "Removes a token: it is worth nothing any more."]
    TokenRemove = "token.remove", ChangeAdministrators {
        #[doc = "The name of the token."]
        token: AdministratorName,
    }

    #[doc = "Lists who changed what, the newest first."]
    AuditList = "audit.list", ReadAudit {
        #[doc = "Begins before this line: the last of the page before."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::FieldKind;

    #[test]
    fn names_are_distinct_and_said_as_noun_and_verb() {
        for (index, one) in DESCRIPTIONS.iter().enumerate() {
            let danger = one.danger.unwrap_or("None.");
            assert!(
                one.summary.ends_with('.') && danger.ends_with('.'),
                "{}",
                one.name
            );
            assert!(
                one.name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '.' || c == '-')
            );
            assert!(
                DESCRIPTIONS[..index]
                    .iter()
                    .all(|other| other.name != one.name)
            );
        }
    }

    #[test]
    fn the_audit_line_names_the_caller_and_no_secret() {
        let operation = Operation::UserAdd {
            user: UserName::new("alice").unwrap(),
            password: Secret::new("swordfish".to_owned()).unwrap(),
        };
        let line = operation.audit_line(&Caller::LocalSocket { uid: 1000 });
        assert_eq!(line.to_string(), "local user 1000: user.add user=alice");
        assert!(line.is_change());
        assert!(!format!("{operation:?} {line:?}").contains("swordfish"));
        let operation = Operation::ExternalSetSecret {
            secret: Secret::new("swordfish".to_owned()).unwrap(),
        };
        let line = operation.audit_line(&Caller::LocalSocket { uid: 1000 });
        assert_eq!(line.to_string(), "local user 1000: external.set-secret");
        assert!(!format!("{operation:?} {line:?}").contains("swordfish"));
    }

    #[test]
    fn a_dangerous_one_is_confirmed_by_its_own_name() {
        let failover = Description::of("subcluster.failover").unwrap();
        assert_eq!(
            failover.check_confirmation(Some("subcluster.failover")),
            Ok(())
        );
        for given in [None, Some(""), Some("yes"), Some("subcluster.fallback")] {
            let error = failover.check_confirmation(given).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unconfirmed);
            assert_eq!(
                error.message,
                "The sessions of its users move to its twin; clients come back there by \
                 themselves. To confirm, say \"confirm\": \"subcluster.failover\""
            );
        }
        let status = Description::of("node.status").unwrap();
        assert_eq!(status.check_confirmation(None), Ok(()));
        assert_eq!(Description::of("node.fly"), None);
    }

    #[test]
    fn fields_are_described_by_their_types() {
        let add = Description::of("token.add").unwrap();
        let kinds: Vec<FieldKind> = add.fields.iter().map(|field| field.kind).collect();
        let most = u64::from(u16::MAX);
        let wanted = [FieldKind::Text, FieldKind::Role, FieldKind::Number(most)];
        assert_eq!(kinds, wanted);
        let list = Description::of("session.list").unwrap();
        assert!(list.fields.iter().all(|field| field.is_optional));
    }

    #[test]
    fn an_absent_field_is_not_in_the_audit() {
        let operation = Operation::SessionList {
            user: None,
            after: None,
        };
        let line = operation.audit_line(&Caller::LocalSocket { uid: 0 });
        assert_eq!(line.to_string(), "local user 0: session.list");
        assert!(!line.is_change());
    }
}
