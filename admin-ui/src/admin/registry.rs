//! A form for each operation of the registry, and its outcome as tables: what the command line can
//! do, the pages can. Made from the descriptions alone; not for what an operation is.

use askama::Template;
use pollux_domain::operations::{
    DESCRIPTIONS, Description, FieldDescription, FieldKind, Outcome, Role,
};
use pollux_domain::services::Service;
use serde_json::{Map, Value};

use super::exchange::Fields;

/// The operations of one noun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noun {
    pub(crate) title: String,
    pub(crate) operations: Vec<&'static Description>,
}

/// Those that the role may ask for, in the order of the registry.
pub(crate) fn nouns(role: Role) -> Vec<Noun> {
    let mut nouns: Vec<Noun> = Vec::new();
    for one in DESCRIPTIONS.iter().filter(|one| role.may(one.permission)) {
        let noun = one.name.split('.').next().unwrap_or(one.name);
        let title = capital(noun);
        match nouns.iter_mut().find(|known| known.title == title) {
            Some(known) => known.operations.push(one),
            None => nouns.push(Noun {
                title,
                operations: vec![one],
            }),
        }
    }
    nouns
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// One field of a form.
#[derive(Template)]
#[template(path = "field.html")]
pub(crate) struct FieldView {
    name: &'static str,
    meaning: &'static str,
    is_optional: bool,
    kind: FieldKind,
    /// What was written before, where a form is shown again. Never of a secret.
    value: String,
}

pub(crate) fn field(one: &FieldDescription, written: &Fields) -> FieldView {
    let value = match one.kind {
        FieldKind::Secret | FieldKind::SecretLines => String::new(),
        _ => written.get(one.name).unwrap_or_default().to_owned(),
    };
    FieldView {
        name: one.name,
        meaning: one.meaning,
        is_optional: one.is_optional,
        kind: one.kind,
        value,
    }
}

/// A part of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    Text(String),
    Facts(Vec<(String, String)>),
    Table {
        title: String,
        head: Vec<String>,
        /// Each cell with its heading: in a narrow window they stand beside each other.
        rows: Vec<Vec<(String, String)>>,
    },
}

/// What came back, as a person reads it.
pub(crate) fn blocks(outcome: &Outcome) -> Vec<Block> {
    match serde_json::to_value(outcome) {
        Ok(Value::Object(kinds)) => {
            let parts = kinds.iter();
            parts.flat_map(|(kind, value)| of(kind, value)).collect()
        }
        Ok(Value::String(word)) => vec![Block::Text(format!("{}.", capital(&word)))],
        Ok(other) => vec![Block::Text(shown(&other))],
        Err(error) => vec![Block::Text(format!("It cannot be shown: {error}"))],
    }
}

fn of(title: &str, value: &Value) -> Vec<Block> {
    match value {
        Value::Array(items) => vec![table(title, items)],
        Value::Object(fields) => object(title, fields),
        other => vec![Block::Text(shown(other))],
    }
}

/// What is no list stands together, each list in a table of its own.
fn object(title: &str, fields: &Map<String, Value>) -> Vec<Block> {
    // A page of a longer list: its rows are the list.
    if let (Some(Value::Array(rows)), Some(Value::Bool(more))) =
        (fields.get("rows"), fields.get("more"))
    {
        let mut blocks = vec![table(title, rows)];
        if *more {
            let text = "More follow: ask again, beginning behind the last one.";
            blocks.push(Block::Text(text.to_owned()));
        }
        return blocks;
    }
    let is_list = |value: &Value| matches!(value, Value::Array(_));
    let facts = fields.iter().filter(|(_, value)| !is_list(value));
    let facts: Vec<(String, String)> = facts
        .map(|(name, value)| (words(name), shown(value)))
        .collect();
    let lists = fields.iter().filter(|(_, value)| is_list(value));
    let lists = lists.flat_map(|(name, value)| of(name, value));
    std::iter::once(Block::Facts(facts)).chain(lists).collect()
}

fn table(title: &str, items: &[Value]) -> Block {
    let mut head: Vec<String> = Vec::new();
    for item in items {
        let names = item.as_object().into_iter().flat_map(Map::keys);
        for name in names {
            if !head.contains(name) {
                head.push(name.clone());
            }
        }
    }
    let row = |item: &Value| match item.as_object() {
        Some(fields) => { head.iter() }
            .map(|name| (words(name), fields.get(name).map_or(String::new(), shown)))
            .collect(),
        None => vec![(String::new(), shown(item))],
    };
    Block::Table {
        title: capital(&words(title)),
        rows: items.iter().map(row).collect(),
        head: head.iter().map(|name| words(name)).collect(),
    }
}

/// `session_count` is written for programs.
fn words(name: &str) -> String {
    name.replace(['_', '-'], " ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            items.join(", ")
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| format!("{} {}", words(name), shown(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::operations::{NodeStatus, Rows, UserName, UserRow};

    use super::*;

    #[test]
    fn each_role_finds_what_it_may_and_all_is_there_for_one() {
        let count = |role| {
            let nouns = nouns(role).into_iter();
            nouns.map(|noun| noun.operations.len()).sum::<usize>()
        };
        assert_eq!(count(Role::Administrator), DESCRIPTIONS.len());
        assert!(count(Role::Viewer) < count(Role::Operator));
        let viewer = nouns(Role::Viewer);
        assert!(viewer.iter().all(|noun| noun.title != "Token"));
    }

    #[test]
    fn what_came_back_is_shown() {
        assert_eq!(blocks(&Outcome::Done), [Block::Text("Done.".to_owned())]);
        let token = Outcome::Token("pollux_1".to_owned());
        assert_eq!(blocks(&token), [Block::Text("pollux_1".to_owned())]);
        let row = UserRow {
            user: UserName::new("alice").unwrap(),
            is_administrator: false,
            is_disabled: true,
            availability: "away".to_owned(),
            session_count: 2,
            offline_count: 0,
        };
        let users = Outcome::Users(Rows {
            rows: vec![row],
            more: true,
        });
        let [Block::Table { title, head, rows }, Block::Text(more)] = &blocks(&users)[..] else {
            panic!("{:?}", blocks(&users))
        };
        assert_eq!(title, "Users");
        let column = head.iter().position(|name| name == "is disabled").unwrap();
        assert_eq!(rows[0][column].1, "yes");
        assert!(more.starts_with("More follow"));
        let status = NodeStatus {
            node_id: 2,
            version: "0.1.0".to_owned(),
            formats: pollux_domain::version::Formats {
                oldest: 1,
                newest: 1,
            },
            format: 1,
            domain: "example.org".to_owned(),
            state: "serving".to_owned(),
            uptime_seconds: 1,
            flush_ms: None,
            user_count: 6,
            session_count: 2,
            listeners: Vec::new(),
            groups: Vec::new(),
            relogin: Default::default(),
        };
        let blocks = blocks(&Outcome::Status(status));
        let [Block::Facts(facts), Block::Table { title, .. }, ..] = &blocks[..] else {
            panic!("{blocks:?}")
        };
        assert!(facts.contains(&("flush ms".to_owned(), "–".to_owned())));
        assert!(facts.contains(&("user count".to_owned(), "6".to_owned())));
        assert_eq!(
            title, "Listeners",
            "in the order in which the type has them"
        );
    }
}
