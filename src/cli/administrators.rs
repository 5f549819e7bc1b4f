//! `pollux ctl administrator`, `token` and `audit`: who administers, and who changed what.

use pollux_domain::operations::{AdministratorName, Operation, Outcome, Role, Secret};

use super::Failure;
use super::arguments::{AdministratorCommand, PasswordSource, TokenCommand};
use super::ctl::{Node, unexpected};
use super::password::{self, Password};
use super::show::Shown;

pub(super) fn administrator(node: &Node, command: AdministratorCommand) -> Result<Shown, Failure> {
    match command {
        AdministratorCommand::Add {
            name,
            role,
            password,
        } => {
            let (administrator, role) = (AdministratorName::new(name)?, Role::parse(&role)?);
            with_password(node, "added", password, &administrator, |password| {
                Operation::AdministratorAdd {
                    administrator: administrator.clone(),
                    role,
                    password,
                }
            })
        }
        AdministratorCommand::List => match node.ask(Operation::AdministratorList {})? {
            Outcome::Administrators(rows) => Ok(Shown::Administrators(rows)),
            other => Err(unexpected(&other)),
        },
        AdministratorCommand::Remove { name } => {
            let administrator = AdministratorName::new(name)?;
            let subject = administrator.to_string();
            node.done(Operation::AdministratorRemove { administrator })?;
            let what = "removed";
            Ok(Shown::Done { what, subject })
        }
        AdministratorCommand::SetPassword { name, password } => {
            let administrator = AdministratorName::new(name)?;
            with_password(node, "password set", password, &administrator, |password| {
                Operation::AdministratorSetPassword {
                    administrator: administrator.clone(),
                    password,
                }
            })
        }
        AdministratorCommand::SetRole { name, role } => {
            let (administrator, role) = (AdministratorName::new(name)?, Role::parse(&role)?);
            let subject = administrator.to_string();
            node.done(Operation::AdministratorSetRole {
                administrator,
                role,
            })?;
            let what = "role set";
            Ok(Shown::Done { what, subject })
        }
    }
}

fn with_password(
    node: &Node,
    what: &'static str,
    source: PasswordSource,
    administrator: &AdministratorName,
    operation: impl FnOnce(Secret) -> Operation,
) -> Result<Shown, Failure> {
    let password = password::take(source.password_file.as_deref())?;
    node.done(operation(password.secret().clone()))?;
    let subject = administrator.to_string();
    Ok(match password {
        Password::Given(_) => Shown::Done { what, subject },
        Password::Generated(password) => Shown::Generated {
            what,
            subject,
            password,
        },
    })
}

pub(super) fn token(node: &Node, command: TokenCommand) -> Result<Shown, Failure> {
    match command {
        TokenCommand::Add { name, role, days } => {
            let (token, role) = (AdministratorName::new(name)?, Role::parse(&role)?);
            match node.ask(Operation::TokenAdd { token, role, days })? {
                Outcome::Token(token) => Ok(Shown::Token(token)),
                other => Err(unexpected(&other)),
            }
        }
        TokenCommand::List => match node.ask(Operation::TokenList {})? {
            Outcome::Tokens(rows) => Ok(Shown::Tokens(rows)),
            other => Err(unexpected(&other)),
        },
        TokenCommand::Remove { name } => {
            let token = AdministratorName::new(name)?;
            let subject = token.to_string();
            node.done(Operation::TokenRemove { token })?;
            let what = "removed";
            Ok(Shown::Done { what, subject })
        }
    }
}

pub(super) fn audit(node: &Node, before: Option<u64>) -> Result<Shown, Failure> {
    match node.ask(Operation::AuditList { before })? {
        Outcome::Audit(page) => Ok(Shown::Audit(page.rows)),
        other => Err(unexpected(&other)),
    }
}
