//! The forms that values of settings have, as people write them. Not for which settings there are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A form: how a value is read and, by `Display`, written.
pub trait Form: Sized + fmt::Display {
    /// What may be written, in words.
    fn words() -> String;

    /// Err: what is wrong, and what to write instead.
    fn read(text: &str) -> Result<Self, String>;
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch(pub bool);

impl Switch {
    pub fn is_on(self) -> bool {
        self.0
    }
}

impl Form for Switch {
    fn words() -> String {
        "on or off".to_owned()
    }

    fn read(text: &str) -> Result<Switch, String> {
        match text {
            "on" => Ok(Switch(true)),
            "off" => Ok(Switch(false)),
            _ => Err(format!("`{text}` is neither; write {}", Self::words())),
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "on" } else { "off" })
    }
}

/// How much there may be. None: without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit<const LEAST: u64, const GREATEST: u64>(pub Option<u64>);

impl<const LEAST: u64, const GREATEST: u64> Limit<LEAST, GREATEST> {
    pub fn most(self) -> Option<u64> {
        self.0
    }
}

impl<const LEAST: u64, const GREATEST: u64> Form for Limit<LEAST, GREATEST> {
    fn words() -> String {
        format!("a number from {LEAST} to {GREATEST}, or unlimited")
    }

    fn read(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Limit(None));
        }
        let number: Option<u64> = text.parse().ok();
        match number.filter(|number| (LEAST..=GREATEST).contains(number)) {
            Some(number) => Ok(Limit(Some(number))),
            None => Err(format!("`{text}` is out of range; write {}", Self::words())),
        }
    }
}

impl<const LEAST: u64, const GREATEST: u64> fmt::Display for Limit<LEAST, GREATEST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(most) => write!(f, "{most}"),
            None => f.write_str("unlimited"),
        }
    }
}

/// What becomes of a session whose resource another client wants (RFC 6120 section 7.7.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conflict {
    /// The session ends, and the newcomer has the resource.
    Replace,
    /// The newcomer is told to choose another.
    Refuse,
}

impl Form for Conflict {
    fn words() -> String {
        "replace or refuse".to_owned()
    }

    fn read(text: &str) -> Result<Conflict, String> {
        match text {
            "replace" => Ok(Conflict::Replace),
            "refuse" => Ok(Conflict::Refuse),
            _ => Err(format!("`{text}` is neither; write {}", Self::words())),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Conflict::Replace => "replace",
            Conflict::Refuse => "refuse",
        })
    }
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number<const LEAST: u64, const GREATEST: u64>(pub u64);

impl<const LEAST: u64, const GREATEST: u64> Form for Number<LEAST, GREATEST> {
    fn words() -> String {
        format!("a number from {LEAST} to {GREATEST}")
    }

    fn read(text: &str) -> Result<Self, String> {
        let number: Option<u64> = text.parse().ok();
        let number = number.filter(|number| (LEAST..=GREATEST).contains(number));
        let error = || format!("`{text}` is out of range; write {}", Self::words());
        number.map(Number).ok_or_else(error)
    }
}

impl<const LEAST: u64, const GREATEST: u64> fmt::Display for Number<LEAST, GREATEST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_everything_else_refused() {
        type Some3 = Limit<3, 9>;
        for text in ["3", "9", "unlimited"] {
            assert_eq!(Some3::read(text).unwrap().to_string(), text);
        }
        for text in ["2", "10", "-1", "", "three", "3 ", "99999999999999999999"] {
            let error = Some3::read(text).unwrap_err();
            assert!(
                error.ends_with("write a number from 3 to 9, or unlimited"),
                "{error}"
            );
        }
        assert_eq!(Number::<3, 9>::read("9").unwrap().to_string(), "9");
        for text in ["2", "10", "unlimited"] {
            let error = Number::<3, 9>::read(text).unwrap_err();
            assert!(error.ends_with("write a number from 3 to 9"), "{error}");
        }
        for text in ["on", "off"] {
            assert_eq!(Switch::read(text).unwrap().to_string(), text);
        }
        for text in ["replace", "refuse"] {
            assert_eq!(Conflict::read(text).unwrap().to_string(), text);
        }
        assert!(Conflict::read("kill").is_err());
        for text in ["", "ON", "true", "1"] {
            assert!(Switch::read(text).is_err(), "{text}");
        }
    }
}
