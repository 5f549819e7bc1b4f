//! Where those who run a server are reached (XEP-0157), as a person writes it. Not for users'
//! contacts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Form;

/// The roles of XEP-0157 section 3, by the names of their fields without `-addresses`.
pub const ROLES: [&str; 7] = [
    "abuse", "admin", "feedback", "sales", "security", "status", "support",
];

const SCHEMES: [&str; 4] = ["mailto:", "xmpp:", "https://", "http://"];

/// Addresses, and a limit for what every answer to a service discovery carries.
const ADDRESSES_MAX: usize = 16;
const BYTES_MAX: usize = 1_024;

/// Role and address, in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerContacts(Vec<(String, String)>);

impl ServerContacts {
    /// Each role that has addresses, with them.
    pub fn by_role(&self) -> Vec<(&str, Vec<&str>)> {
        let roles = ROLES.into_iter().map(|role| {
            let own = self.0.iter().filter(|(other, _)| other == role);
            (
                role,
                own.map(|(_, address)| address.as_str()).collect::<Vec<_>>(),
            )
        });
        roles
            .filter(|(_, addresses)| !addresses.is_empty())
            .collect()
    }
}

impl Form for ServerContacts {
    fn words() -> String {
        format!(
            "none, or role=address, several with spaces between; a role is one of {}, an address \
             begins with one of {}",
            ROLES.join(", "),
            SCHEMES.join(", ")
        )
    }

    fn read(text: &str) -> Result<ServerContacts, String> {
        if text == "none" {
            return Ok(ServerContacts::default());
        }
        if BYTES_MAX < text.len() {
            return Err(format!("more than {BYTES_MAX} octets"));
        }
        let pairs = text.split_whitespace().map(pair);
        let pairs = pairs.collect::<Result<Vec<_>, String>>()?;
        if pairs.is_empty() || ADDRESSES_MAX < pairs.len() {
            return Err(format!("write one to {ADDRESSES_MAX} addresses, or none"));
        }
        Ok(ServerContacts(pairs))
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (role, address) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not role=address"))?;
    if !ROLES.contains(&role) {
        return Err(format!(
            "`{role}` is no role; roles are {}",
            ROLES.join(", ")
        ));
    }
    let rest = SCHEMES
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    if rest.is_none_or(str::is_empty) || address.chars().any(char::is_control) {
        return Err(format!(
            "`{address}` is no address; it begins with one of {}",
            SCHEMES.join(", ")
        ));
    }
    Ok((role.to_owned(), address.to_owned()))
}

impl fmt::Display for ServerContacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let pairs = self
            .0
            .iter()
            .map(|(role, address)| format!("{role}={address}"));
        f.write_str(&pairs.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_everything_else_refused() {
        let text = "admin=mailto:xmpp@example.org abuse=https://example.org/abuse admin=xmpp:a@b";
        let contacts = ServerContacts::read(text).unwrap();
        assert_eq!(contacts.to_string(), text);
        assert_eq!(
            contacts.by_role(),
            [
                ("abuse", vec!["https://example.org/abuse"]),
                ("admin", vec!["mailto:xmpp@example.org", "xmpp:a@b"]),
            ]
        );
        assert_eq!(ServerContacts::read("none").unwrap().to_string(), "none");
        for (text, wrong) in [
            ("", "write one to 16"),
            ("admin", "is not role=address"),
            ("boss=mailto:a@b", "`boss` is no role"),
            ("admin=a@b", "`a@b` is no address"),
            ("admin=mailto:", "is no address"),
            (&"admin=mailto:a@b ".repeat(17), "write one to 16"),
            (&"a".repeat(1_025), "more than 1024"),
        ] {
            let error = ServerContacts::read(text).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
