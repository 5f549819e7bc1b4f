//! How the results of `pollux ctl` look: tables for people, JSON for programs. Pure text.

use pollux_domain::figures::lasting;
use pollux_domain::history::HistoryRow;
use pollux_domain::operations::{
    AdministratorRow, AuditRow, BackupMade, BackupRow, CertificatesStatus, ClusterNodeRow,
    DigestRow, Figure, NodeStatus, ReloginHint, Secret, ServiceRow, SessionRow, SettingRow,
    SubclusterStatus, TakeoverRow, TokenRow, UserRow,
};
use pollux_domain::relogin::Spread;
use pollux_domain::self_test::Finding;
use serde_json::{Value, json};

use super::certificates;
use super::history;
use super::service;
use super::settings;
use super::table::render;
use super::versions;

/// A result that is ready to be shown.
pub enum Shown {
    Done {
        what: &'static str,
        subject: String,
    },
    Generated {
        what: &'static str,
        subject: String,
        password: Secret,
    },
    Users(Vec<UserRow>),
    Sessions(Vec<SessionRow>),
    Statistics(Vec<Figure>),
    History(Vec<HistoryRow>),
    Status(NodeStatus),
    Token(String),
    /// One that was made, and that another program is to be told.
    Secret(Secret),
    Nodes(Vec<ClusterNodeRow>),
    Certificates(CertificatesStatus),
    Subcluster(SubclusterStatus),
    Takeovers(Vec<TakeoverRow>),
    Digests(Vec<DigestRow>),
    Services(Vec<ServiceRow>),
    SelfTest(Vec<Finding>),
    /// A backup that was just made.
    Made(BackupMade),
    Backups(Vec<BackupRow>),
    Settings(Vec<SettingRow>),
    Setting(SettingRow),
    Administrators(Vec<AdministratorRow>),
    Tokens(Vec<TokenRow>),
    Audit(Vec<AuditRow>),
}

pub fn text(shown: &Shown) -> String {
    match shown {
        Shown::Done { what, subject } => format!("{subject}: {what}\n"),
        Shown::Generated {
            what,
            subject,
            password,
        } => {
            let password = password.expose_secret();
            format!(
                "{subject}: {what}\npassword: {password}\nIt is not kept and not shown again.\n"
            )
        }
        Shown::Users(rows) => users_text(rows),
        Shown::Sessions(rows) => sessions_text(rows),
        Shown::Statistics(figures) => {
            let rows = figures
                .iter()
                .map(|figure| vec![figure.name.clone(), figure.value.to_string()]);
            render(&["NAME", "VALUE"], rows.collect())
        }
        Shown::History(rows) => history::text(rows),
        Shown::Status(status) => status_text(status),
        // Alone on its line, so that a script can take it.
        Shown::Token(token) => format!("{token}\n"),
        Shown::Secret(secret) => format!("{}\n", secret.expose_secret()),
        Shown::Nodes(rows) => nodes_text(rows),
        Shown::Certificates(status) => certificates::text(status),
        Shown::Subcluster(status) => subcluster_text(status),
        Shown::Takeovers(rows) => takeovers_text(rows),
        Shown::Digests(rows) => digests_text(rows),
        Shown::Services(rows) => service::table(rows),
        Shown::SelfTest(findings) => service::findings(findings),
        Shown::Made(made) => made_text(made),
        Shown::Backups(rows) => backups_text(rows),
        Shown::Settings(rows) => settings::table(rows),
        Shown::Setting(row) => settings::one(row),
        Shown::Administrators(rows) => administrators_text(rows),
        Shown::Tokens(rows) => tokens_text(rows),
        Shown::Audit(rows) => audit_text(rows),
    }
}

fn users_text(rows: &[UserRow]) -> String {
    let rows = rows.iter().map(|row| {
        let role = if row.is_administrator {
            "administrator"
        } else {
            "user"
        };
        let availability = match row.is_disabled {
            true => "disabled".to_owned(),
            false => row.availability.clone(),
        };
        vec![
            row.user.to_string(),
            role.to_owned(),
            availability,
            row.session_count.to_string(),
            row.offline_count.to_string(),
        ]
    });
    let head = ["USER", "ROLE", "AVAILABILITY", "SESSIONS", "OFFLINE"];
    render(&head, rows.collect())
}

