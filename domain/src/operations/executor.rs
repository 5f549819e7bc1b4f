//! The seam between the faces and what executes operations. A signature only: no runtime, no actor.

use std::future::Future;

use super::{Caller, Errand, OperationError, Outcome};

/// Executes operations, or has the node that the errand names execute them. Checks
/// `caller.may(operation.permission())`, does it, and writes `operation.audit_line(caller)` with
/// how it ended. The future need not be `Send`: a face awaits it on the thread on which it asked.
pub trait OperationExecutor {
    fn execute(
        &self,
        caller: &Caller,
        errand: Errand,
    ) -> impl Future<Output = Result<Outcome, OperationError>>;
}

impl<E: OperationExecutor> OperationExecutor for &E {
    fn execute(
        &self,
        caller: &Caller,
        errand: Errand,
    ) -> impl Future<Output = Result<Outcome, OperationError>> {
        (*self).execute(caller, errand)
    }
}
