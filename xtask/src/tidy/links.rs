//! Finds links inside the documentation that lead nowhere. Links to the outside are not followed.

use super::Mistake;
use crate::workspace::SourceFile;

/// Each broken link of `page`. `exists` says whether a path from the root is there.
pub fn mistakes(
    page: &SourceFile,
    pages: &[SourceFile],
    exists: impl Fn(&str) -> bool,
) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (line, target) in targets(&page.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let path = if path.is_empty() {
            page.path.clone()
        } else {
            resolve(&page.path, path)
        };
        if !exists(&path) {
            found.push(Mistake {
                line,
                text: format!("link to {target}: there is no {path}"),
            });
            continue;
        }
        let known = pages.iter().find(|other| other.path == path);
        if let Some(other) = known
            && !heading.is_empty()
            && !headings(&other.text).any(|anchor| anchor == heading)
        {
            found.push(Mistake {
                line,
                text: format!("{path} has no heading #{heading}"),
            });
        }
    }
    found
}

/// Targets of `[text](target)` outside code, with their lines.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        // What stands between backquotes is code: every second part of the line.
        for part in content.split('`').step_by(2) {
            let mut rest = part;
            while let Some(begin) = rest.find("](") {
                rest = &rest[begin + 2..];
                let Some(end) = rest.find(')') else { break };
                let target = rest[..end].split_whitespace().next().unwrap_or("");
                found.push((line, target));
                rest = &rest[end..];
            }
        }
        // A link whose text is code: [`name`](target).
        let mut rest = content;
        while let Some(begin) = rest.find("`](") {
            rest = &rest[begin + 3..];
            let Some(end) = rest.find(')') else { break };
            if !found.contains(&(line, &rest[..end])) {
                found.push((line, &rest[..end]));
            }
            rest = &rest[end..];
        }
    }
    found
}

/// The lines outside fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        (!in_code).then_some((index + 1, line))
    })
}

/// The anchors of a page, made from its headings as mdBook and GitHub make them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter_map(|(_, line)| {
        let title = line.strip_prefix('#')?.trim_start_matches('#').trim();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
    })
}

/// The path from the root of what `target` means on the page `from`.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let pages = [
            SourceFile {
                path: "docs/glossary.md".into(),
                text: "# Words\n## Node, NodeId\n".into(),
            },
            SourceFile {
                path: "docs/a/page.md".into(),
                text: text.into(),
            },
        ];
        let there = ["docs/glossary.md", "docs/a/page.md", "README.md"];
        let found = mistakes(&pages[1], &pages, |path| there.contains(&path));
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (mistake, (line, part)) in found.iter().zip(expected) {
            assert_eq!(mistake.line, *line);
            assert!(
                mistake.text.contains(part),
                "{mistake:?} does not contain {part}"
            );
        }
    }

    #[test]
    fn links_that_lead_somewhere() {
        check(
            "[w](../glossary.md) and [r](../../README.md)\n[o](https://example.org/x)\n",
            &[],
        );
        check("[n](../glossary.md#node-nodeid)\n# Here\n[h](#here)\n", &[]);
        check("[`code`](../glossary.md)\n", &[]);
    }

    #[test]
    fn links_that_lead_nowhere() {
        check(
            "fine\n[w](glossary.md)\n",
            &[(2, "there is no docs/a/glossary.md")],
        );
        check("[n](../glossary.md#room)\n", &[(1, "no heading #room")]);
        check("[`code`](gone.md)\n", &[(1, "there is no docs/a/gone.md")]);
    }

    #[test]
    fn code_has_no_links() {
        check("```\n[w](gone.md)\n```\n`[w](gone.md)`\n", &[]);
    }
}
