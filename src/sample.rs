//! The embedded default: sample users with passwords that are printed once, and what to type into a
//! client.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::PoisonError;

use pollux_actors::node::Node;
use pollux_actors::users;
use pollux_domain::jid::BareJid;

use crate::config::Config;

/// Sample users; the last is the administrator.
const USERS: [&str; 4] = ["alice", "bob", "carol", "admin"];

/// Makes the users at the first start, and says how to sign in.
pub async fn welcome(config: &Config, node: &Node) -> Result<(), String> {
    let domain = config.xmpp.domain.as_str();
    let port = first_listener(node).unwrap_or(config.xmpp.listen);
    let mut text = String::new();
    if node
        .configuration
        .read(|state| state.users().next().is_none())
    {
        text.push_str("\nSample users; their passwords are shown this once:\n\n");
        for name in USERS {
            let password = password(node);
            let user =
                BareJid::from_parts(Some(name), domain).map_err(|error| error.to_string())?;
            let administrator = name == "admin";
            users::add(node, &user, password.clone(), administrator)
                .await
                .map_err(|error| error.to_string())?;
            let role = if administrator {
                "   (administrator)"
            } else {
                ""
            };
            text.push_str(&format!("  {user:<18} {password}{role}\n"));
        }
    } else {
        text.push_str("\nThe sample users are there already; give one a new password with\n");
        text.push_str("  pollux ctl user set-password alice\n");
    }
    text.push_str(&format!(
        "\nThe node serves {domain} at {port}. Its certificate is self-signed: a client asks\n\
         once whether to trust it. In a terminal, for example:\n\n\
         \x20 profanity -a alice@{domain}\n\
         \x20 /connect alice@{domain} server {} port {} tls trust\n\n\
         Ask the node with `pollux ctl status`; stop it with Ctrl-C. What it\n\
         acknowledged is kept.\n\n",
        port.ip(),
        port.port(),
    ));
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())
}

fn first_listener(node: &Node) -> Option<SocketAddr> {
    let listeners = node
        .listeners
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    listeners.first().map(|listening| listening.address)
}

/// Eighty bits in letters that nobody confuses.
fn password(node: &Node) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random = node.ambient.rand.token();
    let letters = random
        .iter()
        .map(|byte| LETTERS[usize::from(byte % 32)] as char);
    letters.collect()
}
