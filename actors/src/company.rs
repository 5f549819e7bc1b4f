//! Whether the count of what was handled wakes its session at once, or goes with the next thing
//! that is written to the client (decision 0032). A value: the inbox keeps it, the session begins
//! and ends it, the queue of reminders looks at it.

use std::time::Duration;

/// For how long a count waits for company.
pub const PATIENCE: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug, Default)]
pub struct Company {
    since: Option<Duration>,
    /// A reminder is under way.
    reminded: bool,
}

/// What is to be done when the time may be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nobody waits.
    Nothing,
    /// Who waits now began later: to be looked at again.
    Again,
    Over,
}

impl Company {
    /// Begins to wait, or goes on. True where a reminder has to be asked for.
    pub fn seek(&mut self, now: Duration) -> bool {
        self.since.get_or_insert(now);
        !std::mem::replace(&mut self.reminded, true)
    }

    pub fn end(&mut self) {
        self.since = None;
    }

    pub fn is_sought(&self) -> bool {
        self.since.is_some()
    }

    /// At the time of a reminder.
    pub fn look(&mut self, now: Duration) -> Look {
        if self.since.is_some_and(|since| now < since + PATIENCE) {
            return Look::Again;
        }
        self.reminded = false;
        match self.since.take() {
            Some(_) => Look::Over,
            None => Look::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_when_its_own_time_is_over() {
        let at = Duration::from_millis;
        let mut company = Company::default();
        assert!(company.seek(at(0)));
        assert!(!company.seek(at(3)), "it waits already");
        company.end();
        assert!(!company.seek(at(5)), "the first reminder is under way");
        assert_eq!(company.look(at(10)), Look::Again);
        assert!(company.is_sought());
        assert_eq!(company.look(at(15)), Look::Over);
        assert!(!company.is_sought());
        assert!(company.seek(at(20)), "the next asks anew");
        company.end();
        assert_eq!(company.look(at(30)), Look::Nothing);
        assert!(company.seek(at(31)));
    }
}
