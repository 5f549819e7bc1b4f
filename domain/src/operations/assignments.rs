//! What is to be set, by name. Not for whether there is such a setting, or such a value.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ErrorKind, OperationError};
use crate::settings::Mistake;

/// One setting with its new value; without one it is as at the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    pub name: String,
    pub value: Option<String>,
}

/// Settings that are set together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Assignment>", into = "Vec<Assignment>")]
pub struct Assignments(Vec<Assignment>);

impl Assignments {
    pub fn new(all: Vec<Assignment>) -> Result<Assignments, OperationError> {
        let invalid = |message: String| OperationError::new(ErrorKind::Invalid, message);
        if all.is_empty() {
            return Err(invalid("nothing is to be set".to_owned()));
        }
        Ok(Assignments(all))
    }

    /// Each that is set more than once: which value is meant nobody knows.
    pub fn repeated(&self) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> = Vec::new();
        for (index, one) in self.0.iter().enumerate() {
            let earlier = self
                .0
                .iter()
                .take(index)
                .filter(|other| other.name == one.name);
            if earlier.count() == 1 {
                mistakes.push(Mistake {
                    name: one.name.clone(),
                    text: "is set twice".to_owned(),
                });
            }
        }
        mistakes
    }

    pub fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.0.iter()
    }
}

impl TryFrom<Vec<Assignment>> for Assignments {
    type Error = OperationError;

    fn try_from(all: Vec<Assignment>) -> Result<Assignments, OperationError> {
        Assignments::new(all)
    }
}

impl From<Assignments> for Vec<Assignment> {
    fn from(assignments: Assignments) -> Vec<Assignment> {
        assignments.0
    }
}

impl fmt::Display for Assignments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Assignment { name, value }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let value = value.as_deref().unwrap_or("(default)");
            write!(f, "{comma}{}={}", shown(name), shown(value))?;
        }
        Ok(())
    }
}

/// What stands in a line of the log.
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '·' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: Option<&str>) -> Assignment {
        Assignment {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn each_is_set_once_and_said_on_one_line() {
        let all = Assignments::new(vec![one("a", Some("1\n")), one("b", None)]).unwrap();
        assert_eq!(all.to_string(), "a=1·,b=(default)");
        assert_eq!(all.repeated(), []);
        let (again, third) = (one("a", Some("1")), one("a", None));
        let twice = Assignments::new(vec![one("a", None), again, one("b", None), third]).unwrap();
        let words: Vec<String> = twice.repeated().iter().map(Mistake::to_string).collect();
        assert_eq!(words, ["a: is set twice"]);
        assert!(Assignments::new(Vec::new()).is_err());
    }
}
