//! How the cluster gets another authority and other certificates while it runs: what each node has
//! to do next, and when the old authority is worth nothing any more. Everything follows from what
//! nodes have said of themselves, so that it goes on wherever somebody was killed. Not for making
//! certificates: see `pollux_links::authority`.

use pollux_domain::ids::{NodeId, WallMs};
use serde::{Deserialize, Serialize};

use super::topology::{ClusterSecrets, NodeEntry, Topology};

/// SHA-256 of a certificate.
pub type Fingerprint = [u8; 32];

/// What a node shows on the port between nodes, and whom it believes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Of its own certificate.
    pub certificate: Fingerprint,
    /// Of the authority that has signed it.
    pub authority: Fingerprint,
    /// The authorities whose nodes it believes.
    pub trusts: Vec<Fingerprint>,
}

/// A credential as its node has said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub credential: Credential,
    /// When the node got that certificate, by its own clock.
    pub since: WallMs,
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing rotates.
    Settled,
    /// Each node is to believe the next authority beside the old one.
    Trusting,
    /// Each node is to show a certificate of the next authority.
    Renewing,
}

/// What a node does next about its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Believe the next authority, too.
    Trust(ClusterSecrets),
    /// Make a key, and a certificate by the next authority.
    Renew(ClusterSecrets),
    /// Believe the authority alone that is left.
    Forget,
    /// Say what it shows.
    Say,
}

impl Topology {
    pub fn phase(&self) -> Phase {
        let Some(next) = self.next_secrets() else {
            return Phase::Settled;
        };
        match self.present().all(|(_, entry)| trusts(entry, next)) {
            true => Phase::Renewing,
            false => Phase::Trusting,
        }
    }

    /// The nodes for which the rotation waits.
    pub fn awaited(&self) -> Vec<NodeId> {
        let Some(next) = self.next_secrets() else {
            return Vec::new();
        };
        let renewing = self.phase() == Phase::Renewing;
        let waits = |entry: &NodeEntry| match renewing {
            true => !shows(entry, next),
            false => !trusts(entry, next),
        };
        let awaited = self.present().filter(|(_, entry)| waits(entry));
        awaited.map(|(node, _)| node).collect()
    }

    /// The next step of `node`, which holds `held`.
    pub fn due(&self, node: NodeId, held: &Credential) -> Option<Due> {
        let entry = self.node(node).filter(|entry| !entry.removed)?;
        let secrets = self.secrets.as_ref()?;
        match self.next_secrets() {
            Some(next) if !held.trusts.contains(&next.fingerprint) => {
                return Some(Due::Trust(next.clone()));
            }
            Some(next)
                if self.phase() == Phase::Renewing && held.authority != next.fingerprint =>
            {
                return Some(Due::Renew(next.clone()));
            }
            // Whoever shows what nobody believes would lock itself out for good.
            None if held.authority == secrets.fingerprint
                && held.trusts != [secrets.fingerprint] =>
            {
                return Some(Due::Forget);
            }
            _ => {}
        }
        let said = entry.shown.as_ref().map(|shown| &shown.credential);
        (said != Some(held)).then_some(Due::Say)
    }

    /// With what tickets of TLS are made, and what else they are taken by: with the next secret
    /// when every node takes those.
    pub fn ticket_secrets(&self) -> Option<TicketSecrets> {
        let current = self.secrets.as_ref()?.ticket_secret;
        let next = self.next_secrets().map(|next| next.ticket_secret);
        let (make, take) = match (self.phase(), next) {
            (Phase::Renewing, Some(next)) => (next, Some(current)),
            _ => (current, next),
        };
        Some(TicketSecrets {
            make,
            take,
            former: self.former_tickets(),
        })
    }
}

/// See [`Topology::ticket_secrets`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TicketSecrets {
    pub make: [u8; 32],
    /// As good.
    pub take: Option<[u8; 32]>,
    /// Good for tickets from before this moment.
    pub former: Option<([u8; 32], WallMs)>,
}

fn trusts(entry: &NodeEntry, next: &ClusterSecrets) -> bool {
    let shown = entry.shown.as_ref();
    shown.is_some_and(|shown| shown.credential.trusts.contains(&next.fingerprint))
}

/// Whether it shows a certificate of the next authority.
pub(super) fn shows(entry: &NodeEntry, next: &ClusterSecrets) -> bool {
    let shown = entry.shown.as_ref();
    shown.is_some_and(|shown| shown.credential.authority == next.fingerprint)
}
