//! What is written down about an operation: who, what, on whom. Not for whether it succeeded, which
//! the executor adds, and never with a secret.

use std::fmt;

use super::{Assignments, Caller, KeysText, Permission, Secret, SessionRef, UserName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    pub caller: Caller,
    /// The operation by its name in the registry.
    pub operation: &'static str,
    pub permission: Permission,
    /// Field and value, in the order of the registry.
    pub fields: Vec<(&'static str, String)>,
}

impl AuditLine {
    pub(super) fn new(
        caller: Caller,
        operation: &'static str,
        permission: Permission,
        fields: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            caller,
            operation,
            permission,
            fields,
        }
    }

    /// Whether the operation changes anything; only such lines must be kept.
    pub fn is_change(&self) -> bool {
        self.permission.is_change()
    }
}

impl fmt::Display for AuditLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.caller, self.operation)?;
        for (field, value) in &self.fields {
            write!(f, " {field}={value}")?;
        }
        Ok(())
    }
}

/// How a field of an operation appears in the audit. A type without this cannot be a field.
pub(super) trait AuditField {
    fn shown(&self) -> Option<String>;
}

impl AuditField for UserName {
    fn shown(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }
}

impl AuditField for SessionRef {
    fn shown(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }
}

impl AuditField for Assignments {
    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl AuditField for bool {
    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl AuditField for u16 {
    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl AuditField for Secret {
    fn shown(&self) -> Option<String> {
        None
    }
}

impl AuditField for KeysText {
    fn shown(&self) -> Option<String> {
        None
    }
}

impl<T: AuditField> AuditField for Option<T> {
    fn shown(&self) -> Option<String> {
        self.as_ref().and_then(AuditField::shown)
    }
}
