//! The lexical grammar of XML as a state machine: one character in, sometimes a token out. Not for
//! nesting or limits on octets: see `framer`.

use std::ops::Range;

use crate::chars::{is_legal, is_name, is_name_start, is_space};
use crate::frame::{FrameError, Restricted};
use crate::limits::Limits;
use crate::reference::Reference;

/// A piece of markup that has ended. Names are ranges of octets, counted from the beginning of the
/// frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Declaration,
    Start { name: Range<usize>, is_empty: bool },
    End { name: Range<usize> },
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Character data; how many `]` stand before this character (two at most).
    Text {
        brackets: u8,
    },
    /// After `<`.
    Less,
    /// After `<!`.
    Bang,
    /// After `<!-`.
    BangDash,
    /// Within `<![CDATA[`, so many characters after the `<!`.
    CdataStart(usize),
    Cdata {
        brackets: u8,
    },
    /// Within `<?`; the last character was a `?`.
    Declaration {
        ends: bool,
    },
    StartName,
    /// Within a start tag, after a space.
    Tag,
    /// Within a start tag, right after a value: a space must come before the next attribute.
    ValueEnd,
    AttributeName,
    AttributeSpace,
    AttributeEquals,
    Value {
        quote: char,
    },
    /// After the `/` of an empty tag.
    EmptyEnd,
    EndNameBegin,
    EndName,
    EndSpace,
    TextReference(Reference),
    ValueReference(Reference, char),
}

/// Reads characters; knows one tag, not the tree.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    name: Range<usize>,
    attributes: u16,
    namespaces: u16,
    /// Characters of the attribute's name that agree with `xmlns`, while all do.
    xmlns_len: Option<usize>,
}

const CDATA_START: &str = "[CDATA[";
const XMLNS: &str = "xmlns";

impl Scanner {
    pub(crate) fn new() -> Scanner {
        Scanner {
            state: State::Text { brackets: 0 },
            name: 0..0,
            attributes: 0,
            namespaces: 0,
            xmlns_len: None,
        }
    }

    /// Within text, CDATA or a value, where plain octets change nothing but the brackets.
    pub(crate) fn skips_plain(&self) -> bool {
        matches!(
            self.state,
            State::Text { .. } | State::Cdata { .. } | State::Value { .. }
        )
    }

    /// Plain octets were skipped: brackets before them have lost their meaning.
    pub(crate) fn skipped_plain(&mut self) {
        if let State::Text { brackets } | State::Cdata { brackets } = &mut self.state {
            *brackets = 0;
        }
    }

    /// Takes the character whose first octet is `at`.
    pub(crate) fn step(
        &mut self,
        c: char,
        at: usize,
        limits: &Limits,
    ) -> Result<Option<Token>, FrameError> {
        if !is_legal(c) {
            return Err(FrameError::NotWellFormed("an illegal character"));
        }
        match self.state {
            State::Text { brackets } => self.text(c, brackets),
            State::Less => self.less(c, at),
            State::Bang | State::BangDash | State::CdataStart(_) => self.bang(c),
            State::Cdata { brackets } => {
                self.state = match (c, brackets) {
                    ('>', 2..) => State::Text { brackets: 0 },
                    _ => State::Cdata {
                        brackets: count_brackets(c, brackets),
                    },
                };
                Ok(None)
            }
            State::Declaration { ends } => {
                self.state = State::Declaration { ends: c == '?' };
                Ok((ends && c == '>').then(|| self.finish(Token::Declaration)))
            }
            State::StartName | State::Tag | State::ValueEnd | State::EmptyEnd => {
                self.start_tag(c, at, limits)
            }
            State::AttributeName
            | State::AttributeSpace
            | State::AttributeEquals
            | State::Value { .. } => self.attribute(c, limits),
            State::EndNameBegin | State::EndName | State::EndSpace => self.end_tag(c, at),
            State::TextReference(mut reference) => {
                self.state = match reference.push(c)? {
                    Some(_) => State::Text { brackets: 0 },
                    None => State::TextReference(reference),
                };
                Ok(None)
            }
            State::ValueReference(mut reference, quote) => {
                self.state = match reference.push(c)? {
                    Some(_) => State::Value { quote },
                    None => State::ValueReference(reference, quote),
                };
                Ok(None)
            }
        }
    }

    fn text(&mut self, c: char, brackets: u8) -> Result<Option<Token>, FrameError> {
        self.state = match c {
            '<' => State::Less,
            '&' => State::TextReference(Reference::Begun),
            '>' if brackets >= 2 => return wrong("\"]]>\" in character data"),
            _ => State::Text {
                brackets: count_brackets(c, brackets),
            },
        };
        Ok(None)
    }

    fn less(&mut self, c: char, at: usize) -> Result<Option<Token>, FrameError> {
        self.state = match c {
            '/' => State::EndNameBegin,
            '!' => State::Bang,
            '?' => State::Declaration { ends: false },
            _ if is_name_start(c) => {
                self.name = at..at;
                self.attributes = 0;
                self.namespaces = 0;
                State::StartName
            }
            _ => return wrong("\"<\" begins no tag"),
        };
        Ok(None)
    }

