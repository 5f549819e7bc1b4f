//! Wraps comments that are wider than a line may be, for `cargo xtask fix`. Leaves code, lists,
//! tables and everything that already fits as it is.

use super::source::COLUMNS_MAX;

/// The text with each paragraph of comment wrapped that has a line too wide; none when none has.
pub fn wrapped(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut result: Vec<String> = Vec::with_capacity(lines.len());
    let mut changed = false;
    let mut in_code = false;
    let mut next = 0;
    while next < lines.len() {
        let line = lines[next];
        let Some((prefix, first)) = comment(line) else {
            in_code = false;
            result.push(line.to_owned());
            next += 1;
            continue;
        };
        if first.starts_with("```") {
            in_code = !in_code;
        }
        if in_code || !is_prose(first) {
            result.push(line.to_owned());
            next += 1;
            continue;
        }
        let paragraph: Vec<&str> = lines[next..]
            .iter()
            .map_while(|line| comment(line))
            .take_while(|(other, words)| *other == prefix && is_prose(words))
            .map(|(_, words)| words)
            .collect();
        let too_wide = |line: &&str| line.chars().count() > COLUMNS_MAX;
        let end = next + paragraph.len();
        if lines[next..end].iter().any(too_wide) {
            changed = true;
            result.extend(fill(prefix, &paragraph.join(" ")));
        } else {
            result.extend(lines[next..end].iter().map(|line| (*line).to_owned()));
        }
        next = end;
    }
    changed.then(|| result.join("\n") + "\n")
}

/// A line that is only a comment: indent and mark, and the words.
fn comment(line: &str) -> Option<(&str, &str)> {
    let indent = line.len() - line.trim_start().len();
    let mark = ["//! ", "/// ", "// "]
        .into_iter()
        .find(|mark| line[indent..].starts_with(mark))?;
    Some(line.split_at(indent + mark.len()))
}

/// Lists, tables, headings, code, quotations of a standard and drawings keep their lines.
fn is_prose(words: &str) -> bool {
    let numbered = words
        .split_once(". ")
        .is_some_and(|(number, _)| number.parse::<u8>().is_ok());
    let structure = ['-', '*', '|', '#', '`', '>', '=', ' ', '+'];
    // A word in backquotes may begin a sentence; a fence may not.
    let begins =
        words.starts_with(structure) && (!words.starts_with('`') || words.starts_with("```"));
    !words.is_empty() && !numbered && !begins
}

fn fill(prefix: &str, words: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = prefix.to_owned();
    for word in words.split_whitespace() {
        let begun = line.len() > prefix.len();
        if begun && line.chars().count() + 1 + word.chars().count() > COLUMNS_MAX {
            lines.push(std::mem::replace(&mut line, prefix.to_owned()));
        } else if begun {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays() {
        assert_eq!(wrapped("//! Fits.\nfn a() {}\n"), None);
        let code = format!("fn a() {{ \"{}\" }}\n", "x ".repeat(60));
        assert_eq!(wrapped(&code), None);
        let list = format!("/// - {}\n", "word ".repeat(30).trim_end());
        assert_eq!(wrapped(&list), None);
        let fenced = format!("/// ```\n/// {}\n/// ```\n", "word ".repeat(30).trim_end());
        assert_eq!(wrapped(&fenced), None);
    }

    #[test]
    fn a_wide_paragraph_is_wrapped_and_its_neighbours_stay() {
        let long = "word ".repeat(22);
        let text = format!("    /// {long}\n    /// end.\n    ///\n    /// - item\n    a: u8,\n");
        let wide = format!("    /// {}", "word ".repeat(18).trim_end());
        let expected = format!(
            "{wide}\n    /// word word word word end.\n    ///\n    /// - item\n    a: u8,\n"
        );
        assert_eq!(wrapped(&text).as_deref(), Some(expected.as_str()));
        assert_eq!(wrapped(&expected), None);
    }
}
