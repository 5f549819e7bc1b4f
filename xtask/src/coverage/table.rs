//! The table of what specifications ask of a server, as people write it. Not for who has done it:
//! see `citations`.

use anyhow::{Context, bail};

/// How a section stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Done,
    NotDone,
    NotForUs,
}

impl Status {
    const ALL: [(&'static str, Status); 3] = [
        ("done", Status::Done),
        ("not done", Status::NotDone),
        ("not for us", Status::NotForUs),
    ];

    pub fn name(self) -> &'static str {
        let found = Status::ALL.iter().find(|(_, status)| *status == self);
        found.map_or("", |(name, _)| name)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    pub number: String,
    pub status: Status,
    pub title: String,
    pub remark: String,
}

/// `RFC 6120` or `XEP-0198`.
#[derive(Debug, PartialEq, Eq)]
pub struct Specification {
    pub name: String,
    pub title: String,
    pub sections: Vec<Section>,
}

/// Fails with the line that is none.
pub fn read(text: &str) -> anyhow::Result<Vec<Specification>> {
    let mut found: Vec<Specification> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split('|').map(str::trim).collect();
        let taken = match words.as_slice() {
            [name, title] if name.starts_with("RFC ") || name.starts_with("XEP-") => {
                found.push(Specification {
                    name: (*name).to_owned(),
                    title: (*title).to_owned(),
                    sections: Vec::new(),
                });
                Ok(())
            }
            words => section(words).and_then(|section| {
                let last = found.last_mut().context("before any specification")?;
                if last.sections.iter().any(|one| one.number == section.number) {
                    bail!("{} twice", section.number);
                }
                last.sections.push(section);
                Ok(())
            }),
        };
        taken.with_context(|| format!("read line {} of the table: {line}", index + 1))?;
    }
    Ok(found)
}

fn section(words: &[&str]) -> anyhow::Result<Section> {
    let [number, status, title, rest @ ..] = words else {
        bail!("write: section | status | what it is | remark");
    };
    let status = Status::ALL.iter().find(|(name, _)| name == status);
    let Some((_, status)) = status else {
        bail!("write done, not done or not for us");
    };
    let remark = rest.join(" | ");
    if *status == Status::NotForUs && remark.is_empty() {
        bail!("what is not for us has a reason");
    }
    Ok(Section {
        number: (*number).to_owned(),
        status: *status,
        title: (*title).to_owned(),
        remark,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read() {
        let text = "# words\n\nRFC 6120 | Core\n4.2 | done | Opening\n\
             4.6.3 | not for us | Idle | nobody is closed\nXEP-0198 | Streams\n\
             2 | not done | Feature\n";
        let found = read(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].sections[1].status, Status::NotForUs);
        assert_eq!(found[0].sections[1].remark, "nobody is closed");
        assert_eq!(found[1].sections[0].status.name(), "not done");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, part) in [
            ("4.2 | done | Opening\n", "before any specification"),
            ("RFC 1 | A\n4.2 | maybe | Opening\n", "line 2"),
            ("RFC 1 | A\n4.2 | not for us | Opening\n", "has a reason"),
            ("RFC 1 | A\n4 | done | A\n4 | done | B\n", "4 twice"),
            ("RFC 1 | A\n4.2\n", "section | status"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }
}
