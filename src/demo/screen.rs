//! What the demo says: how to take part, how to kill, and one line of who serves whom.

use pollux_domain::operations::{Operation, Outcome};

use super::player::{Part, Player};
use crate::control::ask;

/// Said once, when the pair is whole.
pub fn welcome(cast: &[Player; 3], users: &[(&str, Part, String)]) -> String {
    let [castor, pollux, _] = cast;
    let mut text =
        String::from("\nThe pair is whole. Users, with their passwords and home nodes:\n\n");
    for (name, part, password) in users {
        let home = cast[*part as usize].name();
        let address = format!("{name}@localhost");
        text.push_str(&format!("  {address:<16}  {password}  {home}\n"));
    }
    let (here, there) = (castor.config().xmpp.listen, pollux.config().xmpp.listen);
    let direct = castor.config().xmpp.direct_tls_listen;
    let direct = direct.map_or(String::new(), |address| {
        format!("A client that begins with TLS (XEP-0368) comes to {address}.\n")
    });
    text.push_str(&format!(
        "\nSign in with any XMPP client, at {here} or {there}: each node takes anybody.\n\
         {direct}\
         In two terminals, for example:\n\n\
         \x20 profanity -a alice@localhost\n\
         \x20 /connect alice@localhost server {} port {} tls trust\n\n\
         Then kill a node, and go on talking:\n\n",
        here.ip(),
        here.port(),
    ));
    for player in cast {
        let pid = player.pid().map_or("-".to_owned(), |pid| pid.to_string());
        text.push_str(&format!("  kill -9 {pid:<8} # {}\n", player.name()));
    }
    text.push_str(&format!(
        "\nA node that was killed comes back after ten seconds; its users stay with its twin\n\
         until you send them home. Ask any of the three:\n\n\
         \x20 pollux ctl --config {0} subcluster status\n\
         \x20 pollux ctl --config {0} subcluster fallback\n\n\
         Ctrl-C ends the demo and removes what it made.\n\n",
        castor.settings_path().display(),
    ));
    text
}

/// Who serves whom, as the first node that answers knows it.
pub fn line(cast: &[Player; 3]) -> String {
    let answers = cast.iter().filter(|player| player.pid().is_some());
    let status = answers.into_iter().find_map(|player| {
        match ask(
            &player.config().control.socket,
            Operation::SubclusterStatus {},
        ) {
            Ok(Outcome::Subcluster(status)) => Some(status),
            _ => None,
        }
    });
    let Some(status) = status else {
        return "no node answers".to_owned();
    };
    let homes: Vec<String> = status
        .homes
        .iter()
        .map(|row| {
            let serving = row.serving.map_or("nobody".to_owned(), name_of);
            format!("{}'s users: {serving}", name_of(row.home))
        })
        .collect();
    let sessions: u64 = status.homes.iter().map(|row| row.sessions).sum();
    let leader = status.leader.map_or("nobody".to_owned(), name_of);
    let absent: Vec<String> = cast.iter().filter_map(Player::absence).collect();
    let state = match (absent.is_empty(), status.is_protected) {
        (true, true) => "protected".to_owned(),
        (true, false) => "NOT PROTECTED".to_owned(),
        (false, _) => absent.join(", "),
    };
    format!(
        "{} · {sessions} sessions · {leader} leads · {state}",
        homes.join(" · ")
    )
}

/// The cluster numbers its nodes in the order in which they came.
fn name_of(node: u16) -> String {
    match node {
        1 => "castor",
        2 => "pollux",
        3 => "the witness",
        _ => "a stranger",
    }
    .to_owned()
}
