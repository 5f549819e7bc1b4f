//! The operations on who administers, and on tokens for programs.

use pollux_domain::ids::WallMs;
use pollux_domain::limits;
use pollux_domain::operations::{
    AdministratorName, AdministratorRow, ErrorKind, OperationError, Outcome, Role, Secret, TokenRow,
};
use pollux_raft::configuration::{
    AdministratorsChange, AdministratorsReply, ApiToken, Change, ChangeReply, PasswordHash,
};

use super::Executor;
use crate::administrators;
use crate::users::UserError;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl Executor {
    pub(super) async fn administrator_add(
        &self,
        name: AdministratorName,
        role: Role,
        password: Secret,
    ) -> Result<Outcome, OperationError> {
        let password = self.hashed(password).await?;
        let add = AdministratorsChange::Add {
            name,
            role,
            password,
        };
        self.change_administrators(add, "administrator").await
    }

    pub(super) fn administrator_list(&self) -> Outcome {
        let rows = self.node.configuration.read(|configuration| {
            let accounts = configuration.administrators().accounts();
            let rows = accounts.map(|(name, account)| AdministratorRow {
                administrator: name.clone(),
                role: account.role,
            });
            rows.collect()
        });
        Outcome::Administrators(rows)
    }

    pub(super) async fn administrator_remove(
        &self,
        name: AdministratorName,
    ) -> Result<Outcome, OperationError> {
        let remove = AdministratorsChange::Remove { name };
        self.change_administrators(remove, "administrator").await
    }

    pub(super) async fn administrator_set_password(
        &self,
        name: AdministratorName,
        password: Secret,
    ) -> Result<Outcome, OperationError> {
        let password = self.hashed(password).await?;
        let set = AdministratorsChange::SetPassword { name, password };
        self.change_administrators(set, "administrator").await
    }

    pub(super) async fn administrator_set_role(
        &self,
        name: AdministratorName,
        role: Role,
    ) -> Result<Outcome, OperationError> {
        let set = AdministratorsChange::SetRole { name, role };
        self.change_administrators(set, "administrator").await
    }

    pub(super) async fn token_add(
        &self,
        name: AdministratorName,
        role: Role,
        days: u16,
    ) -> Result<Outcome, OperationError> {
        let most = limits::API_TOKEN_DAYS_MAX;
        if !(1..=most).contains(&days) {
            let message = format!("a token is good for 1 to {most} days, not for {days}");
            return Err(OperationError::new(ErrorKind::Invalid, message));
        }
        let (secret, digest) = administrators::make_token(&self.node);
        let now = self.node.ambient.clock.wall();
        let token = ApiToken {
            role,
            digest,
            expires: WallMs(now.0.saturating_add(u64::from(days) * DAY_MS)),
        };
        let add = AdministratorsChange::AddToken { name, token };
        self.change_administrators(add, "token").await?;
        Ok(Outcome::Token(secret))
    }

    pub(super) fn token_list(&self) -> Outcome {
        let now = self.node.ambient.clock.wall();
        let rows = self.node.configuration.read(|configuration| {
            let tokens = configuration.administrators().tokens();
            let rows = tokens.map(|(name, token)| TokenRow {
                token: name.clone(),
                role: token.role,
                days_left: token.expires.0.saturating_sub(now.0).div_ceil(DAY_MS) as u32,
            });
            rows.collect()
        });
        Outcome::Tokens(rows)
    }

    pub(super) async fn token_remove(
        &self,
        name: AdministratorName,
    ) -> Result<Outcome, OperationError> {
        let remove = AdministratorsChange::RemoveToken { name };
        self.change_administrators(remove, "token").await
    }

    async fn hashed(&self, password: Secret) -> Result<PasswordHash, OperationError> {
        let hash = administrators::of_password(&self.node, password).await;
        hash.ok_or_else(|| {
            OperationError::new(ErrorKind::Internal, "the password could not be hashed")
        })
    }

    /// `what`: for people.
    async fn change_administrators(
        &self,
        change: AdministratorsChange,
        what: &str,
    ) -> Result<Outcome, OperationError> {
        let change = Change::Administrators(change);
        let reply = self.node.configuration.execute(change).await;
        let (kind, message) = match reply.map_err(UserError::from)? {
            ChangeReply::Administrators(AdministratorsReply::Done) => return Ok(Outcome::Done),
            ChangeReply::Administrators(AdministratorsReply::Exists) => (
                ErrorKind::AlreadyExists,
                format!("the name is one of another {what}"),
            ),
            ChangeReply::Administrators(AdministratorsReply::NotFound) => {
                (ErrorKind::NotFound, format!("there is no such {what}"))
            }
            ChangeReply::Administrators(AdministratorsReply::TooMany) => (
                ErrorKind::ResourceConstraint,
                format!("the cluster has as many {what}s as it may"),
            ),
            other => (
                ErrorKind::Internal,
                format!("the configuration refused it: {other:?}"),
            ),
        };
        Err(OperationError::new(kind, message))
    }
}
