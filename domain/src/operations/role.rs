//! What an administrator may: roles as sets of permissions, in one table. Not for who has which
//! role.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ErrorKind, OperationError};

/// What a caller must be allowed. Several operations may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    ReadUsers,
    ChangeUsers,
    ReadSessions,
    EndSessions,
    ReadNode,
    ReadCluster,
    /// Who belongs to the cluster, and its settings.
    ChangeCluster,
    /// Who serves whom.
    MoveUsers,
    /// Which services of a node run.
    RunServices,
    /// A copy of everything, on the disk of a node.
    Backup,
    ReadAdministrators,
    ChangeAdministrators,
    ReadAudit,
}

impl Permission {
    pub fn is_change(self) -> bool {
        match self {
            Self::ReadUsers
            | Self::ReadSessions
            | Self::ReadNode
            | Self::ReadCluster
            | Self::ReadAdministrators
            | Self::ReadAudit => false,
            Self::ChangeUsers
            | Self::EndSessions
            | Self::ChangeCluster
            | Self::MoveUsers
            | Self::RunServices
            | Self::Backup
            | Self::ChangeAdministrators => true,
        }
    }
}

/// What an administrator is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Role {
    /// Sees how the cluster is.
    Viewer,
    /// Sees that, and keeps it running: moves users between nodes, ends sessions.
    Operator,
    /// Everything.
    Administrator,
    /// Sees everything, also who did what, and changes nothing.
    Auditor,
}

/// What everybody sees who may come in at all.
const SEES: &[Permission] = &[
    Permission::ReadUsers,
    Permission::ReadSessions,
    Permission::ReadNode,
    Permission::ReadCluster,
];

/// Role, word, what it may besides seeing.
const TABLE: &[(Role, &str, &[Permission])] = &[
    (Role::Viewer, "viewer", &[]),
    (
        Role::Operator,
        "operator",
        &[
            Permission::MoveUsers,
            Permission::RunServices,
            Permission::EndSessions,
            Permission::Backup,
        ],
    ),
    (
        Role::Administrator,
        "administrator",
        &[
            Permission::MoveUsers,
            Permission::RunServices,
            Permission::EndSessions,
            Permission::ChangeUsers,
            Permission::ChangeCluster,
            Permission::Backup,
            Permission::ReadAdministrators,
            Permission::ChangeAdministrators,
            Permission::ReadAudit,
        ],
    ),
    (
        Role::Auditor,
        "auditor",
        &[Permission::ReadAdministrators, Permission::ReadAudit],
    ),
];

impl Role {
    pub const ALL: [Role; 4] = [
        Role::Viewer,
        Role::Operator,
        Role::Administrator,
        Role::Auditor,
    ];
    /// Their words.
    pub const WORDS: [&str; 4] = ["viewer", "operator", "administrator", "auditor"];

    pub fn parse(word: &str) -> Result<Role, OperationError> {
        let row = TABLE.iter().find(|(_, known, _)| *known == word);
        row.map(|(role, ..)| *role).ok_or_else(|| {
            let words = Role::WORDS.join(", ");
            let message = format!("there is no such role; there are {words}");
            OperationError::new(ErrorKind::Invalid, message)
        })
    }

    pub fn word(self) -> &'static str {
        Role::WORDS[self as usize]
    }

    pub fn may(self, permission: Permission) -> bool {
        let row = TABLE.iter().find(|(role, ..)| *role == self);
        SEES.contains(&permission) || row.is_some_and(|(.., more)| more.contains(&permission))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl TryFrom<String> for Role {
    type Error = OperationError;

    fn try_from(word: String) -> Result<Role, OperationError> {
        Role::parse(&word)
    }
}

impl From<Role> for String {
    fn from(role: Role) -> String {
        role.word().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::DESCRIPTIONS;

    /// The whole matrix: viewer, operator, administrator, auditor.
    const MATRIX: &[(&str, &str)] = &[
        ("user.add", "..A."),
        ("user.import", "..A."),
        ("user.list", "VOAU"),
        ("user.remove", "..A."),
        ("user.disable", "..A."),
        ("user.enable", "..A."),
        ("user.set-password", "..A."),
        ("privacy.show", "VOAU"),
        ("privacy.set", "..A."),
        ("session.list", "VOAU"),
        ("session.end", ".OA."),
        ("statistics", "VOAU"),
        ("node.status", "VOAU"),
        ("node.history", "VOAU"),
        ("node.self-test", "VOAU"),
        ("service.list", "VOAU"),
        ("service.start", ".OA."),
        ("service.stop", ".OA."),
        ("service.restart", ".OA."),
        ("node.drain", ".OA."),
        ("node.undrain", ".OA."),
        ("settings.list", "VOAU"),
        ("settings.set", "..A."),
        ("external.show", "VOAU"),
        ("external.set-secret", "..A."),
        ("external.forget-secret", "..A."),
        ("cluster.invite", "..A."),
        ("cluster.backup", ".OA."),
        ("cluster.backups", "VOAU"),
        ("cluster.nodes", "VOAU"),
        ("cluster.remove", "..A."),
        ("cluster.finish-upgrade", "..A."),
        ("cluster.certificates", "VOAU"),
        ("cluster.rotate-certificates", "..A."),
        ("subcluster.status", "VOAU"),
        ("subcluster.takeovers", "VOAU"),
        ("subcluster.set-high-availability", ".OA."),
        ("subcluster.failover", ".OA."),
        ("subcluster.fallback", ".OA."),
        ("subcluster.move-witness", "..A."),
        ("subcluster.verify", "VOAU"),
        ("administrator.add", "..A."),
        ("administrator.list", "..AU"),
        ("administrator.remove", "..A."),
        ("administrator.set-password", "..A."),
        ("administrator.set-role", "..A."),
        ("token.add", "..A."),
        ("token.list", "..AU"),
        ("token.remove", "..A."),
        ("audit.list", "..AU"),
    ];

    #[test]
    fn each_role_may_what_the_matrix_says() {
        let names: Vec<&str> = DESCRIPTIONS.iter().map(|one| one.name).collect();
        let rows: Vec<&str> = MATRIX.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, rows);
        for (one, (_, marks)) in DESCRIPTIONS.iter().zip(MATRIX) {
            for (role, mark) in Role::ALL.into_iter().zip(marks.chars()) {
                assert_eq!(role.may(one.permission), mark != '.', "{role} {}", one.name);
            }
        }
    }

    #[test]
    fn only_who_is_for_it_changes_anything() {
        let changes = DESCRIPTIONS.iter().map(|one| one.permission);
        for permission in changes.filter(|permission| permission.is_change()) {
            assert!(!Role::Viewer.may(permission) && !Role::Auditor.may(permission));
            assert!(Role::Administrator.may(permission));
        }
    }

    #[test]
    fn a_role_has_one_word() {
        for ((role, word, _), listed) in TABLE.iter().zip(Role::ALL) {
            assert_eq!((*role, *word), (listed, listed.word()));
            assert_eq!(Role::parse(word), Ok(*role));
        }
        let error = Role::parse("root").unwrap_err();
        assert_eq!(
            error.message,
            "there is no such role; there are viewer, operator, administrator, auditor"
        );
    }
}
