//! Whether the DNS leads clients here: the records of the two services (RFC 6120 section 3.2,
//! XEP-0368) and the addresses of their targets. Asking is in `ask.rs`.

mod ask;

use std::net::{IpAddr, SocketAddr, UdpSocket};

use pollux_actors::system;

use self::ask::{Resolver, Service, Unanswered};
use super::is_local;
use super::report::Finding;
use crate::config::Config;

const CHECK: &str = "dns";
const CLIENT: &str = "_xmpp-client._tcp";
const DIRECT: &str = "_xmpps-client._tcp";
/// Where clients come that find no record (RFC 6120 section 3.2.2).
const PORT_WITHOUT_RECORD: u16 = 5_222;

/// Where this node is to be found.
struct Here {
    /// A name of it, where one is known.
    host: Option<String>,
    /// What would be written into the zone.
    shown: String,
    /// None where it does not listen for this service.
    port: Option<u16>,
}

pub fn look(config: &Config, server: Option<SocketAddr>) -> Vec<Finding> {
    let domain = &config.xmpp.domain;
    if is_local(domain) {
        let finding = format!("no records are needed: {domain} is not a name of the public DNS");
        return vec![Finding::passed(CHECK, finding)];
    }
    let machine = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = server.map_or_else(|| ask::servers(&machine), |server| vec![server]);
    let rand = system::ambient().rand;
    let resolver = Resolver {
        servers,
        rand: rand.as_ref(),
    };
    let direct = config.xmpp.direct_tls_listen;
    let port = address_port(&config.xmpp.address).unwrap_or(config.xmpp.listen.port());
    let client = match judge(
        &resolver,
        CLIENT,
        domain.as_str(),
        &here(config, Some(port)),
    ) {
        Ok(client) => client,
        // The second question would wait in vain as well.
        Err(reason) => return vec![unanswered(config, Some(port), &reason)],
    };
    let port = direct.map(|address| address.port());
    match judge(&resolver, DIRECT, domain.as_str(), &here(config, port)) {
        Ok(direct) => vec![client, direct],
        Err(reason) => vec![client, unanswered(config, None, &reason)],
    }
}

fn here(config: &Config, port: Option<u16>) -> Here {
    let (host, _) = config.xmpp.address.rsplit_once(':').unwrap_or_default();
    let is_name = host.trim_matches(['[', ']']).parse::<IpAddr>().is_err() && !host.is_empty();
    let host = is_name.then(|| host.trim_end_matches('.').to_ascii_lowercase());
    let shown = host.clone().unwrap_or_else(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        match name.trim() {
            name if name.contains('.') => name.to_owned(),
            name => format!("{name}.{}", config.xmpp.domain),
        }
    });
    Here { host, shown, port }
}

fn address_port(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

/// A line of a zone file.
fn line(service: &str, domain: &str, here: &Here) -> String {
    let port = here.port.unwrap_or_default();
    format!("{service}.{domain}. 3600 IN SRV 0 5 {port} {}.", here.shown)
}

/// What could not be looked at; without `port` only the second service.
fn unanswered(config: &Config, port: Option<u16>, reason: &Unanswered) -> Finding {
    let domain = config.xmpp.domain.as_str();
    let finding = format!("not looked at: {}", reason.0);
    let mut advice = format!("the zone of {domain} is to have, for each node of the cluster:");
    let direct = config.xmpp.direct_tls_listen.map(|address| address.port());
    for (service, port) in [(CLIENT, port), (DIRECT, direct)] {
        if port.is_some_and(|port| port != 0) {
            let line = line(service, domain, &here(config, port));
            advice.push_str(&format!("\n{line}"));
        }
    }
    Finding::warned(CHECK, finding, advice)
}

/// One service, by its records and the addresses of their targets.
fn judge(
    resolver: &Resolver<'_>,
    service: &str,
    domain: &str,
    here: &Here,
) -> Result<Finding, Unanswered> {
    let name = format!("{service}.{domain}");
    let records = resolver.services(&name)?;
    let mut found = Vec::new();
    for record in records {
        let addresses = match record.target.is_empty() {
            true => Vec::new(),
            false => resolver.addresses(&record.target)?,
        };
        found.push((record, addresses));
    }
    let own = match service == CLIENT && found.is_empty() {
        true => resolver.addresses(domain)?,
        false => Vec::new(),
    };
    Ok(decide(service, domain, here, &found, &own, is_own))
}

/// Whether an address is one of this machine: it lets itself be taken.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// `own` are the addresses of the domain itself.
fn decide(
    service: &str,
    domain: &str,
    here: &Here,
    found: &[(Service, Vec<IpAddr>)],
    own: &[IpAddr],
    is_own: impl Fn(IpAddr) -> bool,
) -> Finding {
    let name = format!("{service}.{domain}");
    let to_write = format!("write into the zone:\n{}", line(service, domain, here));
    let Some(port) = here.port else {
        return not_offered(&name, found);
    };
    if found.is_empty() {
        let comes_anyway = port == PORT_WITHOUT_RECORD && own.iter().any(|one| is_own(*one));
        if comes_anyway {
            let finding = format!("no {name}; clients come to {domain}:{port}, which is here");
            return Finding::passed(CHECK, finding);
        }
        return Finding::warned(CHECK, format!("there is no {name}"), to_write);
    }
    let shown: Vec<String> = found.iter().map(|(record, _)| shown(record)).collect();
    let finding = format!("{name} leads to {}", shown.join(", "));
    if found.iter().all(|(record, _)| record.target.is_empty()) {
        let finding = format!("{name} says that the service is not offered");
        return Finding::failed(CHECK, finding, to_write);
    }
    if let Some((record, _)) = found
        .iter()
        .find(|(record, addresses)| !record.target.is_empty() && addresses.is_empty())
    {
        let finding = format!("{finding}, and {} has no address", record.target);
        let advice = format!("write an A or AAAA record for {}", record.target);
        return Finding::failed(CHECK, finding, advice);
    }
    let is_here = |(record, addresses): &&(Service, Vec<IpAddr>)| {
        here.host.as_deref() == Some(record.target.as_str())
            || addresses.iter().any(|one| is_own(*one))
    };
    let mut ours = found.iter().filter(is_here).peekable();
    if ours.peek().is_none() {
        let finding = format!("{finding}: none of these is an address of this machine");
        let advice = format!(
            "right where addresses are translated on the way, or where this node is not for \
             clients; else {to_write}"
        );
        return Finding::warned(CHECK, finding, advice);
    }
    match ours.any(|(record, _)| record.port == port || port == 0) {
        true => Finding::passed(CHECK, finding),
        false => {
            let finding = format!("{finding}, and this node listens at port {port}");
            let advice = format!("right where ports are translated on the way; else {to_write}");
            Finding::warned(CHECK, finding, advice)
        }
    }
}

fn not_offered(name: &str, found: &[(Service, Vec<IpAddr>)]) -> Finding {
    match found.iter().find(|(record, _)| !record.target.is_empty()) {
        Some((record, _)) => {
            let finding = format!("{name} leads to {}, and this port is off", shown(record));
            let advice = "set xmpp.direct_tls_listen, or take the record out of the zone";
            Finding::warned(CHECK, finding, advice)
        }
        None => Finding::passed(CHECK, format!("no {name} is needed: this port is off")),
    }
}

fn shown(record: &Service) -> String {
    match record.target.is_empty() {
        true => "nowhere".to_owned(),
        false => format!("{}:{}", record.target, record.port),
    }
}

#[cfg(test)]
#[path = "dns_test.rs"]
mod tests;
