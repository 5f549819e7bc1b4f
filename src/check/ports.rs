//! Whether each port can be had, and by whom it is held where not. Not for who comes there.

use std::io::ErrorKind;
use std::net::SocketAddr;

use pollux_raft::configuration::Role;

use super::holder::{self, Holder};
use super::is_local;
use super::report::Finding;
use super::running::Running;
use crate::config::Config;

const CHECK: &str = "ports";

/// How an attempt to listen went.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Attempt {
    Free,
    Held(Option<Holder>),
    NoSuchAddress,
    NotAllowed,
    Failed(String),
}

pub fn look(config: &Config, role: Option<Role>, running: Option<&Running>) -> Vec<Finding> {
    let mut wanted = Vec::new();
    if role != Some(Role::Witness) {
        wanted.push(("xmpp.listen", Some(config.xmpp.listen)));
        wanted.push(("xmpp.direct_tls_listen", config.xmpp.direct_tls_listen));
    }
    // A node that is alone does not listen for others.
    if role.is_some() {
        wanted.push(("cluster.listen", Some(config.cluster.listen)));
    }
    wanted.push(("metrics.listen", config.metrics.listen));
    wanted.push(("admin.listen", config.admin.listen));
    let mut findings: Vec<Finding> = wanted
        .into_iter()
        .filter_map(|(setting, address)| Some((setting, address?)))
        .map(|(setting, address)| judge(setting, address, &attempt(address), running))
        .collect();
    let client = config.xmpp.listen.ip();
    if role != Some(Role::Witness) && client.is_loopback() && !is_local(&config.xmpp.domain) {
        let finding = format!("xmpp.listen is {client}: clients of other machines do not come in");
        let advice = "xmpp.listen = \"[::]:5222\", and xmpp.direct_tls_listen = \"[::]:5223\"";
        findings.push(Finding::warned(CHECK, finding, advice));
    }
    if role.is_some() && config.cluster.listen.ip().is_loopback() {
        let finding =
            "cluster.listen is a loopback address: nodes of other machines do not come in";
        let advice = "cluster.listen = \"[::]:7222\", unless the others run on this machine";
        findings.push(Finding::warned(CHECK, finding, advice));
    }
    findings
}

#[expect(
    clippy::disallowed_types,
    reason = "the command line is outside of any simulated node"
)]
fn attempt(address: SocketAddr) -> Attempt {
    match std::net::TcpListener::bind(address) {
        Ok(_listener) => Attempt::Free,
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse => Attempt::Held(holder::of(address)),
            ErrorKind::AddrNotAvailable => Attempt::NoSuchAddress,
            ErrorKind::PermissionDenied => Attempt::NotAllowed,
            _ => Attempt::Failed(error.to_string()),
        },
    }
}

fn judge(
    setting: &str,
    address: SocketAddr,
    attempt: &Attempt,
    running: Option<&Running>,
) -> Finding {
    let at = format!("{address} ({setting})");
    let failed =
        |text: &str, advice: String| Finding::failed(CHECK, format!("{at} {text}"), advice);
    match attempt {
        Attempt::Free if address.port() == 0 => {
            Finding::passed(CHECK, format!("{at}: any free port"))
        }
        Attempt::Free => Finding::passed(CHECK, format!("{at} is free")),
        Attempt::Held(Some(holder)) => {
            let Holder { process, name } = holder;
            if running.is_some_and(|running| running.process == *process) {
                let text = format!("{at} is the running node's (process {process})");
                return Finding::passed(CHECK, text);
            }
            let advice = format!("stop `{name}`, or write another port as {setting}");
            failed(&format!("is held by `{name}` (process {process})"), advice)
        }
        // Neither may the caller see whose it is, nor need it be another's than the node's.
        Attempt::Held(None) if running.is_some() => {
            let text = format!("{at} is held, and a node runs; root sees by whom");
            Finding::passed(CHECK, text)
        }
        Attempt::Held(None) => {
            let advice = format!(
                "`pollux check` as root says whose it is; stop that one, or write another port as \
                 {setting}"
            );
            failed("is held by another user's process", advice)
        }
        Attempt::NoSuchAddress => {
            let ip = address.ip();
            let advice = format!(
                "no interface has {ip}: write one of `ip address`, or [::] for all, as {setting}"
            );
            failed("is not an address of this machine", advice)
        }
        Attempt::NotAllowed => {
            let advice = format!(
                "ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit; or \
                 write a higher one as {setting}"
            );
            failed("may not be taken by this user", advice)
        }
        Attempt::Failed(error) => failed(
            &format!("cannot be had: {error}"),
            format!("write another address as {setting}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[track_caller]
    fn check(attempt: &Attempt, running: Option<u32>, expected: Verdict, part: &str) {
        let address = "127.0.0.1:5222".parse().unwrap();
        let running = running.map(|process| Running {
            process,
            users: None,
        });
        let finding = judge("xmpp.listen", address, attempt, running.as_ref());
        assert_eq!(finding.result, expected, "{finding:?}");
        let said = format!("{} {:?}", finding.finding, finding.advice);
        assert!(said.contains(part), "{said}");
    }

    #[test]
    fn a_port_is_free_ours_or_held() {
        let prosody = Attempt::Held(Some(Holder {
            process: 812,
            name: "lua5.4".into(),
        }));
        check(&Attempt::Free, None, Verdict::Passed, "is free");
        check(&prosody, None, Verdict::Failed, "`lua5.4` (process 812)");
        check(&prosody, Some(1), Verdict::Failed, "stop `lua5.4`");
        check(&prosody, Some(812), Verdict::Passed, "running node's");
        check(&Attempt::Held(None), None, Verdict::Failed, "as root");
        check(
            &Attempt::Held(None),
            Some(1),
            Verdict::Passed,
            "a node runs",
        );
        check(&Attempt::NoSuchAddress, None, Verdict::Failed, "ip address");
        check(&Attempt::NotAllowed, None, Verdict::Failed, "CAP_NET_BIND");
    }

    #[test]
    fn an_address_of_nobody_is_told_apart() {
        let nobodys = "192.0.2.1:0".parse().unwrap();
        assert_eq!(attempt(nobodys), Attempt::NoSuchAddress);
    }
}
