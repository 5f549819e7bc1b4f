//! Shows where the house is getting crowded: the longest files and functions. A mirror, not a gate.

use crate::workspace::SourceFile;

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

pub fn show(sources: &[SourceFile]) {
    let mut files: Vec<(usize, &str)> = sources
        .iter()
        .map(|file| (file.text.lines().count(), file.path.as_str()))
        .filter(|(lines, _)| *lines > FILE_LINES)
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    for (lines, path) in files {
        println!("long file      {lines:>5} lines  {path}");
    }
    let mut long = Vec::new();
    for file in sources {
        for function in functions(&file.text) {
            if function.lines > FUNCTION_LINES {
                long.push((function.lines, &file.path, function));
            }
        }
    }
    long.sort_unstable_by_key(|(lines, path, _)| (usize::MAX - lines, *path));
    for (lines, path, function) in long {
        println!(
            "long function  {lines:>5} lines  {path}:{} {}",
            function.line, function.name
        );
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    line: usize,
    lines: usize,
    name: String,
}

/// The functions of a file that rustfmt has formatted: a body ends at the brace that stands as far
/// to the left as its `fn`.
fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (begin, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        // A declaration without a body ends before any brace closes.
        let Some(length) = lines[begin..].iter().position(|line| {
            *line == closing || (line.len() > indent && line.starts_with(&closing))
        }) else {
            continue;
        };
        let signature_end = lines[begin..]
            .iter()
            .position(|line| line.ends_with(['{', ';', '}']));
        if signature_end.is_some_and(|end| lines[begin + end].ends_with([';', '}'])) {
            continue;
        }
        found.push(Function {
            line: begin + 1,
            lines: length + 1,
            name,
        });
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let words = line.trim_start();
    let (before, after) = words.split_once("fn ")?;
    let qualifiers = ["", "pub ", "async ", "pub async ", "const ", "pub const "];
    let scoped = before.starts_with("pub(") && !before.contains('"');
    if !qualifiers.contains(&before) && !scoped {
        return None;
    }
    let name: String = after
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_measured_and_declarations_are_not() {
        let text = [
            "trait A {",
            "    fn declared(&self);",
            "    fn given(&self) {",
            "        if true {",
            "        }",
            "    }",
            "}",
            "",
            "pub(crate) async fn outer(",
            "    a: u8,",
            ") {",
            "    a;",
            "}",
            "fn one() {}",
        ]
        .join("\n");
        let found: Vec<(String, usize, usize)> = functions(&text)
            .into_iter()
            .map(|f| (f.name, f.line, f.lines))
            .collect();
        assert_eq!(
            found,
            [("given".to_owned(), 3, 4), ("outer".to_owned(), 9, 5)]
        );
    }
}
