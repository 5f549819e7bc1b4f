//! What must be so before one node of a pair may take over from the other by itself: each condition
//! that is not met, with its cure. Not for taking over.

use std::fmt;

use crate::ids::NodeId;
use crate::limits;
use crate::services::Service;

/// One replica of the subcluster's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub node: NodeId,
    pub name: String,
    /// Serves users; else it is a witness.
    pub serves: bool,
    /// Its vote counts already.
    pub votes: bool,
    /// What it runs, as the configuration has it.
    pub version: String,
    /// What it says when it is asked; none: it does not answer.
    pub answer: Option<Answer>,
}

/// What a replica says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The index up to which it has applied the log.
    pub applied: u64,
    /// A critical service of it that does not run.
    pub down: Option<Service>,
}

/// A home whose users are not, or will not be, served by its own node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away {
    pub home: NodeId,
    /// None: nobody serves them yet.
    pub by: Option<NodeId>,
    pub is_moving: bool,
}

/// What is known when somebody turns high availability on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub replicas: Vec<Replica>,
    /// The index that was committed when they were asked.
    pub committed: u64,
    /// Nodes that are emptied.
    pub drained: Vec<NodeId>,
    pub away: Vec<Away>,
}

/// One condition that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmet {
    NoTwin,
    NoWitness,
    NotHeard {
        node: NodeId,
        name: String,
    },
    NoVote {
        node: NodeId,
        name: String,
    },
    Behind {
        node: NodeId,
        name: String,
        by: u64,
    },
    Down {
        node: NodeId,
        name: String,
        service: Service,
    },
    Versions(Vec<(String, String)>),
    Drained(NodeId),
    Away(Away),
}

/// All that is not met; nothing: it may be turned on.
pub fn unmet(facts: &Facts) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    let nodes = facts.replicas.iter().filter(|replica| replica.serves);
    if nodes.clone().count() < 2 {
        unmet.push(Unmet::NoTwin);
    }
    if facts.replicas.iter().all(|replica| replica.serves) {
        unmet.push(Unmet::NoWitness);
    }
    for replica in &facts.replicas {
        unmet.extend(of_replica(replica, facts.committed));
    }
    let versions = nodes.map(|replica| (replica.name.clone(), replica.version.clone()));
    let versions: Vec<(String, String)> = versions.collect();
    if versions.windows(2).any(|two| two[0].1 != two[1].1) {
        unmet.push(Unmet::Versions(versions));
    }
    unmet.extend(facts.drained.iter().copied().map(Unmet::Drained));
    unmet.extend(facts.away.iter().copied().map(Unmet::Away));
    unmet
}

