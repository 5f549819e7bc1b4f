//! Between which limits clients of this pair are to come back after a takeover: from what this node
//! has managed, or is thought to. The formula stands in `domain::relogin`.

use pollux_domain::limits;
use pollux_domain::metrics::Sample;
use pollux_domain::operations::ReloginHint;
use pollux_domain::relogin::{Sharing, by_cisco, spread};

use crate::node::Node;

/// As the guide has it: where both nodes of a pair serve users, those of the busier one count.
pub(super) fn hint(node: &Node) -> ReloginHint {
    let homes = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        topology.homes(node.settings.subcluster)
    });
    let counts: Vec<u64> = node.subcluster.read(|state| match homes.is_empty() {
        true => vec![state.statistics().users as u64],
        false => {
            let homes = homes.iter();
            homes
                .map(|home| state.home_counts(*home).0 as u64)
                .collect()
        }
    });
    let users = counts.iter().copied().max().unwrap_or_default();
    let sharing = match counts.iter().filter(|count| **count > 0).count() {
        0 | 1 => Sharing::ActiveStandby,
        _ => Sharing::ActiveActive,
    };
    let measured = node.gate.measured();
    let rate = measured.unwrap_or(limits::SIGN_INS_A_SECOND_ASSUMED);
    let lower = node.cluster_settings().service_delay().as_secs();
    ReloginHint {
        users,
        sign_ins_a_second: rate as u64,
        is_measured: measured.is_some(),
        spread: spread(lower, users, rate),
        by_cisco: by_cisco(users, sharing),
    }
}

pub(crate) fn samples(node: &Node) -> Vec<Sample> {
    let hint = hint(node);
    let seconds = |spread: pollux_domain::relogin::Spread, by| {
        let help = "Within how many seconds clients are to come back after a takeover, by what \
                    this node manages and by the tables of Cisco Unified Presence.";
        Sample::gauge(
            "pollux_relogin_upper_seconds",
            help,
            spread.upper_seconds as f64,
        )
        .with("by", by)
    };
    let mut samples = vec![seconds(hint.spread, "pollux")];
    samples.extend(hint.by_cisco.map(|spread| seconds(spread, "cisco")));
    samples
}
