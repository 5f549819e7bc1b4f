//! What the page *Node* says besides what the topology has: services with what may be done about
//! them, and what a self-test has found. As values; not for HTML.

use std::time::Duration;

use pollux_domain::figures::lasting;
use pollux_domain::operations::{
    Errand, Operation, OperationError, Outcome, Permission, Role, ServiceRow,
};
use pollux_domain::self_test::{Finding, Verdict};
use pollux_domain::services::{Observed, Wish};

use super::topology::{Act, Tone, ask, path, unexpected};
use super::{Office, Reader};

/// For the list of services.
const PATIENCE: Duration = Duration::from_secs(1);
/// A self-test asks the DNS, disks and other nodes.
const SELF_TEST_PATIENCE: Duration = Duration::from_secs(25);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceView {
    pub(crate) name: String,
    pub(crate) meaning: String,
    pub(crate) tone: Tone,
    pub(crate) state: String,
    pub(crate) wanted: &'static str,
    pub(crate) lasting: String,
    pub(crate) reason: String,
    pub(crate) is_critical: bool,
    pub(crate) acts: Vec<Act>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindingView {
    pub(crate) tone: Tone,
    pub(crate) verdict: &'static str,
    pub(crate) name: String,
    pub(crate) found: String,
    pub(crate) cure: String,
}

/// The services of a node, as it says now.
pub(crate) async fn services(
    office: &Office,
    reader: &Reader,
    at: Option<u16>,
) -> Result<Vec<ServiceView>, OperationError> {
    let errand = Errand {
        operation: Operation::ServiceList {},
        at,
    };
    let administration = office.administration.as_ref();
    match ask(administration, &reader.caller(), errand, PATIENCE).await? {
        Outcome::Services(rows) => {
            let role = reader.administrator.role;
            Ok({ rows.iter() }.map(|row| view(row, at, role)).collect())
        }
        other => Err(unexpected(&[other])),
    }
}

/// What a node finds when it looks.
pub(crate) async fn self_test(
    office: &Office,
    reader: &Reader,
    at: Option<u16>,
) -> Result<Vec<FindingView>, OperationError> {
    let errand = Errand {
        operation: Operation::NodeSelfTest {},
        at,
    };
    let administration = office.administration.as_ref();
    let caller = reader.caller();
    match ask(administration, &caller, errand, SELF_TEST_PATIENCE).await? {
        Outcome::SelfTest(findings) => Ok(findings.into_iter().map(finding).collect()),
        other => Err(unexpected(&[other])),
    }
}

fn view(row: &ServiceRow, at: Option<u16>, role: Role) -> ServiceView {
    let tone = match (row.state, row.wanted) {
        (Observed::Running, _) => Tone::Good,
        (Observed::Failed, _) => Tone::Bad,
        (Observed::Stopped, Wish::Stopped) => Tone::Quiet,
        _ => Tone::Busy,
    };
    ServiceView {
        name: row.service.to_string(),
        meaning: row.meaning.clone(),
        tone,
        state: row.state.word().to_owned(),
        wanted: match row.wanted {
            Wish::Running => "running",
            Wish::Stopped => "stopped",
        },
        lasting: lasting(row.for_seconds),
        reason: row.reason.clone().unwrap_or_default(),
        is_critical: row.is_critical,
        acts: acts(row, at, role),
    }
}

/// What the state allows, and the role.
fn acts(row: &ServiceRow, at: Option<u16>, role: Role) -> Vec<Act> {
    if !role.may(Permission::RunServices) || !row.can_stop {
        return Vec::new();
    }
    let service = row.service;
    let act = |operation: Operation, verb: &str| {
        let errand = Errand { operation, at };
        Act {
            path: path(&errand),
            errand,
            label: format!("{verb} {service}"),
            whom: format!("It is about {}.", row.meaning),
        }
    };
    match row.wanted {
        Wish::Running => vec![
            act(Operation::ServiceRestart { service }, "Restart"),
            act(Operation::ServiceStop { service }, "Stop"),
        ],
        Wish::Stopped => vec![act(Operation::ServiceStart { service }, "Start")],
    }
}

fn finding(one: Finding) -> FindingView {
    let (tone, verdict) = match one.verdict {
        Verdict::Passed => (Tone::Good, "passed"),
        Verdict::Warned => (Tone::Busy, "warned"),
        Verdict::Failed => (Tone::Bad, "failed"),
    };
    FindingView {
        tone,
        verdict,
        name: one.name,
        found: one.found,
        cure: one.cure.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::services::Service;

    use super::*;

    fn row(service: Service, wanted: Wish, state: Observed) -> ServiceRow {
        ServiceRow {
            service,
            is_critical: service.is_critical(),
            can_stop: service.can_stop(),
            wanted,
            state,
            for_seconds: 61,
            reason: None,
            meaning: service.meaning().to_owned(),
        }
    }

    fn paths(row: &ServiceRow, role: Role) -> Vec<String> {
        let acts = acts(row, Some(2), role).into_iter();
        acts.map(|act| act.path).collect()
    }

    #[test]
    fn the_buttons_of_a_service() {
        let runs = row(Service::Clients, Wish::Running, Observed::Running);
        assert_eq!(
            paths(&runs, Role::Operator),
            [
                "/confirm?operation=service.restart&service=clients&at=2",
                "/confirm?operation=service.stop&service=clients&at=2"
            ]
        );
        assert_eq!(paths(&runs, Role::Viewer), [""; 0]);
        let stopped = row(Service::Clients, Wish::Stopped, Observed::Stopped);
        let start = "/confirm?operation=service.start&service=clients&at=2";
        assert_eq!(paths(&stopped, Role::Operator), [start]);
        let store = row(Service::Store, Wish::Running, Observed::Failed);
        assert_eq!(paths(&store, Role::Administrator), [""; 0]);
    }

    #[test]
    fn what_is_not_as_wanted_is_seen() {
        let tone =
            |wanted, state| view(&row(Service::Links, wanted, state), None, Role::Viewer).tone;
        assert_eq!(tone(Wish::Running, Observed::Running), Tone::Good);
        assert_eq!(tone(Wish::Running, Observed::Failed), Tone::Bad);
        assert_eq!(tone(Wish::Running, Observed::Stopped), Tone::Busy);
        assert_eq!(tone(Wish::Stopped, Observed::Stopped), Tone::Quiet);
        let shown = view(
            &row(Service::Links, Wish::Running, Observed::Running),
            None,
            Role::Viewer,
        );
        assert_eq!(shown.lasting, "1 min 1 s");
    }
}
