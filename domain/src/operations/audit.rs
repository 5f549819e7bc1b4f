//! What is written down about an operation: who, what, on whom. Not for whether it succeeded, which
//! the executor adds, and never with a secret.

use std::fmt;

use super::{Caller, Permission};

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

impl AuditLine {
    /// The fields alone: `user=alice node=2`.
    pub fn fields_text(&self) -> String {
        let fields = self.fields.iter();
        let fields: Vec<String> = { fields }
            .map(|(field, value)| format!("{field}={value}"))
            .collect();
        fields.join(" ")
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
