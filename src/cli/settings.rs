//! `pollux ctl settings`, and the reference page of the settings. What they are stands in
//! `pollux_domain::settings`.

use std::fmt::Write;

use pollux_domain::blocking::AddressSet;
use pollux_domain::operations::{
    Assignment, Assignments, Operation, Outcome, SettingRow, UserName,
};
use pollux_domain::privacy::Privacy;
use pollux_domain::settings::{Mistake, Settings, descriptions};

use super::Failure;
use super::arguments::SettingsCommand;
use super::ctl::{Node, unexpected};
use super::show::Shown;
use super::table::render;
use crate::exit::Exit;

const HEAD: &str = "\
# Settings of the cluster

<!-- Made by `cargo xtask docs` from domain/src/settings.rs. -->

What an administrator changes while the cluster runs. All nodes have the same values, and none needs
a restart. `pollux ctl settings list` shows them, `pollux ctl settings set NAME=VALUE …` changes
them: all that are given, or none if one is wrong, with every mistake named. What belongs to one
machine stands in [its file](config.md).
";

/// `docs/reference/settings.md`.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n| Setting | Form | Default | Meaning |\n|---|---|---|---|\n");
    for one in descriptions() {
        let (name, form, default) = (one.name, one.form, one.default);
        let _ = writeln!(
            text,
            "| `{name}` | {form} | `{default}` | {} |",
            one.meaning
        );
    }
    text
}

pub(super) fn run(node: &Node, command: SettingsCommand) -> Result<Shown, Failure> {
    let (what, wanted) = match command {
        SettingsCommand::List => return rows(node).map(Shown::Settings),
        SettingsCommand::Show { name } => {
            let found = rows(node)?.into_iter().find(|row| row.name == name);
            return found.map(Shown::Setting).ok_or_else(|| {
                let message = format!("there is no setting '{name}'; `settings list` shows all");
                Failure::new(Exit::DataErr, message)
            });
        }
        SettingsCommand::Set { settings } => {
            let tried = |rest: &[Assignment]| Settings::default().set_all(pairs(rest));
            ("set", read(&settings, tried)?)
        }
        SettingsCommand::Reset { names } => {
            let wanted = names
                .into_iter()
                .map(|name| Assignment { name, value: None });
            ("reset", wanted.collect())
        }
    };
    let settings = Assignments::new(wanted)?;
    let names: Vec<String> = settings.iter().map(|one| one.name.clone()).collect();
    node.done(Operation::SettingsSet { settings })?;
    Ok(Shown::Done {
        what,
        subject: names.join(", "),
    })
}

/// `pollux ctl user privacy`.
pub(super) fn privacy(node: &Node, name: String, settings: &[String]) -> Result<Shown, Failure> {
    let user = UserName::new(name)?;
    if settings.is_empty() {
        return match node.ask(Operation::PrivacyShow { user })? {
            Outcome::Settings(rows) => Ok(Shown::Settings(rows)),
            other => Err(unexpected(&other)),
        };
    }
    let tried =
        |rest: &[Assignment]| Privacy::default().set_all(&mut AddressSet::default(), pairs(rest));
    let settings = Assignments::new(read(settings, tried)?)?;
    let subject = user.to_string();
    node.done(Operation::PrivacySet { user, settings })?;
    let what = "privacy set";
    Ok(Shown::Done { what, subject })
}

/// What is written as NAME=VALUE. Where a word is not, everything that is wrong is said at once:
/// `tried` says what is with the rest.
fn read(
    words: &[String],
    tried: impl Fn(&[Assignment]) -> Result<(), Vec<Mistake>>,
) -> Result<Vec<Assignment>, Failure> {
    let (mut wanted, mut wrong) = (Vec::new(), Vec::new());
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => wanted.push(Assignment {
                name: name.trim().to_owned(),
                value: Some(value.trim().to_owned()),
            }),
            None => wrong.push(format!("'{word}' has no `=`; write NAME=VALUE")),
        }
    }
    if wrong.is_empty() {
        return Ok(wanted);
    }
    let mistakes = tried(&wanted).err().unwrap_or_default();
    wrong.extend(mistakes.iter().map(Mistake::to_string));
    let message = format!("nothing was set:\n  {}", wrong.join("\n  "));
    Err(Failure::new(Exit::Usage, message))
}

fn pairs(all: &[Assignment]) -> impl Iterator<Item = (&str, Option<&str>)> {
    all.iter()
        .map(|one| (one.name.as_str(), one.value.as_deref()))
}

fn rows(node: &Node) -> Result<Vec<SettingRow>, Failure> {
    match node.ask(Operation::SettingsList {})? {
        Outcome::Settings(rows) => Ok(rows),
        other => Err(unexpected(&other)),
    }
}

/// A star stands before what is not as at the beginning.
pub fn table(rows: &[SettingRow]) -> String {
    let rows = rows.iter().map(|row| {
        let star = if row.value == row.default { ' ' } else { '*' };
        let name = format!("{star} {}", row.name);
        vec![
            name,
            row.value.clone(),
            row.default.clone(),
            row.form.clone(),
        ]
    });
    render(&["  SETTING", "VALUE", "DEFAULT", "MAY BE"], rows.collect())
}

pub fn one(row: &SettingRow) -> String {
    let SettingRow {
        name,
        value,
        default,
        form,
        meaning,
    } = row;
    format!("{name} = {value}\ndefault: {default}\nmay be: {form}\n\n{meaning}\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/settings.md");
        let on_disk = std::fs::read_to_string(path).unwrap();
        assert!(on_disk == reference(), "stale: cargo xtask docs");
    }

    #[test]
    fn a_changed_setting_has_a_star() {
        let row = |value: &str| SettingRow {
            name: "a.b".into(),
            value: value.into(),
            default: "off".into(),
            form: "on or off".into(),
            meaning: "It does.".into(),
        };
        let shown = table(&[row("on"), row("off")]);
        let expected = "  SETTING  VALUE  DEFAULT  MAY BE\n\
                        * a.b      on     off      on or off\n  \
                          a.b      off    off      on or off\n";
        assert_eq!(shown, expected);
        assert_eq!(
            one(&row("on")),
            "a.b = on\ndefault: off\nmay be: on or off\n\nIt does.\n"
        );
    }

    #[test]
    fn what_has_no_value_is_told_with_everything_else_that_is_wrong() {
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let tried = |rest: &[Assignment]| Settings::default().set_all(pairs(rest));
        let wrong = read(
            &words(&["sign-in.plain", "a = b=c", "messages.offline"]),
            tried,
        );
        let expected = "nothing was set:\n  'sign-in.plain' has no `=`; write NAME=VALUE\n  \
                        'messages.offline' has no `=`; write NAME=VALUE\n  \
                        a: there is no such setting; `pollux ctl settings list` shows all";
        assert_eq!(
            wrong.err().map(|failure| failure.message),
            Some(expected.to_owned())
        );
        let right = read(&words(&["a = b=c"]), tried).ok();
        assert_eq!(
            right.and_then(|all| all[0].value.clone()),
            Some("b=c".to_owned())
        );
    }
}
