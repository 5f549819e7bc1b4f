//! The operations on what one user has decided about who may see it.

use pollux_domain::contract::{Command, Refusal, Reply};
use pollux_domain::jid::BareJid;
use pollux_domain::operations::{
    Assignments, ErrorKind, OperationError, Outcome, SettingRow, UserName,
};

use super::Executor;
use super::settings::all_right;
use crate::users::UserError;

impl Executor {
    pub(super) fn privacy_show(&self, user: &UserName) -> Result<Outcome, OperationError> {
        let user = self.address(user)?;
        let known = self.node.subcluster.read(|state| state.privacy(&user));
        let (privacy, blocked) = known.ok_or_else(|| self.not_here(&user))?;
        let rows = privacy.rows(&blocked).into_iter().map(|row| SettingRow {
            name: row.name.to_owned(),
            value: row.value,
            default: row.default.to_owned(),
            form: row.form.to_owned(),
            meaning: row.meaning.to_owned(),
        });
        Ok(Outcome::Settings(rows.collect()))
    }

    /// All of them or none; tried first on what this node knows, so that the caller hears of every
    /// mistake.
    pub(super) async fn privacy_set(
        &self,
        user: &UserName,
        assignments: &Assignments,
    ) -> Result<Outcome, OperationError> {
        let user = self.address(user)?;
        let known = self.node.subcluster.read(|state| state.privacy(&user));
        let (mut privacy, mut blocked) = known.ok_or_else(|| self.not_here(&user))?;
        let wanted = assignments
            .iter()
            .map(|one| (one.name.as_str(), one.value.as_deref()));
        all_right(privacy.set_all(&mut blocked, wanted), assignments)?;
        let settings = assignments.iter().cloned();
        let settings = settings.map(|one| (one.name, one.value)).collect();
        let command = Command::Privacy {
            user: user.clone(),
            settings,
        };
        let reply = self.node.subcluster.execute(command).await;
        match reply.map_err(UserError::from)? {
            Reply::Done => Ok(Outcome::Done),
            Reply::Refused(Refusal::NoSuchUser) => Err(self.not_here(&user)),
            // The subcluster is of several versions.
            _ => Err(OperationError::new(
                ErrorKind::Invalid,
                "the twin does not know such a name or value yet; nothing was set",
            )),
        }
    }

    /// The user does not exist, or is kept by another subcluster.
    fn not_here(&self, user: &BareJid) -> OperationError {
        let home = self.node.configuration.read(|state| {
            let account = state.users().find(|(other, _)| *other == user);
            account.map(|(_, account)| account.home)
        });
        match home {
            Some(home) => OperationError::new(
                ErrorKind::Invalid,
                format!("{user} is kept by another subcluster: ask node {home} or its twin"),
            ),
            None => UserError::NoSuchUser.into(),
        }
    }
}
