//! One page of a list: as many rows as fit a response for certain. Not for sorting or choosing
//! them.

use serde::{Deserialize, Serialize};

use super::{AuditRow, ENVELOPE_BYTES_MAX, SessionRow, UserRow};

/// More rows than this do not stand on one page, however short they are.
pub const ROWS_MAX: usize = 200;

/// What all rows of a page may weigh; the rest of a response is for what stands around them.
const WEIGHT_MAX: usize = ENVELOPE_BYTES_MAX - 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows<T> {
    pub rows: Vec<T>,
    /// Whether more rows follow: ask again with `after` = the last row of this page.
    pub more: bool,
}

/// A row knows how many bytes it can take on any wire.
pub trait Row {
    fn weight_max(&self) -> usize;
}

impl<T: Row> Rows<T> {
    /// Takes rows in their order until the page is full. The first row always fits, since its names
    /// have limits.
    pub fn fill(rows: impl IntoIterator<Item = T>) -> Self {
        let mut page = Self {
            rows: Vec::new(),
            more: false,
        };
        let mut weight = 0;
        for row in rows {
            weight += row.weight_max();
            if page.rows.len() == ROWS_MAX || (weight > WEIGHT_MAX && !page.rows.is_empty()) {
                page.more = true;
                break;
            }
            page.rows.push(row);
        }
        page
    }
}

/// A byte of text becomes at most six bytes of JSON (`\u001f`).
const ESCAPED: usize = 6;
/// The names of the fields, numbers, booleans, quotes and commas of any row.
const FRAME: usize = 256;

impl Row for UserRow {
    fn weight_max(&self) -> usize {
        FRAME + ESCAPED * self.user.as_str().len() + self.availability.len()
    }
}

impl Row for SessionRow {
    fn weight_max(&self) -> usize {
        let peer = self.peer.as_ref().map_or(0, String::len);
        let texts = self.session.as_str().len() + self.user.as_str().len() + self.resource.len();
        FRAME + ESCAPED * (texts + peer + self.availability.len())
    }
}

impl Row for AuditRow {
    fn weight_max(&self) -> usize {
        let texts = self.caller.len() + self.operation.len() + self.fields.len();
        FRAME + ESCAPED * (texts + self.result.len()) + self.hash.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::UserName;

    fn user(name: String) -> UserRow {
        let user = UserName::new(name).unwrap();
        UserRow {
            user,
            is_administrator: false,
            is_disabled: false,
            availability: "unavailable".to_owned(),
            session_count: 0,
            offline_count: 0,
        }
    }

    #[test]
    fn a_short_list_is_one_page() {
        let page = Rows::fill((0..3).map(|n| user(format!("user{n}"))));
        assert_eq!(page.rows.len(), 3);
        assert!(!page.more);
    }

    #[test]
    fn a_page_ends_by_count_and_by_weight() {
        let page = Rows::fill((0..1000).map(|n| user(format!("u{n}"))));
        assert_eq!(page.rows.len(), ROWS_MAX);
        assert!(page.more);
        let page = Rows::fill((0..1000).map(|n| user(format!("{}{n}", "x".repeat(2000)))));
        assert!(page.more);
        assert!(
            !page.rows.is_empty() && page.rows.len() < 10,
            "{}",
            page.rows.len()
        );
    }

    #[test]
    fn exactly_full_is_not_more() {
        let page = Rows::fill((0..ROWS_MAX).map(|n| user(format!("u{n}"))));
        assert_eq!(page.rows.len(), ROWS_MAX);
        assert!(!page.more);
    }
}
