//! How the results of `pollux ctl` look: tables for people, JSON for programs. Pure text.

use pollux_domain::operations::{Figure, NodeStatus, Secret, SessionRow, UserName, UserRow};
use serde_json::{Value, json};

use super::table::render;

/// A result that is ready to be shown.
pub enum Shown {
    Done {
        what: &'static str,
        subject: String,
    },
    Generated {
        what: &'static str,
        user: UserName,
        password: Secret,
    },
    Users(Vec<UserRow>),
    Sessions(Vec<SessionRow>),
    Statistics(Vec<Figure>),
    Status(NodeStatus),
}

pub fn text(shown: &Shown) -> String {
    match shown {
        Shown::Done { what, subject } => format!("{subject}: {what}\n"),
        Shown::Generated {
            what,
            user,
            password,
        } => {
            let password = password.expose_secret();
            format!("{user}: {what}\npassword: {password}\nIt is not kept and not shown again.\n")
        }
        Shown::Users(rows) => {
            let rows = rows.iter().map(|row| {
                let role = if row.is_administrator {
                    "administrator"
                } else {
                    "user"
                };
                let counts = [row.session_count.to_string(), row.offline_count.to_string()];
                [vec![row.user.to_string(), role.to_owned()], counts.to_vec()].concat()
            });
            render(&["USER", "ROLE", "SESSIONS", "OFFLINE"], rows.collect())
        }
        Shown::Sessions(rows) => {
            let rows = rows.iter().map(|row| {
                let peer = row
                    .peer
                    .clone()
                    .unwrap_or_else(|| "waits to resume".to_owned());
                let managed = if row.has_stream_management {
                    "yes"
                } else {
                    "no"
                };
                vec![
                    row.session.to_string(),
                    row.availability.clone(),
                    peer,
                    managed.to_owned(),
                    row.slot_count.to_string(),
                ]
            });
            let head = [
                "SESSION",
                "AVAILABILITY",
                "PEER",
                "ACKNOWLEDGES",
                "UNACKNOWLEDGED",
            ];
            render(&head, rows.collect())
        }
        Shown::Statistics(figures) => {
            let rows = figures
                .iter()
                .map(|figure| vec![figure.name.clone(), figure.value.to_string()]);
            render(&["NAME", "VALUE"], rows.collect())
        }
        Shown::Status(status) => status_text(status),
    }
}

fn status_text(status: &NodeStatus) -> String {
    let mut rows = vec![
        vec!["node".to_owned(), status.node_id.to_string()],
        vec!["version".to_owned(), status.version.clone()],
        vec!["domain".to_owned(), status.domain.clone()],
        vec!["state".to_owned(), status.state.clone()],
        vec!["up".to_owned(), duration(status.uptime_seconds)],
        vec!["users".to_owned(), status.user_count.to_string()],
        vec!["sessions".to_owned(), status.session_count.to_string()],
    ];
    for listener in &status.listeners {
        rows.push(vec![
            format!("listens ({})", listener.protocol),
            listener.address.clone(),
        ]);
    }
    for group in &status.groups {
        let value = format!(
            "{}, term {}, applied {}, voters {}",
            group.role, group.term, group.applied_index, group.voter_count
        );
        rows.push(vec![format!("group {}", group.group), value]);
    }
    render(&["WHAT", "VALUE"], rows)
}

fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// One line. Lists are arrays of rows; the fields are those of the registry.
pub fn json(shown: &Shown) -> String {
    let value: Value = match shown {
        Shown::Done { subject, .. } => json!({ "done": true, "subject": subject }),
        Shown::Generated { user, password, .. } => {
            json!({ "done": true, "subject": user, "password": password.expose_secret() })
        }
        Shown::Users(rows) => json!(rows),
        Shown::Sessions(rows) => json!(rows),
        Shown::Statistics(figures) => figures
            .iter()
            .map(|figure| (figure.name.clone(), json!(figure.value)))
            .collect(),
        Shown::Status(status) => json!(status),
    };
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use pollux_domain::operations::{GroupRow, ListenerRow};

    use super::*;

    #[test]
    fn a_list_of_users() {
        let row = UserRow {
            user: UserName::new("alice@localhost").unwrap(),
            is_administrator: true,
            session_count: 2,
            offline_count: 0,
        };
        let shown = Shown::Users(vec![row]);
        let expected = "USER             ROLE           SESSIONS  OFFLINE\n\
                        alice@localhost  administrator  2         0\n";
        assert_eq!(text(&shown), expected);
        let value: Value = serde_json::from_str(&json(&shown)).unwrap();
        assert_eq!(value[0]["session_count"], 2);
    }

    #[test]
    fn a_generated_password_is_shown_once_and_said_to_be() {
        let password = Secret::new("abc".to_owned()).unwrap();
        let user = UserName::new("alice").unwrap();
        let shown = Shown::Generated {
            what: "added",
            user,
            password,
        };
        assert!(text(&shown).contains("password: abc\n"));
        assert!(text(&shown).contains("not shown again"));
        assert!(json(&shown).contains(r#""password":"abc""#));
    }

    #[test]
    fn the_status_of_a_node() {
        let status = NodeStatus {
            node_id: 1,
            version: "0.1.0".into(),
            domain: "localhost".into(),
            state: "serving".into(),
            uptime_seconds: 3_725,
            user_count: 4,
            session_count: 2,
            listeners: vec![ListenerRow {
                protocol: "xmpp".into(),
                address: "[::1]:5222".into(),
            }],
            groups: vec![GroupRow {
                group: "pair".into(),
                role: "leader".into(),
                term: 3,
                applied_index: 9,
                voter_count: 1,
            }],
        };
        let text = text(&Shown::Status(status));
        assert!(text.contains("up              1 h 2 min\n"), "{text}");
        assert!(
            text.contains("group pair      leader, term 3, applied 9, voters 1\n"),
            "{text}"
        );
    }

    #[test]
    fn durations() {
        for (seconds, expected) in [
            (0, "0 s"),
            (61, "1 min 1 s"),
            (7_260, "2 h 1 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
