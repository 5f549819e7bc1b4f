//! Which clauses of the specifications are done, where, and by which tests that is shown: joins the
//! table that people keep with what code and tests name. Not for judging whether a test is good.

mod citations;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::bail;

use self::citations::citations;
use self::table::{Section, Specification, Status};
use crate::workspace::{self, SourceFile};

const TABLE: &str = include_str!("table.txt");

const HEAD: &str = "\
# Which clauses are done

<!-- Made by `cargo xtask docs` from xtask/src/coverage/table.txt. -->

What the specifications ask of a server, section by section: whether it is done, where, and which
tests show it. A section that is called done and that no test names fails `cargo xtask tidy`. A file
counts for a section when it names it, or a part of it. Sections that only explain, or that are
about clients, are left out.
";

/// More files than these are counted and not named.
const SHOWN_MAX: usize = 3;

/// Who names a clause.
#[derive(Debug, Default)]
struct Named {
    code: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// By specification and section.
type Clauses = BTreeMap<(String, String), Named>;

/// `docs/reference/coverage.md`.
pub fn page() -> anyhow::Result<String> {
    let clauses = gather(&sources()?);
    Ok(write(&table::read(TABLE)?, &clauses))
}

/// Fails on what is called done without a test.
pub fn check() -> anyhow::Result<()> {
    let clauses = gather(&sources()?);
    let table = table::read(TABLE)?;
    let unproved = unproved(&table, &clauses);
    if !unproved.is_empty() {
        bail!(
            "{} clauses are called done in xtask/src/coverage/table.txt, and no test names \
             them:\n  {}",
            unproved.len(),
            unproved.join("\n  ")
        );
    }
    let sections: usize = table.iter().map(|one| one.sections.len()).sum();
    println!("coverage: {sections} clauses, and a test for each that is done");
    Ok(())
}

fn sources() -> anyhow::Result<Vec<SourceFile>> {
    let mut files = workspace::files(&[".rs", ".play"])?;
    // This tool speaks of clauses as examples.
    files.retain(|file| !file.path.starts_with("xtask/"));
    Ok(files)
}

fn gather(files: &[SourceFile]) -> Clauses {
    let mut clauses = Clauses::new();
    for file in files {
        let tests_from = tests_from(file);
        for citation in citations(&file.text) {
            let named = clauses
                .entry((citation.specification, citation.section))
                .or_default();
            match tests_from <= citation.line {
                true => named.tests.insert(file.path.clone()),
                false => named.code.insert(file.path.clone()),
            };
        }
    }
    clauses
}

/// The line from which a file is a test.
fn tests_from(file: &SourceFile) -> usize {
    let folders = ["tests/", "/tests/", "_test/", "_test.rs", ".play"];
    let is_test = folders.iter().any(|part| match part.starts_with('t') {
        true => file.path.starts_with(part),
        false => file.path.contains(part),
    });
    if is_test {
        return 0;
    }
    let inline = file.text.lines().position(|line| line == "#[cfg(test)]");
    inline.map_or(usize::MAX, |index| index + 1)
}

/// Of a section: who names it, or a part of it.
fn named(clauses: &Clauses, specification: &str, section: &str) -> Named {
    let mut all = Named::default();
    let part = format!("{section}.");
    for ((of, number), named) in clauses {
        if of == specification && (number == section || number.starts_with(&part)) {
            all.code.extend(named.code.iter().cloned());
            all.tests.extend(named.tests.iter().cloned());
        }
    }
    all
}

fn unproved(table: &[Specification], clauses: &Clauses) -> Vec<String> {
    let mut found = Vec::new();
    for specification in table {
        let done = specification.sections.iter();
        for section in done.filter(|section| section.status == Status::Done) {
            if named(clauses, &specification.name, &section.number)
                .tests
                .is_empty()
            {
                let Section { number, title, .. } = section;
                found.push(format!("{} section {number} ({title})", specification.name));
            }
        }
    }
    found
}

fn write(table: &[Specification], clauses: &Clauses) -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n| specification | done | not done | not for us |\n|---|---|---|---|\n");
    for one in table {
        let count = |status| {
            let sections = one
                .sections
                .iter()
                .filter(|section| section.status == status);
            sections.count()
        };
        let (done, not_done) = (count(Status::Done), count(Status::NotDone));
        let _ = writeln!(
            text,
            "| {} {} | {done} | {not_done} | {} |",
            one.name,
            one.title,
            count(Status::NotForUs)
        );
    }
    for one in table {
        let _ = write!(text, "\n## {} {}\n\n", one.name, one.title);
        text.push_str("| section | | status | code | tests |\n|---|---|---|---|---|\n");
        for section in &one.sections {
            let by = named(clauses, &one.name, &section.number);
            let status = match section.remark.as_str() {
                "" => section.status.name().to_owned(),
                remark => format!("{}: {remark}", section.status.name()),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {status} | {} | {} |",
                section.number,
                section.title,
                shown(&by.code),
                shown(&by.tests)
            );
        }
    }
    text
}

fn shown(files: &BTreeSet<String>) -> String {
    let names: Vec<String> = files
        .iter()
        .take(SHOWN_MAX)
        .map(|path| format!("`{path}`"))
        .collect();
    let more = files.len().saturating_sub(SHOWN_MAX);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_up_to_date() {
        let path = crate::workspace::root().join("docs/reference/coverage.md");
        let on_disk = std::fs::read_to_string(path).unwrap();
        assert!(on_disk == page().unwrap(), "stale: cargo xtask docs");
    }

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.into(),
            text: text.into(),
        }
    }

    fn clauses() -> Clauses {
        gather(&[
            file(
                "actors/src/a.rs",
                "//! Streams.\n// RFC 6120 section 4.2\n#[cfg(test)]\n// RFC 6120 section 4.4\n",
            ),
            file("tests/wire/b.play", "# (XEP-0198 section 5.1)\n"),
            file(
                "raft/src/state/state_test/c.rs",
                "//! RFC 6120 section 4.3.3.\n",
            ),
        ])
    }

    #[test]
    fn code_and_tests_are_told_apart() {
        let clauses = clauses();
        let of = |specification, section| {
            let named = named(&clauses, specification, section);
            (named.code.len(), named.tests.len())
        };
        assert_eq!(of("RFC 6120", "4.2"), (1, 0));
        assert_eq!(of("RFC 6120", "4.4"), (0, 1));
        assert_eq!(of("RFC 6120", "4.3"), (0, 1), "a part counts");
        assert_eq!(of("RFC 6120", "4"), (1, 2));
        assert_eq!(of("XEP-0198", "5"), (0, 1));
        assert_eq!(of("XEP-0198", "5.11"), (0, 0));
    }

    #[test]
    fn what_is_called_done_is_named_by_a_test() {
        let table = table::read(
            "RFC 6120 | Core\n4.2 | done | Opening\n4.4 | done | Closing\n\
             4.6 | not done | Silence\nXEP-0198 | Streams\n5 | done | Resumption\n\
             3 | done | Once\n",
        );
        let table = table.unwrap();
        let expected = [
            "RFC 6120 section 4.2 (Opening)",
            "XEP-0198 section 3 (Once)",
        ];
        assert_eq!(unproved(&table, &clauses()), expected);
        let page = write(&table, &clauses());
        assert!(page.contains("| RFC 6120 Core | 2 | 1 | 0 |"), "{page}");
        assert!(
            page.contains("| 4.2 | Opening | done | `actors/src/a.rs` |  |"),
            "{page}"
        );
    }
}
