//! The operations on what clients are told of servers for calls (XEP-0215), and on the secret that
//! is shared with those.

use pollux_domain::operations::{OperationError, Outcome, Secret, SettingRow};
use pollux_raft::configuration::Change;

use super::Executor;
use crate::users::UserError;

/// The settings that are about them.
const PREFIX: &str = "external.";

impl Executor {
    pub(super) fn external_show(&self) -> Outcome {
        let rows = self.setting_rows();
        let rows = rows.filter(|row| row.name.starts_with(PREFIX));
        let is_known = self
            .node
            .configuration
            .read(|configuration| configuration.external_secret().is_some());
        let secret = SettingRow {
            name: "secret".to_owned(),
            value: if is_known { "known" } else { "unknown" }.to_owned(),
            default: "unknown".to_owned(),
            form: "external set-secret, external forget-secret".to_owned(),
            meaning: "What the cluster shares with its TURN servers.".to_owned(),
        };
        Outcome::Settings(rows.chain([secret]).collect())
    }

    /// None: it is forgotten.
    pub(super) async fn external_secret(
        &self,
        secret: Option<Secret>,
    ) -> Result<Outcome, OperationError> {
        let change = Change::ExternalSecret(secret);
        let reply = self.node.configuration.execute(change).await;
        reply.map_err(UserError::from)?;
        Ok(Outcome::Done)
    }
}
