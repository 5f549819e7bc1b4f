//! What was changed is written down in the configuration, and read there. How lines hang together
//! stands in `pollux_raft::configuration`.

use std::time::Duration;

use pollux_domain::operations::{AuditLine, AuditRow, OperationError, Outcome, Rows};
use pollux_raft::configuration::{AuditEntry, Change};
use pollux_xmpp::delay::format_timestamp;

use super::Executor;
use crate::administrators::hex;

/// How long a caller waits for the line after the operation; the log of the node has it too.
const PATIENCE: Duration = Duration::from_secs(2);

impl Executor {
    /// Writes down how an operation ended. What cannot be written down is done all the same, and
    /// said in the log.
    pub(super) async fn write_down(&self, line: &AuditLine, result: Result<(), &OperationError>) {
        let entry = AuditEntry {
            at: self.node.ambient.clock.wall(),
            caller: line.caller.to_string(),
            operation: line.operation.to_owned(),
            fields: line.fields_text(),
            result: match result {
                Ok(()) => "done".to_owned(),
                Err(error) => error.to_string(),
            },
        };
        let change = Change::Audit(entry.cut());
        let kept = tokio::time::timeout(PATIENCE, self.node.configuration.execute(change)).await;
        match kept {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(audit = %line, %error, "audit line is not kept"),
            Err(_) => tracing::error!(audit = %line, "audit line may not be kept"),
        }
    }

    pub(super) fn audit_list(&self, before: Option<u64>) -> Outcome {
        let page = self.node.configuration.read(|configuration| {
            let lines = configuration.audit().newest_first();
            let lines = lines.filter(|(number, _)| before.is_none_or(|before| *number < before));
            Rows::fill(lines.map(|(number, line)| AuditRow {
                number,
                at: format_timestamp(line.entry.at.0),
                caller: line.entry.caller.clone(),
                operation: line.entry.operation.clone(),
                fields: line.entry.fields.clone(),
                result: line.entry.result.clone(),
                hash: hex(&line.hash),
            }))
        });
        Outcome::Audit(page)
    }
}
