//! The operations on the services of this node. What becomes of a service is decided by
//! `domain::services`, and done by `crate::services`.

use std::time::Duration;

use pollux_domain::operations::{ErrorKind, OperationError, Outcome, ServiceRow};
use pollux_domain::services::{Event, Service, Wish};

use super::Executor;

/// A service that is well is stopped or started within a moment; whoever waits longer is told what
/// there is.
const PATIENCE: Duration = Duration::from_secs(10);

impl Executor {
    pub(super) fn service_list(&self) -> Outcome {
        Outcome::Services(self.service_rows())
    }

    pub(super) fn service_rows(&self) -> Vec<ServiceRow> {
        self.node.services.rows(self.node.ambient.clock.now())
    }

    pub(super) async fn service_start(&self, service: Service) -> Result<Outcome, OperationError> {
        self.ask(service, Event::Wished(Wish::Running)).await
    }

    pub(super) async fn service_stop(&self, service: Service) -> Result<Outcome, OperationError> {
        self.check_stop(service)?;
        self.ask(service, Event::Wished(Wish::Stopped)).await
    }

    pub(super) async fn service_restart(
        &self,
        service: Service,
    ) -> Result<Outcome, OperationError> {
        self.check_stop(service)?;
        self.ask(service, Event::Restart).await
    }

    /// Says what has come of it. A wish that is not fulfilled yet stays one.
    async fn ask(&self, service: Service, event: Event) -> Result<Outcome, OperationError> {
        let node = &self.node;
        let unknown = || {
            let message = format!("this node has no service {service}: see `service list`");
            OperationError::new(ErrorKind::NotFound, message)
        };
        node.services.record(service).ok_or_else(unknown)?;
        let wished = node.services.wish(service, event, node.ambient.clock.now());
        wished.map_err(|error| {
            let message = format!("the wish could not be written to the data folder: {error}");
            OperationError::new(ErrorKind::Unavailable, message)
        })?;
        node.services.settled(service, PATIENCE).await;
        let record = node.services.record(service).ok_or_else(unknown)?;
        if let Some(shortfall) = record.shortfall() {
            let message = format!("the service {service} {shortfall}");
            return Err(OperationError::new(ErrorKind::Unavailable, message));
        }
        let rows = self.service_rows().into_iter();
        let rows = rows.filter(|row| row.service == service);
        Ok(Outcome::Services(rows.collect()))
    }

    fn check_stop(&self, service: Service) -> Result<(), OperationError> {
        if service.can_stop() {
            return Ok(());
        }
        let node = self.node.settings.node;
        let message = format!(
            "a node without its {service} is none: stop the whole node, after `pollux ctl \
             subcluster failover {node}` where its twin is to serve its users meanwhile"
        );
        Err(OperationError::new(ErrorKind::Invalid, message))
    }
}
