//! The self-test of a node: gathers what `domain::self_test` judges, of the machine, of the
//! services and of the other nodes of the subcluster.

use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::operations::{OperationError, Outcome};
use pollux_domain::self_test::{self, Finding, Other, OtherSays};
use pollux_domain::services::Observed;
use pollux_links::peers::Lane;
use tokio::sync::oneshot;

use super::Executor;
use super::replicas::{self, Question, Told};

/// For the machine: a server of the DNS that does not answer takes the most.
const MACHINE_PATIENCE: Duration = Duration::from_secs(20);
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

impl Executor {
    pub(super) async fn self_test(&self) -> Result<Outcome, OperationError> {
        let mut findings = self.machine().await;
        findings.extend(self.services_found());
        findings.extend(self.node.hosting.findings());
        for (group, log) in &self.node.logs {
            findings.push(self_test::flushes(group, &log.figures().flushes));
        }
        let version = pollux_raft::version::BUILD;
        for other in self.others().await {
            findings.extend(self_test::other(version, &other));
        }
        Ok(Outcome::SelfTest(findings))
    }

    /// Aside: it asks files, the DNS and other programs.
    async fn machine(&self) -> Vec<Finding> {
        let Some(examiner) = self.node.examiner.get().cloned() else {
            return Vec::new();
        };
        let (tell, told) = oneshot::channel();
        let job = move || {
            let _gone = tell.send(examiner());
        };
        self.node.placement.run_aside(Box::new(job));
        let found = tokio::time::timeout(MACHINE_PATIENCE, told).await;
        found.ok().and_then(Result::ok).unwrap_or_else(|| {
            let found = format!("not looked at within {} s", MACHINE_PATIENCE.as_secs());
            let cure = "see what the machine waits for: its disk, or its servers of the DNS";
            vec![Finding::warned("machine", found, cure)]
        })
    }

    fn services_found(&self) -> Vec<Finding> {
        let rows = self.service_rows().into_iter();
        let findings = rows.map(|row| {
            let name = format!("service {}", row.service);
            let state = row.state.word().to_owned();
            match row.state {
                Observed::Running => Finding::passed(name, state),
                Observed::Starting | Observed::Stopping => {
                    Finding::warned(name, state, "look again in some seconds")
                }
                Observed::Stopped => {
                    let cure = format!("pollux ctl service start {}", row.service);
                    Finding::warned(name, "stopped, as its operator wants", cure)
                }
                Observed::Failed => {
                    let found = row.reason.unwrap_or(state);
                    Finding::failed(name, found, "mend what it says; it comes up by itself then")
                }
            }
        });
        findings.collect()
    }

    async fn others(&self) -> Vec<Other> {
        let node = &self.node;
        let me = node.settings.node;
        let members: Vec<(NodeId, String)> = node.configuration.read(|configuration| {
            let members = configuration.topology().members(node.settings.subcluster);
            let others = members.filter(|(number, _)| *number != me);
            others
                .map(|(number, entry)| (number, format!("node {number} ({})", entry.name)))
                .collect()
        });
        let mut others = Vec::new();
        for (number, name) in members {
            others.push(Other {
                name,
                control: node.peers.is_connected(number, Lane::Control),
                bulk: node.peers.is_connected(number, Lane::Bulk),
                answer: self.says(number).await,
            });
        }
        others
    }

    async fn says(&self, other: NodeId) -> Option<OtherSays> {
        let clock = &self.node.ambient.clock;
        let (begun, wall) = (clock.now(), clock.wall());
        let asked = replicas::ask(&self.node, other, Question::About);
        let told = tokio::time::timeout(ANSWER_PATIENCE, asked).await.ok()?;
        let Some(Told::About { wall: theirs, .. }) = told else {
            return None;
        };
        let version = self.node.configuration.read(|configuration| {
            let entry = configuration.topology().node(other)?;
            Some(entry.build.name.clone())
        })?;
        // It was said in the middle, give or take a half.
        let half = clock.now().saturating_sub(begun).as_millis() / 2;
        let half = u64::try_from(half).unwrap_or(u64::MAX);
        let ahead = i128::from(theirs.0) - i128::from(wall.0) - i128::from(half);
        Some(OtherSays {
            version,
            ahead_ms: ahead.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64,
            uncertain_ms: half + 1,
        })
    }
}