fn of_replica(replica: &Replica, committed: u64) -> Option<Unmet> {
    let (node, name) = (replica.node, replica.name.clone());
    let Some(answer) = &replica.answer else {
        return Some(Unmet::NotHeard { node, name });
    };
    if !replica.votes {
        return Some(Unmet::NoVote { node, name });
    }
    if let Some(service) = answer.down {
        return Some(Unmet::Down {
            node,
            name,
            service,
        });
    }
    let by = committed.saturating_sub(answer.applied);
    (limits::BEHIND_MAX < by).then_some(Unmet::Behind { node, name, by })
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmet::NoTwin => f.write_str(
                "the subcluster has one node: invite its twin with `pollux ctl cluster invite`",
            ),
            Unmet::NoWitness => f.write_str(
                "there is no witness, without which neither node can know that it is not the one \
                 that is cut off: invite one with `pollux ctl cluster invite --witness`; in a \
                 cluster of several subclusters a node of another one becomes it by itself",
            ),
            Unmet::NotHeard { node, name } => write!(
                f,
                "node {node} ({name}) does not answer: start it, or look at the wire between; if \
                 it is lost, replace it with `pollux ctl cluster invite --replaces {node}`"
            ),
            Unmet::NoVote { node, name } => write!(
                f,
                "node {node} ({name}) has joined and does not vote yet: wait until `pollux ctl \
                 subcluster status` says that it does"
            ),
            Unmet::Behind { node, name, by } => write!(
                f,
                "node {node} ({name}) lacks {by} entries of the log: wait until it has caught up; \
                 if it does not, look at its disk and its wire"
            ),
            Unmet::Down {
                node,
                name,
                service,
            } => write!(
                f,
                "node {node} ({name}) has its service {service} down: start it there with `pollux \
                 ctl service start {service}`, or see why with `pollux ctl service list`"
            ),
            Unmet::Versions(versions) => {
                let versions = versions.iter();
                let versions: Vec<String> = versions
                    .map(|(name, version)| format!("{name} runs {version}"))
                    .collect();
                write!(
                    f,
                    "the nodes are of different versions ({}): upgrade the older one",
                    versions.join(", ")
                )
            }
            Unmet::Drained(node) => write!(
                f,
                "node {node} is drained and takes no users: take that back with `pollux ctl node \
                 undrain {node}`, or remove it and invite another"
            ),
            Unmet::Away(Away {
                home,
                is_moving: true,
                ..
            }) => write!(
                f,
                "the users of node {home} are being moved: wait a few seconds"
            ),
            Unmet::Away(Away { home, by: None, .. }) => write!(
                f,
                "nobody serves the users of node {home} yet: wait until it does, or start it"
            ),
            Unmet::Away(Away {
                home, by: Some(by), ..
            }) => write!(
                f,
                "the users of node {home} are served by node {by}: move them home with `pollux \
                 ctl subcluster fallback`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(node: u16, name: &str) -> Replica {
        Replica {
            node: NodeId(node),
            name: name.to_owned(),
            serves: node < 3,
            votes: true,
            version: "1.2.0".to_owned(),
            answer: Some(Answer {
                applied: 10_000,
                down: None,
            }),
        }
    }

    fn whole() -> Facts {
        Facts {
            replicas: vec![
                replica(1, "castor"),
                replica(2, "pollux"),
                replica(3, "leda"),
            ],
            committed: 10_000,
            drained: Vec::new(),
            away: Vec::new(),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Facts), parts: &[&str]) {
        let mut facts = whole();
        change(&mut facts);
        let said: Vec<String> = unmet(&facts).iter().map(Unmet::to_string).collect();
        assert_eq!(said.len(), parts.len(), "{said:?}");
        for (said, part) in said.iter().zip(parts) {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    fn answer(facts: &mut Facts, at: usize) -> &mut Answer {
        facts.replicas[at].answer.as_mut().unwrap()
    }

    #[test]
    fn each_condition_is_named_with_its_cure() {
        check(|_| {}, &[]);
        check(
            |facts| _ = facts.replicas.remove(1),
            &["invite its twin with `pollux ctl cluster invite`"],
        );
        check(|facts| _ = facts.replicas.pop(), &["invite --witness"]);
        check(
            |facts| facts.replicas[2].answer = None,
            &["node 3 (leda) does not answer: start it"],
        );
        check(
            |facts| facts.replicas[1].votes = false,
            &["does not vote yet"],
        );
        check(
            |facts| answer(facts, 1).applied = 10_000 - limits::BEHIND_MAX - 1,
            &["node 2 (pollux) lacks 4097 entries"],
        );
        check(
            |facts| facts.replicas[1].version = "1.1.0".to_owned(),
            &["castor runs 1.2.0, pollux runs 1.1.0"],
        );
        check(
            |facts| answer(facts, 1).down = Some(Service::Store),
            &["node 2 (pollux) has its service store down"],
        );
        check(
            |facts| facts.drained.push(NodeId(2)),
            &["node 2 is drained and takes no users: take that back"],
        );
        let away = |by: Option<u16>, is_moving| Away {
            home: NodeId(1),
            by: by.map(NodeId),
            is_moving,
        };
        check(
            |facts| facts.away.push(away(Some(2), false)),
            &["served by node 2: move them home"],
        );
        check(
            |facts| facts.away.push(away(Some(2), true)),
            &["are being moved"],
        );
        check(
            |facts| facts.away.push(away(None, false)),
            &["nobody serves the users of node 1 yet"],
        );
    }

    #[test]
    fn a_little_behind_and_a_witness_of_another_version_do_no_harm() {
        check(
            |facts| {
                answer(facts, 1).applied = 10_000 - limits::BEHIND_MAX;
                facts.replicas[2].version = "1.1.0".to_owned();
            },
            &[],
        );
    }

    #[test]
    fn all_that_is_not_met_is_named_at_once() {
        check(
            |facts| {
                facts.replicas.pop();
                facts.replicas[1].answer = None;
                facts.away.push(Away {
                    home: NodeId(2),
                    by: Some(NodeId(1)),
                    is_moving: false,
                });
            },
            &["no witness", "does not answer", "users of node 2"],
        );
    }
}
