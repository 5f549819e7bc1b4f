//! The example file and the reference page, made from the table of settings. Pure text; `cargo
//! xtask docs` puts it where it belongs.

use std::fmt::Write;

use super::settings::{Preset, SECTIONS, SETTINGS, Setting};

const EXAMPLE_HEAD: &str = "\
# pollux.toml: the settings of one node. Made by `cargo xtask docs` from src/config/settings.rs.
#
# Every key is optional, and each line that begins with `#` and a key shows its default or an
# example. Unknown keys are refused, and all mistakes are reported at once: `pollux check --config
# pollux.toml`. A relative path begins at the folder of this file. What an administrator changes
# while the node runs (users, limits, policies) is not here: see `pollux ctl --help`.
";

const REFERENCE_HEAD: &str = "\
# Settings of one node

<!-- Made by `cargo xtask docs` from src/config/settings.rs. -->

`pollux node --config pollux.toml` reads these settings once, at its start, and checks them as a
whole: every mistake is reported with its line, its key and advice, and the program ends with exit
code 64 before it binds a port. `pollux check --config pollux.toml` does only the checking, and that
of the machine; with `--settings` it shows what will hold. Unknown keys are refused. Every key is
optional; without a file the defaults hold. A relative path begins at the folder of the file.

This file has what belongs to one machine: addresses, paths, certificates, the number of the node.
What belongs to the cluster is replicated and changed while it runs. A setting has one of these
homes, never both ([decision 0010](../decisions/0010-settings-two-homes.md)).
";

/// Columns of the example file.
const WIDTH: usize = 100;

/// `pollux.example.toml`.
pub fn example() -> String {
    let mut text = EXAMPLE_HEAD.to_owned();
    for (section, about) in SECTIONS {
        let _ = write!(text, "\n# {about}\n[{section}]\n");
        for setting in SETTINGS
            .iter()
            .filter(|setting| setting.section == *section)
        {
            text.push('\n');
            for line in wrap(setting.manual, WIDTH - 2) {
                let _ = writeln!(text, "# {line}");
            }
            let shown = match setting.default {
                Preset::Value(value) => value,
                Preset::Said(words, example) => {
                    let _ = writeln!(text, "# Default: {words}. For example:");
                    example
                }
            };
            let _ = writeln!(text, "# {} = {shown}", setting.key);
        }
    }
    text
}

/// `docs/reference/config.md`.
pub fn reference() -> String {
    let mut text = REFERENCE_HEAD.to_owned();
    for (section, about) in SECTIONS {
        let _ = write!(text, "\n## \\[{section}\\]\n\n{about}\n\n");
        text.push_str("| key | kind | default | meaning |\n|---|---|---|---|\n");
        for setting in SETTINGS
            .iter()
            .filter(|setting| setting.section == *section)
        {
            text.push_str(&reference_row(setting));
        }
    }
    text
}

fn reference_row(setting: &Setting) -> String {
    let Setting {
        section,
        key,
        kind,
        manual,
        ..
    } = setting;
    let default = match setting.default {
        Preset::Value(value) => format!("`{value}`"),
        Preset::Said(words, _) => words.to_owned(),
    };
    format!(
        "| `{section}.{key}` | {kind} | {default} | {} |\n",
        manual.replace('|', "\\|")
    )
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a last line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Origin};
    use super::*;

    fn parse(text: &str) -> Config {
        Config::from_text(text, Origin::EmbeddedDefault, Path::new("")).unwrap()
    }

    #[test]
    fn the_example_is_a_right_file_and_changes_nothing() {
        assert_eq!(parse(&example()), parse(""));
    }

    #[test]
    fn the_defaults_that_are_written_are_those_that_hold() {
        // Every documented default as a value in the file means what the empty file means.
        let mut text = String::new();
        for (section, _) in SECTIONS {
            let _ = writeln!(text, "[{section}]");
            for setting in SETTINGS
                .iter()
                .filter(|setting| setting.section == *section)
            {
                if let Preset::Value(value) = setting.default {
                    let _ = writeln!(text, "{} = {value}", setting.key);
                }
            }
        }
        assert_eq!(parse(&text), parse(""));
    }

    #[test]
    fn the_files_in_the_tree_are_up_to_date() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (path, text) in [
            ("pollux.example.toml", example()),
            ("docs/reference/config.md", reference()),
        ] {
            let on_disk = std::fs::read_to_string(root.join(path)).unwrap();
            assert!(on_disk == text, "{path} is stale: cargo xtask docs");
        }
    }

    #[test]
    fn words_are_kept_and_lines_are_short() {
        let lines = wrap("one two  three four", 9);
        assert_eq!(lines, ["one two", "three", "four"]);
    }
}
