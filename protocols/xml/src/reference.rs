//! References: the five predefined entities and characters by number (XML 1.0 sections 4.1, 4.6).
//! Not for any other entity: RFC 6120 section 11.1 prohibits them.

use crate::chars::{is_legal, is_name, is_name_start};
use crate::frame::{FrameError, Restricted};

/// The longest predefined entity name: `apos`, `quot`.
const NAME_LEN_MAX: usize = 4;

/// What has been read since the `&`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reference {
    Begun,
    Name { name: [u8; NAME_LEN_MAX], len: u8 },
    Hash,
    Decimal(u32),
    Hex { code: u32, has_digits: bool },
}

impl Reference {
    /// The character that is meant, when this one is the semicolon.
    pub(crate) fn push(&mut self, c: char) -> Result<Option<char>, FrameError> {
        *self = match (*self, c) {
            (Reference::Begun, '#') => Reference::Hash,
            (Reference::Begun, _) if is_name_start(c) => Reference::Name {
                name: [0; NAME_LEN_MAX],
                len: 0,
            }
            .append(c)?,
            (Reference::Name { name, len }, ';') => {
                return predefined(&name[..usize::from(len)]).map(Some);
            }
            (Reference::Name { .. }, _) if is_name(c) => self.append(c)?,
            (Reference::Hash, 'x') => Reference::Hex {
                code: 0,
                has_digits: false,
            },
            (Reference::Hash, '0'..='9') => Reference::Decimal(add_digit(0, 10, c)?),
            (Reference::Decimal(code), '0'..='9') => Reference::Decimal(add_digit(code, 10, c)?),
            (Reference::Hex { code, .. }, _) if c.is_ascii_hexdigit() => Reference::Hex {
                code: add_digit(code, 16, c)?,
                has_digits: true,
            },
            (
                Reference::Decimal(code)
                | Reference::Hex {
                    code,
                    has_digits: true,
                },
                ';',
            ) => {
                return legal(code).map(Some);
            }
            _ => return Err(FrameError::NotWellFormed("a reference is malformed")),
        };
        Ok(None)
    }

    /// Adds to the name; one that is too long already is none of the five.
    fn append(self, c: char) -> Result<Reference, FrameError> {
        match self {
            Reference::Name { mut name, len }
                if usize::from(len) < NAME_LEN_MAX && c.is_ascii() =>
            {
                name[usize::from(len)] = c as u8;
                Ok(Reference::Name { name, len: len + 1 })
            }
            _ => Err(FrameError::Restricted(Restricted::Entity)),
        }
    }
}

fn predefined(name: &[u8]) -> Result<char, FrameError> {
    match name {
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"amp" => Ok('&'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        _ => Err(FrameError::Restricted(Restricted::Entity)),
    }
}

/// Leading zeros are legal without end, so the value counts and not the digits.
fn add_digit(code: u32, base: u32, digit: char) -> Result<u32, FrameError> {
    let code = code * base + digit.to_digit(base).unwrap_or(0);
    if code > 0x10_FFFF {
        Err(ILLEGAL)
    } else {
        Ok(code)
    }
}

const ILLEGAL: FrameError = FrameError::NotWellFormed("a reference to an illegal character");

fn legal(code: u32) -> Result<char, FrameError> {
    char::from_u32(code).filter(|&c| is_legal(c)).ok_or(ILLEGAL)
}
