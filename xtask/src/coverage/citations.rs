//! Clauses of specifications that a text names: `RFC 6120 section 4.2`, `XEP-0198 sections 3 and
//! 5`. In a file whose first paragraph names one specification, `section 4` alone is of that one.

/// One clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// `RFC 6120`
    pub specification: String,
    pub section: String,
    /// From 1.
    pub line: usize,
}

/// All clauses that a file names.
pub fn citations(text: &str) -> Vec<Citation> {
    let words = words(text);
    let own = own_specification(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let (specification, next) = match specification(&words, at) {
            // A sentence that ends here has no section; the next may begin with one.
            Some((_, next)) if words[next - 1].1.ends_with(['.', ')', ';']) => {
                at = next;
                continue;
            }
            Some((name, next)) => (Some(name), next),
            // The design has sections of its own.
            None if 0 < at && opened(words[at - 1].1).to_lowercase() == "design," => {
                at += 1;
                continue;
            }
            None => (own.clone(), at),
        };
        let (sections, end) = sections(&words, next);
        if let Some(specification) = specification {
            found.extend(sections.into_iter().map(|(line, section)| Citation {
                specification: specification.clone(),
                section,
                line,
            }));
        }
        at = end.max(at + 1);
    }
    found
}

/// Words with their lines; marks of comments are none.
fn words(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(index, line)| {
            let line = line.trim_start().trim_start_matches(['/', '!', '#', '*']);
            line.split_whitespace().map(move |word| (index + 1, word))
        })
        .collect()
}

/// The name of a specification that begins here, and where it ends.
fn specification(words: &[(usize, &str)], at: usize) -> Option<(String, usize)> {
    let word = opened(words[at].1);
    if let Some(number) = word.strip_prefix("XEP-") {
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        return (number.len() == 4).then(|| (format!("XEP-{number}"), at + 1));
    }
    if word == "RFC" {
        let number = words.get(at + 1)?.1;
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        return (!number.is_empty()).then(|| (format!("RFC {number}"), at + 2));
    }
    None
}

/// `section 4.2`, `sections 3, 5 and A.2`, and where that ends.
fn sections(words: &[(usize, &str)], at: usize) -> (Vec<(usize, String)>, usize) {
    let mut found = Vec::new();
    let begins = words.get(at).map(|(_, word)| opened(word).to_lowercase());
    if !matches!(begins.as_deref(), Some("section" | "sections")) {
        return (found, at);
    }
    let mut at = at + 1;
    while let Some((line, word)) = words.get(at) {
        if let Some(number) = number(word) {
            found.push((*line, number));
        } else if *word != "and" || found.is_empty() {
            break;
        }
        at += 1;
        // What ends a sentence or a bracket ends the list.
        if word.ends_with(['.', ')', ':', ';', '`', '"']) {
            break;
        }
    }
    (found, at)
}

/// `4.9.3.4` or `A.2.1`, without what stands around it.
fn number(word: &str) -> Option<String> {
    let end = |c: char| !c.is_ascii_alphanumeric();
    let number = word.trim_matches(end);
    let number = number.split([')', ';', ':', ',']).next().unwrap_or(number);
    let mut parts = number.split('.');
    let first = parts.next()?;
    let is_appendix = first.len() == 1 && first.chars().all(|c| c.is_ascii_uppercase());
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let begins = is_number(first) || (is_appendix && number.contains('.'));
    (begins && parts.all(is_number)).then(|| number.to_owned())
}

fn opened(word: &str) -> &str {
    word.trim_start_matches(['(', '"', '`', '\'', '['])
}

/// The one that the first paragraph names, if it names one.
fn own_specification(text: &str) -> Option<String> {
    let paragraph: Vec<&str> = text
        .lines()
        .take_while(|line| line.starts_with("//!") && line.trim() != "//!")
        .collect();
    let paragraph = paragraph.join("\n");
    let words = words(&paragraph);
    let mut names = (0..words.len()).filter_map(|at| specification(&words, at));
    let (first, _) = names.next()?;
    names.all(|(name, _)| name == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = citations(text);
        let found: Vec<String> = found
            .iter()
            .map(|one| format!("{} {} {}", one.line, one.specification, one.section))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn clauses_are_found_where_they_are_named() {
        check(
            "// Restarts (RFC 6120 sections 4.3.3, 6.3.2 and 7.3.2), as XEP-0198 section 5 says.\n",
            &[
                "1 RFC 6120 4.3.3",
                "1 RFC 6120 6.3.2",
                "1 RFC 6120 7.3.2",
                "1 XEP-0198 5",
            ],
        );
        check(
            "/// Rule 4 of RFC 6121\n/// section 3.1.3.\n",
            &["2 RFC 6121 3.1.3"],
        );
        check(
            "# Both (RFC 6121 sections 3.1 and A.2).\n",
            &["1 RFC 6121 3.1", "1 RFC 6121 A.2"],
        );
        check(
            "// XEP-0160 (1.0.1) and RFC 6120, which says it. Section 3 is another's.\n",
            &[],
        );
        check(
            "// RFC 6120 section 4: streams, 3 of them\n",
            &["1 RFC 6120 4"],
        );
    }

    #[test]
    fn a_file_of_one_specification_names_its_sections_alone() {
        let file = "//! XEP-0198 on a bound stream.\n\n// Section 3: once (design, section 5).\n\
             // As RFC 6120 section 4.6 says, and section 4.\n";
        check(file, &["3 XEP-0198 3", "4 RFC 6120 4.6", "4 XEP-0198 4"]);
        let two = "//! XEP-0198 and RFC 6120.\n\n// Section 3.\n";
        check(two, &[]);
        check("//! Streams.\n\n// Section 3 of the file.\n", &[]);
    }
}
