//! The services of a node: which there are, what each is to be and is, and what a service that is
//! down means for the users of its node. Not for what a service does, nor for how it is started.

mod record;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operations::{ErrorKind, OperationError};
use crate::takeovers::TakeoverCause;

pub use record::{Act, Due, Event, Observed, Record, Wish, pause};

/// A part of a node that can fail for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Service {
    /// The port on which clients begin in the clear, and go on in TLS (RFC 6120 section 5).
    Clients,
    /// The port on which clients begin with TLS (XEP-0368).
    DirectTls,
    /// The tables and the logs.
    Store,
    /// The port between nodes, and the connections to them.
    Links,
}

/// Service, name, what it is.
const TABLE: [(Service, &str, &str); 4] = [
    (Service::Clients, "clients", "the port for clients"),
    (
        Service::DirectTls,
        "clients-tls",
        "the port for clients that begin with TLS",
    ),
    (Service::Store, "store", "the tables and the logs"),
    (
        Service::Links,
        "links",
        "the port between nodes and its connections",
    ),
];

impl Service {
    pub const ALL: [Service; 4] = [
        Service::Clients,
        Service::DirectTls,
        Service::Store,
        Service::Links,
    ];
    /// Their names.
    pub const NAMES: [&str; 4] = ["clients", "clients-tls", "store", "links"];

    pub fn parse(name: &str) -> Result<Service, OperationError> {
        let row = TABLE.iter().find(|(_, known, _)| *known == name);
        row.map(|(service, ..)| *service).ok_or_else(|| {
            let names = Service::NAMES.join(", ");
            let message = format!("there is no service '{name}'; there are {names}");
            OperationError::new(ErrorKind::Invalid, message)
        })
    }

    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// For a person.
    pub fn meaning(self) -> &'static str {
        TABLE[self as usize].2
    }

    /// Whether the users of its node are to be served by the twin while it is down. Not the links:
    /// a node without them loses its lease within a moment, and needs no delay.
    pub fn is_critical(self) -> bool {
        match self {
            Service::Clients | Service::DirectTls | Service::Store => true,
            Service::Links => false,
        }
    }

    /// Whether it can be stopped while its node goes on. Without the store a node is none.
    pub fn can_stop(self) -> bool {
        match self {
            Service::Clients | Service::DirectTls | Service::Links => true,
            Service::Store => false,
        }
    }

    /// Whether it is started again when it has failed. The others mend by themselves, as soon as
    /// what is around them is well: the disk, the network.
    pub fn is_started_again(self) -> bool {
        match self {
            Service::Clients | Service::DirectTls => true,
            Service::Store | Service::Links => false,
        }
    }

    /// Why the users go to the twin when it stays down.
    pub fn cause(self) -> TakeoverCause {
        match self {
            Service::Store => TakeoverCause::DatabaseFailure,
            Service::Clients | Service::DirectTls | Service::Links => {
                TakeoverCause::CriticalServiceDown
            }
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<String> for Service {
    type Error = OperationError;

    fn try_from(name: String) -> Result<Service, OperationError> {
        Service::parse(&name)
    }
}

impl From<Service> for String {
    fn from(service: Service) -> String {
        service.name().to_owned()
    }
}

/// A critical service that does not run: the one that has not for the longest time. Goes to the
/// leader with each sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Down {
    pub service: Service,
    pub lasts: Duration,
}

/// What of these is worst.
pub fn worst<'a>(
    records: impl IntoIterator<Item = (Service, &'a Record)>,
    now: Duration,
) -> Option<Down> {
    let critical = records
        .into_iter()
        .filter(|(service, _)| service.is_critical());
    let down = critical.filter_map(|(service, record)| {
        let lasts = record.down_for(now)?;
        Some(Down { service, lasts })
    });
    down.max_by_key(|down| down.lasts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_row() {
        for ((service, row), name) in Service::ALL.iter().zip(TABLE).zip(Service::NAMES) {
            assert_eq!((*service, row.1), (row.0, name));
            assert_eq!(Service::parse(name), Ok(*service));
            assert!(!service.meaning().is_empty());
        }
        let refused = Service::parse("sip").unwrap_err();
        assert_eq!(
            refused.message,
            "there is no service 'sip'; there are clients, clients-tls, store, links"
        );
    }

    #[test]
    fn the_critical_service_that_has_been_down_longest_counts() {
        let at = Duration::from_secs;
        let down = |since| {
            let mut record = Record::running(at(0));
            record.happens(Event::Wished(Wish::Stopped), at(since));
            record
        };
        let (early, late, runs) = (down(10), down(20), Record::running(at(0)));
        assert_eq!(worst([(Service::Clients, &runs)], at(60)), None);
        assert_eq!(worst([(Service::Links, &early)], at(60)), None);
        let rows = [
            (Service::Clients, &late),
            (Service::DirectTls, &early),
            (Service::Store, &runs),
        ];
        let worst = worst(rows, at(60)).unwrap();
        assert_eq!((worst.service, worst.lasts), (Service::DirectTls, at(50)));
    }
}
