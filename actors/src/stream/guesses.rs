//! Failed sign-ins are counted, and after too many nothing more is tried (decision 0036). Not for
//! the rules: they stand in `pollux_domain::lockout`.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::lockout::{Lockouts, Policy};
use pollux_xmpp::sasl::{SaslCondition, SaslFailure};

use crate::node::Node;

fn lockouts(node: &Node) -> MutexGuard<'_, Lockouts> {
    node.lockouts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn policy(node: &Node) -> Policy {
    let settings = node.cluster_settings();
    Policy {
        account: settings.lockout_account_failures.most(),
        address: settings.lockout_address_failures.most(),
    }
}

/// Nothing is tried of an account or from an address with too many failures, also of an account
/// that does not exist.
pub fn locked_out(node: &Node, user: &BareJid, address: IpAddr) -> Option<SaslFailure> {
    let (policy, now) = (policy(node), node.ambient.clock.now());
    let left = lockouts(node).left(policy, user, address, now)?;
    node.metrics
        .sign_ins_locked_out
        .fetch_add(1, Ordering::Relaxed);
    let minutes = left.as_secs().div_ceil(60).max(1);
    let text = format!("too many failed attempts; the next counts in {minutes} min");
    Some(SaslFailure::new(SaslCondition::TemporaryAuthFailure).with_text(text))
}

pub fn note_failed(node: &Node, user: &BareJid, address: IpAddr) {
    let (policy, now) = (policy(node), node.ambient.clock.now());
    let locked = lockouts(node).failed(policy, user, address, now);
    let seconds = limits::LOCKOUT_SECONDS;
    if locked.account {
        tracing::warn!(%user, %address, seconds, "account is locked out after too many failures");
    }
    if locked.address {
        tracing::warn!(%address, seconds, "address is locked out after too many failures");
    }
}

pub fn note_succeeded(node: &Node, user: &BareJid, address: IpAddr) {
    lockouts(node).succeeded(user, address);
}
