//! Whether there are files enough: each client takes one. What a node does about it is in
//! `crate::descriptors`.

use std::fs;

use pollux_domain::limits;

use super::report::Finding;
use super::running::Running;
use crate::descriptors::limits as own_limits;

const CHECK: &str = "files";

/// What a node takes besides clients who have signed in: strangers, logs, tables, other nodes.
const RESERVE: u64 = limits::PREAUTH_CONNECTIONS_MAX as u64 + 1_000;
/// Below as many clients a warning is due where nobody says how many there will be.
const CLIENTS: u64 = 1_000;

/// By the limits of the running node, which may have others than the caller.
pub fn look(running: Option<&Running>, clients: Option<u64>) -> Finding {
    let limit = match running {
        Some(running) => {
            let path = format!("/proc/{}/limits", running.process);
            fs::read_to_string(path).ok().and_then(|text| of(&text))
        }
        // A node raises its own to what it may have.
        None => own_limits().1,
    };
    let whose = match running {
        Some(_) => "the running node",
        None => "a node started here",
    };
    let users = running.and_then(|running| running.users);
    judge(whose, limit, clients.or(users))
}

/// The soft limit in /proc/PID/limits; none is unlimited.
fn of(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    line?.split_whitespace().next()?.parse().ok()
}

fn judge(whose: &str, limit: Option<u64>, clients: Option<u64>) -> Finding {
    let Some(limit) = limit else {
        return Finding::passed(CHECK, format!("{whose} may open any number of files"));
    };
    let room = limit.saturating_sub(RESERVE);
    let finding = format!("{whose} may open {limit} files: room for {room} clients");
    let wanted = clients.unwrap_or(CLIENTS);
    if wanted <= room {
        return Finding::passed(CHECK, finding);
    }
    let needed = wanted + RESERVE;
    let advice = format!(
        "LimitNOFILE={needed} or more in the unit of systemd; elsewhere `ulimit -Hn {needed}` as \
         root before the start, or `nofile` in /etc/security/limits.conf"
    );
    let (finding, too_few) = match clients {
        Some(clients) => (format!("{finding}, and {clients} are to come"), true),
        None => (finding, room == 0),
    };
    match too_few {
        true => Finding::failed(CHECK, finding, advice),
        false => Finding::warned(CHECK, finding, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn files_are_counted_against_clients() {
        for (limit, clients, expected) in [
            (None, Some(1_000_000), Verdict::Passed),
            (Some(65_536), Some(60_000), Verdict::Passed),
            (Some(65_536), Some(65_536), Verdict::Failed),
            (Some(65_536), None, Verdict::Passed),
            (Some(RESERVE + 500), None, Verdict::Warned),
            (Some(1_024), None, Verdict::Failed),
        ] {
            let finding = judge("a node", limit, clients);
            assert_eq!(finding.result, expected, "{finding:?}");
        }
        let advice = judge("a node", Some(1_024), Some(25_000)).advice.unwrap();
        assert!(advice.starts_with("LimitNOFILE=28000"), "{advice}");
    }

    #[test]
    fn the_limits_of_a_process_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
             Max processes             100                  100                  processes\n\
             Max open files            1024                 524288               files\n";
        assert_eq!(of(text), Some(1_024));
        assert_eq!(
            of("Max open files            unlimited  unlimited  files\n"),
            None
        );
        // Another test raises the soft limit to the hard one.
        let own = fs::read_to_string("/proc/self/limits").unwrap();
        let (soft, hard) = own_limits();
        assert!([soft, hard].contains(&of(&own)));
    }
}
