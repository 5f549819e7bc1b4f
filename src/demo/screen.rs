//! What the demo says: how to take part, how to kill, and one line of who serves whom.

use pollux_domain::operations::{Operation, Outcome, SubclusterStatus};

use super::player::{Part, Player};
use crate::control::ask;

/// Said once, when the pair is whole.
pub fn welcome(cast: &[Player; 3], users: &[(&str, Part, String)]) -> String {
    let [castor, pollux, _] = cast;
    let mut text =
        String::from("\nThe pair is whole. Users, with their passwords and home nodes:\n\n");
    for (name, part, password) in users {
        let home = cast[*part as usize].name();
        text.push_str(&format!("  {name}@localhost   {password}   {home}\n"));
    }
    let (here, there) = (castor.config().xmpp.listen, pollux.config().xmpp.listen);
    text.push_str(&format!(
        "\nSign in with any XMPP client, at {here} or {there}: each node takes anybody.\n\
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
        "\nA node that was killed comes back after ten seconds. Ask any of them:\n\n\
         \x20 pollux ctl --config {} subcluster status\n\n\
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
        .map(|row| home(&status, row.home))
        .collect();
    let leader = status.leader.map_or("nobody".to_owned(), name_of);
    let protected = match status.is_protected {
        true => "protected",
        false => "NOT PROTECTED",
    };
    format!("{} · {leader} leads · {protected}", homes.join(" · "))
}

fn home(status: &SubclusterStatus, home: u16) -> String {
    let row = status.homes.iter().find(|row| row.home == home);
    let serving = row.and_then(|row| row.serving);
    let serving = serving.map_or("nobody".to_owned(), name_of);
    let (users, sessions) = row.map_or((0, 0), |row| (row.users, row.sessions));
    format!(
        "{serving} serves {}'s {users} users ({sessions} sessions)",
        name_of(home)
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
