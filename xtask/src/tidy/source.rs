//! Rules for one source file: its first line, unfinished work, widths and ends of lines. What
//! rustfmt and clippy already judge is not judged again.

use super::Mistake;

pub const COLUMNS_MAX: usize = 100;

/// Written in halves, so that this file keeps its own rule.
const UNFINISHED: &[(&str, &str)] = &[
    (
        concat!("TO", "DO"),
        "finish it now, or open an issue and leave no mark in the code",
    ),
    (
        concat!("FIX", "ME"),
        "finish it now, or open an issue and leave no mark in the code",
    ),
    (
        concat!("XX", "X:"),
        "finish it now, or open an issue and leave no mark in the code",
    ),
    (concat!("to", "do!("), "write it: no stubs"),
    (concat!("unimple", "mented!("), "write it: no stubs"),
    (
        concat!("#[ig", "nore"),
        "assert today's behaviour or repair it: no ignored tests",
    ),
];

pub fn mistakes(text: &str) -> Vec<Mistake> {
    let mut found = Vec::new();
    found.extend(first_line(text));
    found.extend(unfinished(text));
    found.extend(lines(text));
    found
}

/// The first paragraph of a file is a sentence that says what it owns.
fn first_line(text: &str) -> Option<Mistake> {
    let wrong = |reason: &str| {
        Some(Mistake {
            line: 1,
            text: reason.to_owned(),
        })
    };
    let paragraph: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .take_while(|line| !line.trim().is_empty())
        .collect();
    let Some(first) = paragraph.first() else {
        return wrong("the first line is not `//! What this file owns.`");
    };
    let first = first.trim_start();
    if first.chars().next().is_some_and(char::is_lowercase) {
        return wrong("the first sentence does not begin like a sentence");
    }
    if !first.contains(' ') {
        return wrong("one word is not a sentence: say what this file owns");
    }
    let last = paragraph.last().map_or("", |line| line.trim_end());
    if !last.ends_with(['.', ':', '`', ')', '!', '?']) {
        return wrong("the first paragraph does not end like a sentence");
    }
    None
}

/// Marks of work that was left for later.
pub fn unfinished(text: &str) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (mark, advice) in UNFINISHED {
            if line.contains(mark) {
                found.push(Mistake {
                    line: index + 1,
                    text: format!("`{mark}`: {advice}"),
                });
            }
        }
    }
    found
}

fn lines(text: &str) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        // An address that cannot be broken may stand alone on its line.
        let lone_address =
            line.contains("://") && !line.trim_start_matches(['/', '!', ' ']).contains(' ');
        if columns > COLUMNS_MAX && !lone_address {
            let text = format!("{columns} columns, at most {COLUMNS_MAX}");
            found.push(Mistake {
                line: index + 1,
                text,
            });
        }
        if line.ends_with([' ', '\t', '\r']) {
            found.push(Mistake {
                line: index + 1,
                text: "white space at the end".to_owned(),
            });
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let line = text.lines().count();
        found.push(Mistake {
            line,
            text: "no newline at the end of the file".to_owned(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let found = mistakes(text);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (mistake, (line, part)) in found.iter().zip(expected) {
            assert_eq!(mistake.line, *line, "{mistake:?}");
            assert!(
                mistake.text.contains(part),
                "{mistake:?} does not contain {part}"
            );
        }
    }

    #[test]
    fn a_good_file_has_no_mistakes() {
        check(
            "//! Cuts frames. Knows nothing of XMPP.\n\nfn cut() {}\n",
            &[],
        );
        check(
            "//! A sentence that needs\n//! two lines.\n//!\n//! And more\n",
            &[],
        );
    }

    #[test]
    fn the_first_line_says_what_the_file_owns() {
        check("use std::fmt;\n", &[(1, "the first line is not")]);
        check(
            "#![allow(dead_code)]\n//! Too late.\n",
            &[(1, "the first line is not")],
        );
        check("//! helpers and things.\n", &[(1, "begin like a sentence")]);
        check("//! Helpers.\n", &[(1, "one word")]);
        check("//! Owns the frames\n", &[(1, "end like a sentence")]);
    }

    #[test]
    fn unfinished_work_is_found() {
        let text = format!(
            "//! A good line.\n// {}: later\nfn a() {{ {}) }}\n",
            concat!("TO", "DO"),
            concat!("to", "do!(")
        );
        check(&text, &[(2, "finish it now"), (3, "no stubs")]);
        let text = format!(
            "//! A good line.\n{}]\nfn a() {{}}\n",
            concat!("#[ig", "nore")
        );
        check(&text, &[(2, "no ignored tests")]);
    }

    #[test]
    fn lines_have_a_width_and_an_end() {
        let wide = format!("//! A good line.\n// {}\n", "x ".repeat(60));
        check(&wide, &[(2, "columns"), (2, "white space")]);
        let address = format!(
            "//! A good line.\n// https://example.org/{}\n",
            "x".repeat(100)
        );
        check(&address, &[]);
        check("//! A good line.\nfn a() {}", &[(2, "no newline")]);
    }
}
