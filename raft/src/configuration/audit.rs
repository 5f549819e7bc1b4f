//! Who changed what: lines of which each has the hash of the one before, so that one that was
//! altered or left out shows. Not for what is worth a line.

use std::collections::VecDeque;

use pollux_domain::ids::WallMs;
use pollux_domain::limits;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Audit {
    /// The oldest first.
    lines: VecDeque<AuditLine>,
    /// Of the last line that went for newer ones.
    before: [u8; 32],
    /// How many went.
    gone: u64,
}

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at: WallMs,
    pub caller: String,
    pub operation: String,
    pub fields: String,
    pub result: String,
}

/// It, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    pub entry: AuditEntry,
    pub hash: [u8; 32],
}

impl AuditEntry {
    /// With its texts cut to what is kept of them.
    pub fn cut(mut self) -> AuditEntry {
        for text in [
            &mut self.caller,
            &mut self.operation,
            &mut self.fields,
            &mut self.result,
        ] {
            if limits::AUDIT_TEXT_BYTES_MAX < text.len() {
                let end = text.floor_char_boundary(limits::AUDIT_TEXT_BYTES_MAX);
                text.truncate(end);
                text.push('…');
            }
        }
        self
    }

    /// Every field with its length in front, so that nothing can be moved from one to the next.
    fn hash(&self, before: &[u8; 32], number: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(before);
        hash.update(number.to_be_bytes());
        hash.update(self.at.0.to_be_bytes());
        for text in [&self.caller, &self.operation, &self.fields, &self.result] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().into()
    }
}

impl Audit {
    pub(super) fn append(&mut self, entry: &AuditEntry) {
        let before = self.lines.back().map_or(self.before, |line| line.hash);
        let number = self.last() + 1;
        let hash = entry.hash(&before, number);
        let entry = entry.clone();
        self.lines.push_back(AuditLine { entry, hash });
        if limits::AUDIT_LINES_MAX < self.lines.len()
            && let Some(oldest) = self.lines.pop_front()
        {
            self.before = oldest.hash;
            self.gone += 1;
        }
    }

    /// The number of the newest line; 0: there was none.
    pub fn last(&self) -> u64 {
        self.gone + self.lines.len() as u64
    }

    /// The newest first, with their numbers.
    pub fn newest_first(&self) -> impl Iterator<Item = (u64, &AuditLine)> {
        let numbers = (self.gone + 1..=self.last()).rev();
        numbers.zip(self.lines.iter().rev())
    }

    /// The number of the first line whose hash is not that of its contents and of the line before.
    pub fn broken(&self) -> Option<u64> {
        let mut before = self.before;
        for (number, line) in (self.gone + 1..).zip(&self.lines) {
            if line.entry.hash(&before, number) != line.hash {
                return Some(number);
            }
            before = line.hash;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &str, result: &str) -> AuditEntry {
        AuditEntry {
            at: WallMs(5),
            caller: "local user 0".to_owned(),
            operation: "user.add".to_owned(),
            fields: fields.to_owned(),
            result: result.to_owned(),
        }
    }

    fn three() -> Audit {
        let mut audit = Audit::default();
        for user in ["user=ann", "user=ben", "user=cid"] {
            audit.append(&entry(user, "done"));
        }
        audit
    }

    #[test]
    fn the_chain_holds_and_the_newest_comes_first() {
        let audit = three();
        assert_eq!(audit.broken(), None);
        let lines: Vec<(u64, &str)> = { audit.newest_first() }
            .map(|(number, line)| (number, line.entry.fields.as_str()))
            .collect();
        assert_eq!(lines, [(3, "user=cid"), (2, "user=ben"), (1, "user=ann")]);
    }

    #[test]
    fn what_was_altered_moved_or_left_out_shows() {
        let mut altered = three();
        altered.lines[1].entry.fields = "user=bob".to_owned();
        assert_eq!(altered.broken(), Some(2));
        let mut moved = three();
        moved.lines[1].entry = entry("user=bendo", "ne");
        assert_eq!(moved.broken(), Some(2));
        let mut left_out = three();
        left_out.lines.remove(1);
        assert_eq!(left_out.broken(), Some(2));
        let mut rewritten = three();
        let hash = entry("user=bob", "done").hash(&rewritten.lines[0].hash, 2);
        rewritten.lines[1].hash = hash;
        rewritten.lines[1].entry = entry("user=bob", "done");
        assert_eq!(rewritten.broken(), Some(3), "all that follow, too");
    }

    #[test]
    fn the_oldest_goes_and_the_numbers_and_the_chain_go_on() {
        let mut audit = Audit::default();
        let count = limits::AUDIT_LINES_MAX as u64 + 3;
        for _ in 0..count {
            audit.append(&entry("", "done"));
        }
        assert_eq!(audit.last(), count);
        let numbers: Vec<u64> = audit.newest_first().map(|(number, _)| number).collect();
        assert_eq!(
            (numbers.len(), numbers[0]),
            (limits::AUDIT_LINES_MAX, count)
        );
        assert_eq!(numbers.last(), Some(&4));
        assert_eq!(audit.broken(), None);
        audit.lines[0].entry.at = WallMs(6);
        assert_eq!(audit.broken(), Some(4));
    }

    #[test]
    fn a_long_text_is_cut_where_a_character_ends() {
        let long = "ü".repeat(limits::AUDIT_TEXT_BYTES_MAX);
        let cut = entry(&long, "done").cut();
        assert!(cut.fields.ends_with("ü…"));
        assert!(cut.fields.len() <= limits::AUDIT_TEXT_BYTES_MAX + '…'.len_utf8());
    }
}