    /// RFC 6120 section 11.1: of what begins with `<!`, only CDATA is no restricted feature.
    fn bang(&mut self, c: char) -> Result<Option<Token>, FrameError> {
        self.state = match (self.state, c) {
            (State::Bang, '-') => State::BangDash,
            (State::BangDash, '-') => return Err(FrameError::Restricted(Restricted::Comment)),
            (State::Bang, '[') => State::CdataStart(1),
            (State::Bang, 'A'..='Z') => return Err(FrameError::Restricted(Restricted::Dtd)),
            (State::CdataStart(n), _) if CDATA_START[n..].starts_with(c) => {
                if n + 1 == CDATA_START.len() {
                    State::Cdata { brackets: 0 }
                } else {
                    State::CdataStart(n + 1)
                }
            }
            _ => return wrong("\"<!\" begins no CDATA section"),
        };
        Ok(None)
    }

    fn start_tag(
        &mut self,
        c: char,
        at: usize,
        limits: &Limits,
    ) -> Result<Option<Token>, FrameError> {
        if matches!(self.state, State::StartName) {
            if is_name(c) {
                return Ok(None);
            }
            self.name.end = at;
        }
        self.state = match (self.state, c) {
            (State::EmptyEnd, '>') => return Ok(Some(self.finish_start(true))),
            (State::EmptyEnd, _) => return wrong("\"/\" within a tag"),
            (_, '>') => return Ok(Some(self.finish_start(false))),
            (_, '/') => State::EmptyEnd,
            _ if is_space(c) => State::Tag,
            (State::Tag, _) if is_name_start(c) => {
                self.xmlns_len = XMLNS.starts_with(c).then_some(1);
                self.count_attribute(limits)?;
                State::AttributeName
            }
            _ => return wrong("a tag is malformed"),
        };
        Ok(None)
    }

    /// Counts when a name begins, so that the limit holds before the tag ends.
    fn count_attribute(&mut self, limits: &Limits) -> Result<(), FrameError> {
        if self.attributes == limits.attributes_max && self.xmlns_len.is_none() {
            return Err(too_many_attributes(limits));
        }
        self.attributes = self.attributes.saturating_add(1);
        Ok(())
    }

    /// The name turned out to be a declaration: it counts as that and as no attribute.
    fn attribute_name_ended(&mut self, limits: &Limits) -> Result<(), FrameError> {
        if self.xmlns_len == Some(XMLNS.len()) {
            self.attributes -= 1;
            if self.namespaces == limits.namespaces_max {
                let namespaces_max = limits.namespaces_max;
                return Err(FrameError::NamespacesTooMany { namespaces_max });
            }
            self.namespaces += 1;
        } else if self.attributes > limits.attributes_max {
            return Err(too_many_attributes(limits));
        }
        self.xmlns_len = None;
        Ok(())
    }

    /// Follows the name along `xmlns` or `xmlns:...`.
    fn attribute_name(&mut self, c: char) {
        self.xmlns_len = match self.xmlns_len {
            Some(n) if n < XMLNS.len() && XMLNS[n..].starts_with(c) => Some(n + 1),
            // Once the colon was there, the rest is the prefix that is declared.
            Some(n) if n == XMLNS.len() && c == ':' => Some(n + 1),
            Some(n) if n > XMLNS.len() => Some(n),
            _ => None,
        };
    }

    fn attribute(&mut self, c: char, limits: &Limits) -> Result<Option<Token>, FrameError> {
        self.state = match (self.state, c) {
            (State::AttributeName, _) if is_name(c) => {
                self.attribute_name(c);
                State::AttributeName
            }
            (State::AttributeName | State::AttributeSpace, '=') => {
                // A prefix after the colon is a declaration as much as no colon is.
                self.xmlns_len = self.xmlns_len.map(|n| n.min(XMLNS.len()));
                self.attribute_name_ended(limits)?;
                State::AttributeEquals
            }
            (State::AttributeName | State::AttributeSpace, _) if is_space(c) => {
                State::AttributeSpace
            }
            (State::AttributeEquals, '"' | '\'') => State::Value { quote: c },
            (State::AttributeEquals, _) if is_space(c) => State::AttributeEquals,
            (State::Value { quote }, _) if c == quote => State::ValueEnd,
            (State::Value { .. }, '<') => return wrong("\"<\" in an attribute"),
            (State::Value { quote }, '&') => State::ValueReference(Reference::Begun, quote),
            (State::Value { quote }, _) => State::Value { quote },
            _ => return wrong("an attribute is malformed"),
        };
        Ok(None)
    }

    fn end_tag(&mut self, c: char, at: usize) -> Result<Option<Token>, FrameError> {
        match (self.state, c) {
            (State::EndNameBegin, _) if is_name_start(c) => {
                self.name = at..at;
                self.state = State::EndName;
                return Ok(None);
            }
            (State::EndNameBegin, _) => return wrong("an end tag is malformed"),
            (State::EndName, _) if is_name(c) => return Ok(None),
            (State::EndName, _) => self.name.end = at,
            _ => {}
        }
        self.state = State::EndSpace;
        match c {
            '>' => Ok(Some(self.finish(Token::End {
                name: self.name.clone(),
            }))),
            _ if is_space(c) => Ok(None),
            _ => wrong("an end tag is malformed"),
        }
    }

    fn finish_start(&mut self, is_empty: bool) -> Token {
        self.finish(Token::Start {
            name: self.name.clone(),
            is_empty,
        })
    }

    fn finish(&mut self, token: Token) -> Token {
        self.state = State::Text { brackets: 0 };
        token
    }
}

fn count_brackets(c: char, brackets: u8) -> u8 {
    if c == ']' { (brackets + 1).min(2) } else { 0 }
}

fn too_many_attributes(limits: &Limits) -> FrameError {
    FrameError::AttributesTooMany {
        attributes_max: limits.attributes_max,
    }
}

fn wrong<T>(what: &'static str) -> Result<T, FrameError> {
    Err(FrameError::NotWellFormed(what))
}
