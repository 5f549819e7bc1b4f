//! What a field of an operation can be: how it is described, and how it appears in the audit. A
//! type without this cannot be a field.

use crate::services::Service;

use super::{AdministratorName, Assignments, KeysText, Role, Secret, SessionRef, UserName};

/// What a field is, for faces that are made from the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    Text,
    /// A text that is shown nowhere.
    Secret,
    /// The same, of several lines.
    SecretLines,
    /// One of [`Role::WORDS`].
    Role,
    /// One of [`Service::NAMES`].
    Service,
    /// A whole number, up to this one.
    Number(u64),
    Flag,
    /// A list of names, each with a value or none.
    Assignments,
}

/// What a face shows of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldDescription {
    pub name: &'static str,
    /// For a person.
    pub meaning: &'static str,
    pub kind: FieldKind,
    pub is_optional: bool,
}

pub(super) trait OperationField {
    const KIND: FieldKind;
    const IS_OPTIONAL: bool = false;

    /// None: it is left out of the audit.
    fn shown(&self) -> Option<String>;
}

impl OperationField for UserName {
    const KIND: FieldKind = FieldKind::Text;

    fn shown(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }
}

impl OperationField for SessionRef {
    const KIND: FieldKind = FieldKind::Text;

    fn shown(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }
}

impl OperationField for AdministratorName {
    const KIND: FieldKind = FieldKind::Text;

    fn shown(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }
}

impl OperationField for Role {
    const KIND: FieldKind = FieldKind::Role;

    fn shown(&self) -> Option<String> {
        Some(self.word().to_owned())
    }
}

impl OperationField for Service {
    const KIND: FieldKind = FieldKind::Service;

    fn shown(&self) -> Option<String> {
        Some(self.name().to_owned())
    }
}

impl OperationField for Assignments {
    const KIND: FieldKind = FieldKind::Assignments;

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl OperationField for bool {
    const KIND: FieldKind = FieldKind::Flag;

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl OperationField for u16 {
    const KIND: FieldKind = FieldKind::Number(u16::MAX as u64);

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl OperationField for u64 {
    const KIND: FieldKind = FieldKind::Number(u64::MAX);

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl OperationField for Secret {
    const KIND: FieldKind = FieldKind::Secret;

    fn shown(&self) -> Option<String> {
        None
    }
}

impl OperationField for KeysText {
    const KIND: FieldKind = FieldKind::SecretLines;

    fn shown(&self) -> Option<String> {
        None
    }
}

impl<T: OperationField> OperationField for Option<T> {
    const KIND: FieldKind = T::KIND;
    const IS_OPTIONAL: bool = true;

    fn shown(&self) -> Option<String> {
        self.as_ref().and_then(OperationField::shown)
    }
}
