//! A play as it is written: who takes part, and step by step who does what. Not for doing it.
//!
//! ```text
//! # What the play shows.
//!
//! [Client] alice            an account `alice`, and a client of that name
//!     resource: phone       made up by the node where it is not given
//!     account: bob          another account than the client's name
//!     management: resumable stream management (XEP-0198); `counted` is without resumption
//!     answers: never        leaves each `<r/>` without answer
//! [User] dave               an account without a client
//! [Log] some phrase         a warning of the node that is expected
//!
//! ---
//! alice connects
//! alice sends:
//!     <message to='bob@localhost'><body>Hello</body></message>
//! bob receives:
//!     <message from='{alice.jid}' to='bob@localhost'><body>Hello</body></message>
//! ```
//!
//! Each client's stanzas are compared in order. `receives in any order:` frees those of one step,
//! `receives each kind in order:` frees messages, presence and IQs from each other.

use std::collections::BTreeMap;

/// See the module.
#[derive(Debug)]
pub struct Play {
    pub cast: Vec<Role>,
    pub users: Vec<String>,
    pub announced: Vec<String>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Role {
    pub name: String,
    pub account: String,
    pub resource: Option<String>,
    pub management: Management,
    pub answers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Management {
    None,
    Counted,
    Resumable,
}

#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub text: String,
    pub action: Action,
}

#[derive(Debug)]
pub enum Action {
    Client(String, Deed),
    NodeKilled,
    NodeStopped,
    NodeStarts,
    /// `pollux ctl …`
    Operator(Vec<String>),
    /// Whatever was sent has been done, and has arrived.
    Settled,
    /// Each sees the other's availability.
    Contacts(String, String),
}

#[derive(Debug)]
pub enum Deed {
    Connects,
    SignsIn,
    Binds,
    Sends(String),
    Receives(String),
    ReceivesInAnyOrder(String),
    ReceivesEachKindInOrder(String),
    ReceivesNothing,
    Answers,
    IsAcknowledged,
    Resumes,
    ClosesTheStream,
    IsCut,
    EndsWith(String),
}

impl Play {
    /// Says where a play cannot be read.
    pub fn parse(text: &str) -> Result<Play, String> {
        let Some((head, steps)) = text.split_once("\n---\n") else {
            return Err("no line `---` between cast and steps".to_owned());
        };
        if !head.starts_with("# ") {
            return Err("the play does not begin with what it shows".to_owned());
        }
        let mut play = Play {
            cast: Vec::new(),
            users: Vec::new(),
            announced: Vec::new(),
            steps: Vec::new(),
        };
        for part in blocks(head, 1) {
            play.head(&part)
                .map_err(|error| format!("line {}: {error}", part.line))?;
        }
        for part in blocks(steps, head.lines().count() + 2) {
            let action = action(&part).map_err(|error| format!("line {}: {error}", part.line))?;
            play.steps.push(Step {
                line: part.line,
                text: part.text.to_owned(),
                action,
            });
        }
        Ok(play)
    }

    fn head(&mut self, part: &Block<'_>) -> Result<(), String> {
        let Some((kind, name)) = part.text.split_once("] ") else {
            return Err(format!("not a part of the cast: {}", part.text));
        };
        match kind {
            "[Client" => self.cast.push(role(name, &part.below)?),
            "[User" => self.users.push(name.to_owned()),
            "[Log" => self.announced.push(name.to_owned()),
            _ => return Err(format!("not a part of the cast: {}", part.text)),
        }
        Ok(())
    }
}

/// A line and what is indented below it.
struct Block<'a> {
    line: usize,
    text: &'a str,
    below: String,
}

fn blocks(text: &str, first_line: usize) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let is_below = line.starts_with([' ', '\t']);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match blocks.last_mut() {
            Some(block) if is_below => {
                block.below.push_str(line.trim());
                block.below.push('\n');
            }
            _ => {
                let line_number = first_line + index;
                blocks.push(Block {
                    line: line_number,
                    text: line.trim(),
                    below: String::new(),
                });
            }
        }
    }
    blocks
}