fn sessions_text(rows: &[SessionRow]) -> String {
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

fn nodes_text(nodes: &[ClusterNodeRow]) -> String {
    let rows = nodes.iter().map(|row| {
        vec![
            row.node.to_string(),
            row.name.clone(),
            row.role.clone(),
            row.subcluster.to_string(),
            row.incarnation.to_string(),
            row.address.clone(),
            row.version.clone(),
            row.site.clone().unwrap_or_else(|| "-".to_owned()),
            match row.is_drained {
                true => format!("{}, drained", row.state),
                false => row.state.clone(),
            },
            witness_of(&row.witness_of),
        ]
    });
    let head = [
        "NODE",
        "NAME",
        "ROLE",
        "SUBCLUSTER",
        "INCARNATION",
        "ADDRESS",
        "VERSION",
        "SITE",
        "STATE",
        "WITNESS OF",
    ];
    let table = render(&head, rows.collect());
    match versions::remark(nodes) {
        Some(remark) => format!("{table}\n{remark}\n"),
        None => table,
    }
}

fn witness_of(pairs: &[u16]) -> String {
    let pairs: Vec<String> = pairs.iter().map(u16::to_string).collect();
    match pairs.is_empty() {
        true => "-".to_owned(),
        false => pairs.join(", "),
    }
}

fn administrators_text(rows: &[AdministratorRow]) -> String {
    let rows = rows.iter();
    let rows = rows.map(|row| vec![row.administrator.to_string(), row.role.to_string()]);
    render(&["ADMINISTRATOR", "ROLE"], rows.collect())
}

fn tokens_text(rows: &[TokenRow]) -> String {
    let rows = rows.iter().map(|row| {
        let left = match row.days_left {
            0 => "expired".to_owned(),
            1 => "1 day left".to_owned(),
            days => format!("{days} days left"),
        };
        vec![row.token.to_string(), row.role.to_string(), left]
    });
    render(&["TOKEN", "ROLE", "GOOD FOR"], rows.collect())
}

fn audit_text(rows: &[AuditRow]) -> String {
    let rows = rows.iter().map(|row| {
        vec![
            row.number.to_string(),
            row.at.clone(),
            row.caller.clone(),
            row.operation.clone(),
            row.fields.clone(),
            row.result.clone(),
        ]
    });
    let head = ["NUMBER", "TIME", "WHO", "OPERATION", "WITH", "RESULT"];
    render(&head, rows.collect())
}

/// One stands alone on its line, as a token: a script takes the path.
fn made_text(made: &BackupMade) -> String {
    let paths = made.files.iter().map(|row| format!("{}\n", row.path));
    let mut text: String = paths.collect();
    // Of one subcluster nobody has waited.
    if made.files.len() > 1 {
        let held = made.held_ms;
        let line = format!("messages of one subcluster to another have waited for {held} ms\n");
        text.push_str(&line);
    }
    text
}

fn backups_text(rows: &[BackupRow]) -> String {
    let rows = rows
        .iter()
        .map(|row| vec![row.path.clone(), row.bytes.to_string()]);
    render(&["BACKUP", "BYTES"], rows.collect())
}

fn number<T: ToString>(number: Option<T>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

fn subcluster_text(status: &SubclusterStatus) -> String {
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let on = if status.high_availability {
        "on"
    } else {
        "off"
    };
    let protected = match &status.exposure {
        Some(exposure) => format!("no ({exposure})"),
        None => yes(status.is_protected).to_owned(),
    };
    let head = format!(
        "subcluster {}: high availability {on}, protected {protected}, leader {}, term {}\n\n",
        status.subcluster,
        number(status.leader),
        status.term
    );
    let nodes = status.nodes.iter().map(|row| {
        vec![
            row.node.to_string(),
            row.name.clone(),
            row.state.to_string(),
            row.reason.clone(),
        ]
    });
    let nodes = render(&["NODE", "NAME", "STATE", "REASON"], nodes.collect());
    let homes = status.homes.iter().map(|row| {
        vec![
            row.home.to_string(),
            number(row.serving),
            row.epoch.to_string(),
            row.users.to_string(),
            row.sessions.to_string(),
            yes(row.is_held_here).to_owned(),
        ]
    });
    let columns = [
        "HOME",
        "SERVED BY",
        "EPOCH",
        "USERS",
        "SESSIONS",
        "LEASE HELD HERE",
    ];
    let homes = render(&columns, homes.collect());
    let members = status.members.iter().map(|row| {
        vec![
            row.node.to_string(),
            row.incarnation.to_string(),
            yes(row.votes).to_owned(),
            number(row.matched_index),
        ]
    });
    let members = render(
        &["REPLICA", "INCARNATION", "VOTES", "HAS"],
        members.collect(),
    );
    format!("{head}{nodes}\n{homes}\n{members}")
}

fn takeovers_text(rows: &[TakeoverRow]) -> String {
    let rows = rows.iter().map(|row| {
        vec![
            row.at.clone(),
            row.home.to_string(),
            number(row.from),
            row.to.to_string(),
            row.epoch.to_string(),
            row.reason.clone(),
        ]
    });
    let head = ["TIME", "HOME", "FROM", "TO", "EPOCH", "REASON"];
    render(&head, rows.collect())
}

fn digests_text(rows: &[DigestRow]) -> String {
    let digests = rows.iter().map(|row| {
        let digest = row.digest.map(|digest| format!("{digest:08x}"));
        vec![
            row.node.to_string(),
            row.index.to_string(),
            digest.unwrap_or_else(|| "no answer".to_owned()),
        ]
    });
    let table = render(&["NODE", "INDEX", "DIGEST"], digests.collect());
    let first = rows.first().and_then(|row| row.digest);
    let verdict = match rows
        .iter()
        .all(|row| row.digest.is_some() && row.digest == first)
    {
        true => "all replicas are equal",
        false if rows.iter().any(|row| row.digest.is_none()) => "not all replicas answered",
        false => "THE REPLICAS DIFFER: stop the subcluster and ask for help",
    };
    format!("{table}\n{verdict}\n")
}

fn status_text(status: &NodeStatus) -> String {
    let mut rows = vec![
        vec!["node".to_owned(), status.node_id.to_string()],
        vec!["version".to_owned(), status.version.clone()],
        vec![
            "cluster format".to_owned(),
            format!("{}, speaks {}", status.format, status.formats),
        ],
        vec!["domain".to_owned(), status.domain.clone()],
        vec!["state".to_owned(), status.state.clone()],
        vec!["up".to_owned(), lasting(status.uptime_seconds)],
        vec!["disk flush".to_owned(), flush(status.flush_ms)],
        vec!["users".to_owned(), status.user_count.to_string()],
        vec!["sessions".to_owned(), status.session_count.to_string()],
    ];
    for listener in &status.listeners {
        rows.push(vec![
            format!("listens ({})", listener.protocol),
            listener.address.clone(),
        ]);
    }
    rows.extend(relogin(&status.relogin));
    for group in &status.groups {
        let value = format!(
            "{}, term {}, applied {}, voters {}",
            group.role, group.term, group.applied_index, group.voter_count
        );
        rows.push(vec![format!("group {}", group.group), value]);
    }
    render(&["WHAT", "VALUE"], rows)
}

fn flush(ms: Option<f64>) -> String {
    let shown = |ms: f64| format!("99 of 100 within {ms} ms, in the last minute");
    ms.map_or("none in the last minute".to_owned(), shown)
}

/// What clients are to be set to, and what Cisco's guide would say.
fn relogin(hint: &ReloginHint) -> [Vec<String>; 2] {
    let how = if hint.is_measured {
        "measured"
    } else {
        "assumed"
    };
    let shown = |spread: &Spread| format!("{} to {} s", spread.lower_seconds, spread.upper_seconds);
    let ours = format!(
        "{} ({} users, {} sign-ins a second, {how})",
        shown(&hint.spread),
        hint.users,
        hint.sign_ins_a_second
    );
    let by_cisco = hint.by_cisco.as_ref();
    let theirs = by_cisco.map_or("more than its tables have".to_owned(), shown);
    [
        vec!["clients come back within".to_owned(), ours],
        vec!["by Cisco's tables".to_owned(), theirs],
    ]
}

/// One line. Lists are arrays of rows; the fields are those of the registry.
pub fn json(shown: &Shown) -> String {
    let value: Value = match shown {
        Shown::Done { subject, .. } => json!({ "done": true, "subject": subject }),
        Shown::Generated {
            subject, password, ..
        } => {
            json!({ "done": true, "subject": subject, "password": password.expose_secret() })
        }
        Shown::Users(rows) => json!(rows),
        Shown::Sessions(rows) => json!(rows),
        Shown::Statistics(figures) => figures
            .iter()
            .map(|figure| (figure.name.clone(), json!(figure.value)))
            .collect(),
        Shown::History(rows) => json!(rows),
        Shown::Status(status) => json!(status),
        Shown::Token(token) => json!({ "token": token }),
        Shown::Secret(secret) => json!({ "secret": secret.expose_secret() }),
        Shown::Nodes(rows) => json!(rows),
        Shown::Certificates(status) => json!(status),
        Shown::Subcluster(status) => json!(status),
        Shown::Takeovers(rows) => json!(rows),
        Shown::Digests(rows) => json!(rows),
        Shown::Services(rows) => json!(rows),
        Shown::SelfTest(findings) => json!(findings),
        Shown::Made(made) => json!(made),
        Shown::Backups(rows) => json!(rows),
        Shown::Settings(rows) => json!(rows),
        Shown::Setting(row) => json!(row),
        Shown::Administrators(rows) => json!(rows),
        Shown::Tokens(rows) => json!(rows),
        Shown::Audit(rows) => json!(rows),
    };
    format!("{value}\n")
}

#[cfg(test)]
#[path = "show_test.rs"]
mod tests;
