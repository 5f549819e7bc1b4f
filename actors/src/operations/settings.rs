//! The operations on the settings of the cluster.

use pollux_domain::operations::{Assignments, ErrorKind, OperationError, Outcome, SettingRow};
use pollux_domain::settings::{Mistake, Settings, descriptions};
use pollux_raft::configuration::{Change, ChangeReply};

use super::Executor;
use crate::agreement;
use crate::users::UserError;

impl Executor {
    pub(super) fn settings_list(&self) -> Outcome {
        Outcome::Settings(self.setting_rows().collect())
    }

    pub(super) fn setting_rows(&self) -> impl Iterator<Item = SettingRow> {
        let values = self.node.cluster_settings().shown();
        let rows = descriptions().into_iter().zip(values);
        rows.map(|(one, value)| SettingRow {
            name: one.name.to_owned(),
            value,
            default: one.default,
            form: one.form,
            meaning: one.meaning.to_owned(),
        })
    }

    /// All of them or none. It is tried first on what this node knows, so that the caller hears of
    /// every mistake.
    pub(super) async fn settings_set(
        &self,
        assignments: &Assignments,
    ) -> Result<Outcome, OperationError> {
        let wanted = assignments
            .iter()
            .map(|one| (one.name.as_str(), one.value.as_deref()));
        let mut tried = Settings::clone(&self.node.cluster_settings());
        let tried = tried.set_all(wanted);
        all_right(tried, assignments)?;
        let wanted = assignments.iter().cloned();
        let wanted = wanted.map(|one| (one.name, one.value));
        let change = Change::Set(wanted.collect());
        let reply = self.node.configuration.execute(change).await;
        match reply.map_err(UserError::from)? {
            ChangeReply::Done => {
                agreement::tell_rules(&self.node).await;
                Ok(Outcome::Done)
            }
            // The cluster is of several versions.
            _ => Err(OperationError::new(
                ErrorKind::Invalid,
                "other nodes do not know such a setting or value yet; nothing was set",
            )),
        }
    }
}

/// What was tried, or everything that is wrong with it.
pub(super) fn all_right(
    tried: Result<(), Vec<Mistake>>,
    assignments: &Assignments,
) -> Result<(), OperationError> {
    let mut mistakes = tried.err().unwrap_or_default();
    mistakes.extend(assignments.repeated());
    if mistakes.is_empty() {
        return Ok(());
    }
    let lines = mistakes.iter().map(|mistake| format!("\n  {mistake}"));
    let message = format!("nothing was set:{}", lines.collect::<String>());
    Err(OperationError::new(ErrorKind::Invalid, message))
}