fn role(name: &str, below: &str) -> Result<Role, String> {
    let mut given = BTreeMap::new();
    for line in below.lines() {
        let (key, value) = line.split_once(": ").ok_or(format!("no value: {line}"))?;
        given.insert(key, value);
    }
    let role = Role {
        name: name.to_owned(),
        account: given.remove("account").unwrap_or(name).to_owned(),
        resource: given.remove("resource").map(str::to_owned),
        management: match given.remove("management") {
            None => Management::None,
            Some("counted") => Management::Counted,
            Some("resumable") => Management::Resumable,
            Some(other) => return Err(format!("no such management: {other}")),
        },
        answers: match given.remove("answers") {
            None => true,
            Some("never") => false,
            Some(other) => return Err(format!("no such answers: {other}")),
        },
    };
    match given.keys().next() {
        Some(key) => Err(format!("a client has no {key}")),
        None => Ok(role),
    }
}

fn action(part: &Block<'_>) -> Result<Action, String> {
    let block = || match part.below.is_empty() {
        true => Err("nothing is indented below".to_owned()),
        false => Ok(part.below.clone()),
    };
    let (first, rest) = part.text.split_once(' ').unwrap_or((part.text, ""));
    if let Some(name) = first.strip_suffix("'s") {
        let deed = match rest {
            "connection is cut" => Deed::IsCut,
            _ => match rest.strip_prefix("stream ends with ") {
                Some(condition) => Deed::EndsWith(condition.to_owned()),
                None => return Err(format!("nobody can do this: {}", part.text)),
            },
        };
        return Ok(Action::Client(name.to_owned(), deed));
    }
    let deed = match (first, rest) {
        ("node", "is killed") => return Ok(Action::NodeKilled),
        ("node", "is stopped") => return Ok(Action::NodeStopped),
        ("node", "starts") => return Ok(Action::NodeStarts),
        ("everything", "is settled") => return Ok(Action::Settled),
        ("operator:", command) => {
            let words = command.split_whitespace().map(str::to_owned);
            return Ok(Action::Operator(words.collect()));
        }
        (_, "connects") => Deed::Connects,
        (_, "signs in") => Deed::SignsIn,
        (_, "binds") => Deed::Binds,
        (_, "sends:") => Deed::Sends(block()?),
        (_, "receives:") => Deed::Receives(block()?),
        (_, "receives in any order:") => Deed::ReceivesInAnyOrder(block()?),
        (_, "receives each kind in order:") => Deed::ReceivesEachKindInOrder(block()?),
        (_, "receives nothing") => Deed::ReceivesNothing,
        (_, "says what was received") => Deed::Answers,
        (_, "is acknowledged") => Deed::IsAcknowledged,
        (_, "resumes") => Deed::Resumes,
        (_, "closes the stream") => Deed::ClosesTheStream,
        (one, rest) => {
            let other = rest
                .strip_prefix("and ")
                .and_then(|rest| rest.strip_suffix(" are contacts"));
            let other = other.ok_or(format!("nobody can do this: {}", part.text))?;
            return Ok(Action::Contacts(one.to_owned(), other.to_owned()));
        }
    };
    Ok(Action::Client(first.to_owned(), deed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mistake = Play::parse(text).expect_err("a mistake");
        assert!(mistake.contains(expected), "{mistake}");
    }

    #[test]
    fn a_mistake_in_a_play_is_named_with_its_line() {
        check("# A\n", "no line `---`");
        check("[Client] a\n---\n", "begin with what it shows");
        check(
            "# A\n[Client] a\n\tcolour: red\n---\n",
            "line 2: a client has no colour",
        );
        check(
            "# A\n[Client] a\n---\na dances\n",
            "line 4: nobody can do this: a dances",
        );
        check(
            "# A\n[Client] a\n---\na sends:\n",
            "line 4: nothing is indented below",
        );
    }
}
