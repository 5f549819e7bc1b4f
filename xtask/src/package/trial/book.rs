//! The commands of a page of the book: lines in blocks, each behind the name of a machine and `# `.
//! Not for running them.

/// One command, with what it reads where it has a document behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub host: String,
    pub text: String,
}

impl Line {
    /// Its first line.
    pub fn shown(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

/// All commands in the blocks that are marked `console`, in order.
pub fn lines(page: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut in_block = false;
    // A command that reads `<<END` goes on to the line END.
    let mut in_document = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
            in_document = false;
        } else if in_document {
            if let Some(command) = lines.last_mut() {
                command.text.push('\n');
                command.text.push_str(line);
            }
            in_document = line != "END";
        } else if let Some((host, text)) = line.split_once("# ").filter(|_| in_block) {
            in_document = text.ends_with("<<END");
            lines.push(Line {
                host: host.to_owned(),
                text: text.to_owned(),
            });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_the_rest() {
        let page = "# A page\n\ncastor# in no block\n```sh\ncastor# of no console\n```\n\
                    ```console\ncastor# cat > a <<END\n[b]\n\nc# d\nEND\nthird# true\nsaid\n```\n";
        let line = |host: &str, text: &str| Line {
            host: host.to_owned(),
            text: text.to_owned(),
        };
        let expected = [
            line("castor", "cat > a <<END\n[b]\n\nc# d\nEND"),
            line("third", "true"),
        ];
        assert_eq!(lines(page), expected);
        assert_eq!(lines(page)[0].shown(), "cat > a <<END");
    }

    #[test]
    fn the_book_has_commands_for_all_three() {
        for page in [super::super::MACHINES, super::super::CONTAINERS] {
            let lines = lines(page);
            for host in super::super::HOSTS {
                assert!(lines.iter().any(|line| line.host == host), "{host}");
            }
            assert!(lines.len() > 20, "{}", lines.len());
        }
    }
}
