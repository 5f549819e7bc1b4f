//! Reads the text of `pollux.toml` into the raw `File`: syntax, unknown keys and types, all of them
//! at once. Not for what the values mean.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Mistake;
pub use super::settings::{File, Given};
use super::settings::{Refusal, SECTIONS, SETTINGS};

impl File {
    /// What could be read, and everything that could not.
    pub fn parse(text: &str) -> (Self, Vec<Mistake>) {
        let mut file = Self::default();
        let mut mistakes = Vec::new();
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| line_of(text, &span));
            let text = error.message().replace('\n', ", ");
            mistakes.push(Mistake {
                line,
                path: String::new(),
                text,
            });
        }
        for (section, value) in document.get_ref() {
            let name = section.get_ref().as_ref();
            let line = line_of(text, &section.span());
            if let Err(text) = known_section(name, value.get_ref()) {
                mistakes.push(Mistake {
                    line: Some(line),
                    path: name.to_owned(),
                    text,
                });
                continue;
            }
            for (key, value) in value.get_ref().as_table().into_iter().flatten() {
                let line = line_of(text, &key.span());
                let key = key.get_ref().as_ref();
                let Err(refusal) = file.take(name, key, value.get_ref(), line) else {
                    continue;
                };
                let text = match refusal {
                    Refusal::UnknownKey => unknown_key(name, key),
                    Refusal::WrongType { expected } => wrong_type(expected, value.get_ref()),
                };
                mistakes.push(Mistake {
                    line: Some(line),
                    path: format!("{name}.{key}"),
                    text,
                });
            }
        }
        (file, mistakes)
    }
}

fn known_section(name: &str, value: &DeValue<'_>) -> Result<(), String> {
    let known = SECTIONS.iter().any(|(section, _)| *section == name);
    match (known, value.is_table()) {
        (true, true) => Ok(()),
        (true, false) => Err(format!(
            "this is a section: write [{name}] on a line of its own"
        )),
        (false, true) => {
            let names: Vec<String> = SECTIONS
                .iter()
                .map(|(name, _)| format!("[{name}]"))
                .collect();
            Err(format!(
                "there is no such section; there are {}",
                names.join(", ")
            ))
        }
        (false, false) => {
            let home = SETTINGS.iter().find(|setting| setting.key == name);
            Err(match home {
                Some(setting) => format!("this key belongs under [{}]", setting.section),
                None => "there is no such key, and every key stands in a section".to_owned(),
            })
        }
    }
}

fn unknown_key(section: &str, key: &str) -> String {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
        return format!("this key belongs under [{}]", setting.section);
    }
    let siblings = SETTINGS.iter().filter(|setting| setting.section == section);
    let names: Vec<&str> = siblings.map(|setting| setting.key).collect();
    let near = names.iter().find(|name| is_near(name, key));
    match near {
        Some(name) => format!("there is no such key; did you mean `{name}`?"),
        None => format!("there is no such key; [{section}] has {}", names.join(", ")),
    }
}

fn wrong_type(expected: &str, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::Integer(_) if expected == "integer" => {
            return "the number is too large".to_owned();
        }
        DeValue::String(_) => "text in quotes",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false without quotes",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    let wanted = match expected {
        "integer" => "an integer without quotes",
        "text" => "text in quotes",
        other => other,
    };
    format!("found {found}; write {wanted}")
}

/// Whether one word is the other with a letter wrong, missing, too many, or with hyphens for
/// underscores.
fn is_near(known: &str, typed: &str) -> bool {
    let typed = typed.to_ascii_lowercase().replace('-', "_");
    distance(known, &typed) <= 1 + known.len() / 6
}

/// How many letters must be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The line, from 1, on which a span begins.
fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str, &str)]) {
        let (_, mistakes) = File::parse(text);
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
        for (mistake, (line, path, part)) in mistakes.iter().zip(expected) {
            assert_eq!(
                (mistake.line, mistake.path.as_str()),
                (Some(*line), *path),
                "{mistake:?}"
            );
            assert!(
                mistake.text.contains(part),
                "{mistake:?} does not contain {part}"
            );
        }
    }

    #[test]
    fn values_are_taken_with_their_lines() {
        let (file, mistakes) = File::parse("[node]\nid = 0x2A\n\n[xmpp]\nallow_plaintext = true\n");
        assert_eq!(mistakes, []);
        assert_eq!(file.node_id, Some(Given { value: 42, line: 2 }));
        assert_eq!(
            file.xmpp_allow_plaintext,
            Some(Given {
                value: true,
                line: 5
            })
        );
        assert_eq!(file.xmpp_domain, None);
    }

    #[test]
    fn wrong_types() {
        check(
            "[node]\nid = \"1\"\n",
            &[(2, "node.id", "write an integer without quotes")],
        );
        check(
            "[node]\nthreads = 1.5\n",
            &[(2, "node.threads", "found a number with a point")],
        );
        check(
            "[xmpp]\ndomain = 7\n",
            &[(2, "xmpp.domain", "write text in quotes")],
        );
        check(
            "[xmpp]\nallow_plaintext = \"no\"\n",
            &[(2, "xmpp.allow_plaintext", "true or false")],
        );
        check(
            "[node]\nid = 99999999999999999999\n",
            &[(2, "node.id", "too large")],
        );
        check("xmpp = 3\n", &[(1, "xmpp", "write [xmpp]")]);
        check(
            "[xmpp.listen]\nport = 3\n",
            &[(1, "xmpp.listen", "found a section")],
        );
    }

    #[test]
    fn unknown_keys() {
        check(
            "[xmpp]\nlissten = \"\"\n",
            &[(2, "xmpp.lissten", "did you mean `listen`?")],
        );
        check(
            "[node]\ndata-folder = \"\"\n",
            &[(2, "node.data-folder", "`data_folder`")],
        );
        check(
            "[node]\ncolour = 1\n",
            &[(2, "node.colour", "[node] has id, data_folder")],
        );
        check(
            "[node]\ndomain = \"\"\n",
            &[(2, "node.domain", "belongs under [xmpp]")],
        );
        check("domain = \"x\"\n", &[(1, "domain", "belongs under [xmpp]")]);
        check("[smtp]\n", &[(1, "smtp", "there are [node], [xmpp]")]);
    }

    #[test]
    fn everything_is_reported_at_once() {
        let text = "[node]\nid = \"1\"\ncolour = 2\n[xmpp]\ndomain = 1\n";
        let (_, mistakes) = File::parse(text);
        assert_eq!(mistakes.len(), 3, "{mistakes:#?}");
    }

    #[test]
    fn broken_syntax_has_a_line_and_hides_nothing_else() {
        let (_, mistakes) = File::parse("[node]\nid = \n[xmpp]\ndomain = 1\n");
        assert!(
            mistakes.iter().any(|mistake| mistake.line == Some(2)),
            "{mistakes:#?}"
        );
        assert!(
            mistakes.iter().any(|mistake| mistake.path == "xmpp.domain"),
            "{mistakes:#?}"
        );
    }

    #[test]
    fn a_key_given_twice_is_a_mistake() {
        let (_, mistakes) = File::parse("[node]\nid = 1\nid = 2\n");
        assert!(
            mistakes.iter().any(|mistake| mistake.line == Some(3)),
            "{mistakes:#?}"
        );
    }
}
