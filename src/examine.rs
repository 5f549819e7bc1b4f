//! What a running node finds of its machine, for its self-test: all that `pollux check` looks at,
//! its memory, and whether the addresses that others are told lead anywhere. Not for the services
//! and the other nodes: those the node sees itself.

use std::fs;
use std::net::ToSocketAddrs;
use std::sync::{Arc, Weak};

use pollux_actors::node::{Examiner, Node};
use pollux_domain::self_test::{self, Finding, Verdict};

use crate::check;
use crate::config::Config;

/// Looks when it is called. May take seconds: it asks the DNS.
pub fn examiner(config: &Config, node: &Arc<Node>) -> Examiner {
    let (config, node) = (config.clone(), Arc::downgrade(node));
    Arc::new(move || {
        let mut findings: Vec<Finding> = check::of_running(&config)
            .into_iter()
            .map(of_check)
            .collect();
        findings.push(self_test::memory(available()));
        findings.extend(addresses(&node));
        findings
    })
}

fn of_check(found: check::Finding) -> Finding {
    Finding {
        name: found.check.to_owned(),
        verdict: match found.result {
            check::Verdict::Passed => Verdict::Passed,
            check::Verdict::Warned => Verdict::Warned,
            check::Verdict::Failed => Verdict::Failed,
        },
        found: found.finding,
        cure: found.advice,
    }
}

/// Of proc_meminfo(5).
fn available() -> Option<u64> {
    of_meminfo(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn of_meminfo(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Those that the configuration tells others of this node; a node that is alone tells none.
fn addresses(node: &Weak<Node>) -> Vec<Finding> {
    let Some(node) = node.upgrade() else {
        return Vec::new();
    };
    let told = node.configuration.read(|configuration| {
        let entry = configuration.topology().node(node.settings.node)?;
        Some((entry.address.clone(), entry.client_address.clone()))
    });
    let Some((nodes, clients)) = told else {
        return Vec::new();
    };
    let told = [("nodes", Some(nodes)), ("clients", clients)];
    let told = told
        .into_iter()
        .filter_map(|(what, told)| Some((what, told?)));
    told.map(|(what, told)| self_test::address(what, &told, resolve(&told)))
        .collect()
}

fn resolve(told: &str) -> Result<Vec<String>, String> {
    let addresses = told.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_memory() {
        let text = "MemTotal:        8000000 kB\nMemAvailable:    2048 kB\nBuffers: 1 kB\n";
        assert_eq!(of_meminfo(text), Some(2_048 * 1_024));
        for broken in ["", "MemAvailable: many kB\n", "MemAvailable: 12\n"] {
            assert_eq!(of_meminfo(broken), None, "{broken}");
        }
        assert!(available().is_some());
    }

    #[test]
    fn addresses_are_resolved() {
        assert_eq!(resolve("127.0.0.1:5222"), Ok(vec!["127.0.0.1".to_owned()]));
        assert!(resolve("no port").is_err());
    }
}
