//! What a node measures of itself, gathered: its database, its groups, its disk, its acts, and what
//! it counts. Not for how that is published; what is counted stands in `metrics`.

use std::time::Duration;

use pollux_domain::ids::WallMs;
use pollux_domain::metrics::Sample;
use pollux_raft::group::Group;
use pollux_raft::machine::Kind;
use pollux_raft::version;

use crate::hosting::Hosted;
use crate::node::Node;
use crate::node_states;
use crate::operations::{relogin, subcluster};

impl Node {
    /// All that is measured: of the process, and of the groups.
    pub fn samples(&self) -> Vec<Sample> {
        let statistics = self.subcluster.read(|state| state.statistics());
        let gauge = |name, help, count: usize| Sample::gauge(name, help, count as f64);
        let mut samples = vec![
            gauge("pollux_users", "Users of the subcluster.", statistics.users),
            gauge(
                "pollux_sessions",
                "Sessions, with a stream or without.",
                statistics.sessions,
            ),
            gauge(
                "pollux_sessions_attached",
                "Sessions that a stream carries.",
                statistics.sessions_attached,
            ),
            gauge(
                "pollux_slots",
                "Stanzas that wait for acknowledgement.",
                statistics.slots,
            ),
            gauge(
                "pollux_foreign_users",
                "Users of other subclusters that this one's database knows.",
                statistics.foreign_users,
            ),
            gauge(
                "pollux_outbox_lines",
                "Lines that wait for other subclusters.",
                statistics.outbox_lines,
            ),
            gauge(
                "pollux_outbox_age_ms",
                "For how long the oldest of them has waited.",
                statistics.outbox_age_ms as usize,
            ),
            gauge(
                "pollux_offline_messages",
                "Messages in the offline store.",
                statistics.offline,
            ),
        ];
        samples.extend(self.versions());
        samples.extend(self.certificates());
        samples.extend(self.groups());
        samples.extend(self.kept());
        samples.extend(self.acts());
        samples.extend(node_states::samples(self));
        samples.extend(self.services.samples());
        samples.extend(self.hosting.samples());
        samples.extend(self.gate.samples());
        samples.extend(relogin::samples(self));
        samples.extend(subcluster::samples(self));
        samples.extend(self.metrics.samples());
        samples.extend(self.surroundings.get().iter().flat_map(|measure| measure()));
        samples
    }

    /// What runs, and what the cluster writes in.
    fn versions(&self) -> [Sample; 3] {
        let gauge = |name, help, format: u16| Sample::gauge(name, help, f64::from(format));
        let build = gauge("pollux_build_info", "1, with the version that runs.", 1);
        [
            build.with("version", version::BUILD),
            gauge(
                "pollux_cluster_format",
                "The format that the cluster uses.",
                self.settings.in_use.get(),
            ),
            gauge(
                "pollux_newest_format",
                "The newest format that this node speaks.",
                version::FORMATS.newest,
            ),
        ]
    }

    /// How old the certificates between nodes are, where there are any.
    fn certificates(&self) -> Vec<Sample> {
        let now = self.ambient.clock.wall();
        let age = |since: WallMs| now.0.saturating_sub(since.0) as f64 / 1e3;
        self.configuration.read(|configuration| {
            let topology = configuration.topology();
            let own = topology.node(self.settings.node);
            let own = own.and_then(|entry| entry.shown.as_ref());
            let Some((own, secrets)) = own.zip(topology.secrets.as_ref()) else {
                return Vec::new();
            };
            vec![
                Sample::gauge(
                    "pollux_cluster_certificate_age_seconds",
                    "For how long this node has shown its certificate to other nodes.",
                    age(own.since),
                ),
                Sample::gauge(
                    "pollux_cluster_authority_age_seconds",
                    "How old the authority is that signs the certificates of nodes.",
                    age(secrets.made_at),
                ),
                Sample::gauge(
                    "pollux_rotation_waits_for_nodes",
                    "Nodes for which the rotation of certificates waits; 0 also without one.",
                    topology.awaited().len() as f64,
                ),
            ]
        })
    }

    /// How far the groups are, and who leads them, as this node knows it.
    fn groups(&self) -> Vec<Sample> {
        let mut samples = [
            of_group("configuration", &self.configuration),
            of_group("subcluster", &self.subcluster),
        ]
        .concat();
        for hosted in self.hosting.all() {
            samples.extend(of_group(&hosted_name(&hosted), &hosted.group));
        }
        samples
    }

    /// What is kept on the disk, in memory, and what is not there yet.
    fn kept(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        let own = self.logs.iter();
        let own = own.map(|(group, log)| ((*group).to_owned(), log.clone()));
        let hosted = self.hosting.all().into_iter();
        let hosted = hosted.map(|hosted| (hosted_name(&hosted), hosted.log.clone()));
        for (group, log) in own.chain(hosted) {
            let figures = log.figures();
            samples.extend([
                Sample::gauge(
                    "pollux_log_unsynced_age_ms",
                    "For how long the oldest write has waited that the disk may not have.",
                    figures.unsynced.as_millis() as f64,
                )
                .with("group", group.as_str()),
                Sample::gauge(
                    "pollux_log_disk_bytes",
                    "The log on the disk, with purged entries whose segments are still there.",
                    figures.disk_bytes as f64,
                )
                .with("group", group.as_str()),
                Sample::histogram(
                    "pollux_log_flush_ms",
                    "How long the disk took for each flush of the log.",
                    figures.flushes,
                )
                .with("group", group.as_str()),
            ]);
        }
        // A disk that cannot be read is told by what needs it.
        if let Ok(bytes) = self.tables.disk_bytes() {
            let help = "The tables on the disk, with rows that are gone and not yet collected.";
            let bytes = bytes as f64;
            samples.push(Sample::gauge("pollux_tables_disk_bytes", help, bytes));
        }
        samples
    }

    /// When this process has acted for whom, by CLOCK_BOOTTIME: after a takeover the last act of
    /// the one is before the first act of the other.
    fn acts(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for tenure in self.tenures.all() {
            for acts in tenure.acts() {
                let gauge = |name, help, at: Duration| {
                    let sample = Sample::gauge(name, help, at.as_micros() as f64);
                    let sample = sample.with("home", tenure.home().to_string());
                    sample.with("epoch", acts.epoch.0.to_string())
                };
                samples.push(gauge(
                    "pollux_home_first_act_us",
                    "The check of the lease before the first act for a home under an epoch.",
                    acts.first,
                ));
                samples.push(gauge(
                    "pollux_home_last_act_us",
                    "The check of the lease before the last act for a home under an epoch.",
                    acts.last,
                ));
            }
        }
        samples
    }
}

/// What a replica of another subcluster is called among the groups of this node.
fn hosted_name(hosted: &Hosted) -> String {
    format!("witness-{}", hosted.subcluster)
}

fn of_group<G: Kind>(name: &str, group: &Group<G>) -> [Sample; 5] {
    let (last, applied, snapshot) = group.indexes();
    let gauge = |sample, help, value: u64| {
        let sample = Sample::gauge(sample, help, value as f64);
        sample.with("group", name)
    };
    [
        gauge("pollux_raft_last_index", "The newest log entry.", last),
        gauge(
            "pollux_raft_applied_index",
            "The newest applied entry.",
            applied,
        ),
        gauge("pollux_raft_snapshot_index", "The last snapshot.", snapshot),
        gauge(
            "pollux_raft_leads",
            "Whether this node leads the group.",
            group.leads().into(),
        ),
        gauge(
            "pollux_raft_term",
            "The group's term: how many elections there have been.",
            group.term(),
        ),
    ]
}
