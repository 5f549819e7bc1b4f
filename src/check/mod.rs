//! `pollux check`: looks at what a node needs of its machine, before it starts or while it runs,
//! and says how to mend what is wrong. It changes nothing; each file looks at one thing and judges
//! it by a pure function.

mod certificate;
mod clock;
mod descriptors;
mod dns;
mod folder;
mod holder;
mod ports;
mod report;
mod running;

use std::net::SocketAddr;
use std::path::Path;

use pollux_raft::configuration::Role;

pub use report::{Finding, Report, Verdict};

use crate::cluster;
use crate::config::values::Domain;
use crate::config::{Config, ConfigError, Origin};
use running::Running;

/// A certificate that ends sooner is warned of, where nobody says how soon: authorities that renew
/// by themselves do so a month before.
pub const EXPIRY_DAYS: u32 = 14;

/// What to judge by besides the configuration.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Clients that will be connected at once; the users of the running node where it is not said.
    pub clients: Option<u64>,
    /// A certificate that ends sooner is warned of.
    pub expiry_days: u32,
    /// Asked instead of the machine's own servers.
    pub dns_server: Option<SocketAddr>,
}

/// Everything, in the order in which a node would stumble over it. A file that cannot be read at
/// all is an error; the mistakes in it are findings.
pub fn run(path: Option<&Path>, wanted: &Wanted) -> Result<Report, ConfigError> {
    let mut findings = Vec::new();
    match Config::load(path) {
        Ok(config) => {
            findings.push(Finding::passed("configuration", origin(&config.origin)));
            machine(&config, wanted, &mut findings);
        }
        Err(ConfigError::Wrong { mistakes, .. }) => {
            let place = path.map_or("the default".to_owned(), |path| path.display().to_string());
            findings.extend(mistakes.into_iter().map(|mistake| {
                let line = mistake
                    .line
                    .map_or(String::new(), |line| format!(":{line}"));
                let finding = format!("{place}{line}: {}", mistake.path);
                let finding = finding.trim_end_matches([':', ' ']);
                Finding::failed("configuration", finding, mistake.text)
            }));
            findings.push(descriptors::look(None, wanted.clients));
        }
        Err(error) => return Err(error),
    }
    findings.push(clock::look());
    Ok(Report::of(findings))
}

/// What a node that runs on this configuration finds of its machine.
pub fn of_running(config: &Config) -> Vec<Finding> {
    let wanted = Wanted {
        clients: None,
        expiry_days: EXPIRY_DAYS,
        dns_server: None,
    };
    let mut findings = Vec::new();
    machine(config, &wanted, &mut findings);
    findings.push(clock::look());
    findings
}

/// Whether the file itself has mistakes: nothing that depends on it was looked at.
pub fn is_misconfigured(report: &Report) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|one| one.check == "configuration" && one.result == Verdict::Failed)
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::EmbeddedDefault => "the embedded default holds; --config names a file".to_owned(),
        Origin::File(path) => format!("{} has no mistakes", path.display()),
    }
}

fn machine(config: &Config, wanted: &Wanted, findings: &mut Vec<Finding>) {
    let place = cluster::read(&config.node.data_folder);
    let role = match &place {
        Ok(found) => found.as_ref().map(|found| found.membership.role),
        Err(error) => {
            let advice = "see `docs/refusals.md`, \"Files of the node\"";
            findings.push(Finding::failed("cluster", error.to_string(), advice));
            None
        }
    };
    let running = Running::find(&config.control.socket);
    if role != Some(Role::Witness) {
        findings.extend(certificate::look(config, wanted.expiry_days));
        findings.extend(dns::look(config, wanted.dns_server));
    }
    findings.extend(ports::look(config, role, running.as_ref()));
    findings.push(descriptors::look(running.as_ref(), wanted.clients));
    findings.extend(folder::look(&config.node.data_folder, running.as_ref()));
}

/// Whether no zone of the public DNS has this name, and no authority certifies it (RFC 6761,
/// RFC 6762): it is for one machine, or for a test.
fn is_local(domain: &Domain) -> bool {
    let domain = domain.as_str();
    let is_address = domain.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let last = domain.rsplit('.').next().unwrap_or_default();
    let reserved = ["localhost", "local", "test", "invalid"];
    is_address.is_ok() || !domain.contains('.') || reserved.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_this_machine_alone() {
        for (domain, expected) in [
            ("localhost", true),
            ("castor", true),
            ("im.localhost", true),
            ("example.test", true),
            ("192.0.2.1", true),
            ("[2001:db8::1]", true),
            ("example.org", false),
            ("local.example.org", false),
        ] {
            assert_eq!(
                is_local(&Domain::new(domain).unwrap()),
                expected,
                "{domain}"
            );
        }
    }
}
