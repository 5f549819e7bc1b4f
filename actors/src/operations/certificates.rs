//! The certificates between nodes: how they are, and that they are rotated. Not for doing it: each
//! node does its part by itself (see `domain` of the configuration, `rotation`).

use pollux_domain::operations::{
    CertificateRow, CertificatesStatus, ErrorKind, OperationError, Outcome,
};
use pollux_links::authority::{Authority, fingerprint};
use pollux_raft::configuration::{ClusterSecrets, NodeEntry, Phase, Topology, TopologyChange};
use pollux_xmpp::delay::format_timestamp;

use super::Executor;

impl Executor {
    pub(super) async fn rotate_certificates(&self) -> Result<Outcome, OperationError> {
        let cluster = self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            topology.secrets.is_some().then_some(topology.cluster)
        });
        let cluster = cluster.ok_or_else(alone)?;
        let failed = |error: &dyn std::fmt::Display| {
            let message = format!("failed to make an authority: {error}");
            OperationError::new(ErrorKind::Internal, message)
        };
        let authority = Authority::make(cluster).map_err(|error| failed(&error))?;
        let mut ticket_secret = [0; 32];
        self.node.ambient.rand.fill(&mut ticket_secret);
        let next = ClusterSecrets {
            fingerprint: fingerprint(authority.certificate()),
            made_at: self.node.ambient.clock.wall(),
            authority_certificate: authority.certificate().to_vec().into(),
            authority_key: authority.private().secret_pkcs8_der().to_vec().into(),
            ticket_secret,
        };
        self.change(TopologyChange::Rotate(next)).await
    }

    pub(super) fn cluster_certificates(&self) -> Result<Outcome, OperationError> {
        let now = self.node.ambient.clock.wall().0;
        let status = self
            .node
            .configuration
            .read(|configuration| status(configuration.topology(), now));
        status.map(Outcome::Certificates).ok_or_else(alone)
    }
}

fn alone() -> OperationError {
    let message = "this node is alone, and has no certificates for other nodes";
    OperationError::new(ErrorKind::Invalid, message)
}

/// None: nobody has an authority.
fn status(topology: &Topology, now: u64) -> Option<CertificatesStatus> {
    let secrets = topology.secrets.as_ref()?;
    let next = topology.next_secrets();
    let rows = topology.present().map(|(node, entry)| {
        let shown = entry.shown.as_ref();
        CertificateRow {
            node: node.0,
            name: entry.name.clone(),
            certificate: shown.map(|shown| hex(&shown.credential.certificate)),
            authority: shown.map(|shown| hex(&shown.credential.authority)),
            since: shown.map(|shown| format_timestamp(shown.since.0)),
            age_seconds: shown.map(|shown| now.saturating_sub(shown.since.0) / 1_000),
            state: state(topology, entry).to_owned(),
        }
    });
    Some(CertificatesStatus {
        phase: match topology.phase() {
            Phase::Settled => "settled",
            Phase::Trusting => "the next authority is made known",
            Phase::Renewing => "nodes get certificates of the next authority",
        }
        .to_owned(),
        authority: hex(&secrets.fingerprint),
        authority_since: format_timestamp(secrets.made_at.0),
        next_authority: next.map(|next| hex(&next.fingerprint)),
        waits_for: topology.awaited().iter().map(|node| node.0).collect(),
        nodes: rows.collect(),
    })
}

fn state(topology: &Topology, entry: &NodeEntry) -> &'static str {
    let Some(shown) = &entry.shown else {
        return "has said nothing";
    };
    match topology.next_secrets() {
        None => "settled",
        Some(next) if shown.credential.authority == next.fingerprint => "has the next certificate",
        Some(next) if shown.credential.trusts.contains(&next.fingerprint) => {
            "believes the next authority"
        }
        Some(_) => "believes the old authority alone",
    }
}

fn hex(fingerprint: &[u8; 32]) -> String {
    fingerprint
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
