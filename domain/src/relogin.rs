//! Between which limits clients are to come back after a takeover, so that a node can take them
//! all: by the formula of Cisco Unified Presence, and by its tables. Not for letting them in: see
//! `turns`.

use serde::{Deserialize, Serialize};

/// Seconds that clients wait at least and at most; each waits for a time of its own between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    pub lower_seconds: u64,
    pub upper_seconds: u64,
}

/// All 128 published rows are exactly this, with 120 s and one rate a profile.
pub fn spread(lower_seconds: u64, users: u64, sign_ins_a_second: f64) -> Spread {
    let rate = sign_ins_a_second.max(RATE_MIN);
    let upper = lower_seconds as f64 + users as f64 / rate + 0.5;
    Spread {
        lower_seconds,
        upper_seconds: upper as u64,
    }
}

/// A node that manages fewer is not one.
const RATE_MIN: f64 = 0.1;

/// The delay of a critical service that all tables assume.
const LOWER_SECONDS: u64 = 120;

/// Whether the nodes of a pair serve users each, or one of them serves all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    ActiveActive,
    ActiveStandby,
}

/// Of the full product, active/active and then active/standby: sign-ins a second, rows by users.
/// The rows of one profile end where those of the next begin.
const PROFILES: [(f64, &[u64], f64, &[u64]); 6] = [
    (1.5, &[100, 250], 1.5, &[100, 250, 500]),
    (3.0, &[100, 250, 500], 3.0, &[100, 250, 500, 750, 1_000]),
    (3.0, &[100, 500, 1_000], 3.0, &[1_250, 1_500, 1_750, 2_000]),
    (
        6.0,
        &[1_500, 2_000, 2_500],
        6.0,
        &[2_500, 3_000, 3_500, 4_000, 4_500, 5_000],
    ),
    (
        15.0,
        &[3_000, 3_500, 4_000, 4_500, 5_000, 6_000, 7_000, 7_500],
        15.0,
        &[6_000, 7_000, 8_000, 9_000, 10_000, 15_000],
    ),
    (
        9.0,
        &[8_000, 9_000, 10_000, 12_500],
        16.0,
        &[20_000, 25_000],
    ),
];

/// What Cisco's tables say for the smallest machine that takes so many users: rounded up to the
/// next row, as the guide has it. None: more than any of its machines takes.
pub fn by_cisco(users: u64, sharing: Sharing) -> Option<Spread> {
    PROFILES
        .iter()
        .find_map(|(rate, rows, standby_rate, standby_rows)| {
            let (rate, rows) = match sharing {
                Sharing::ActiveActive => (rate, rows),
                Sharing::ActiveStandby => (standby_rate, standby_rows),
            };
            let row = rows.iter().find(|row| users <= **row)?;
            Some(spread(LOWER_SECONDS, *row, *rate))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples and the greatest rows of the published tables.
    #[test]
    fn the_formula_gives_the_published_rows() {
        for (users, rate, upper) in [
            (100, 15.0, 127),
            (500, 15.0, 153),
            (1_000, 15.0, 187),
            (2_000, 15.0, 253),
            (3_000, 15.0, 320),
            (4_000, 15.0, 387),
            (5_000, 15.0, 453),
            (6_000, 15.0, 520),
            (10_000, 15.0, 787),
            (250, 1.5, 287),
            (500, 1.5, 453),
            (500, 3.0, 287),
            (1_000, 3.0, 453),
            (2_000, 3.0, 787),
            (2_500, 6.0, 537),
            (5_000, 6.0, 953),
            (7_500, 15.0, 620),
            (15_000, 15.0, 1_120),
            (1_000, 9.0, 231),
            (5_000, 9.0, 676),
            (10_000, 9.0, 1_231),
            (12_500, 9.0, 1_509),
            (1_000, 16.0, 183),
            (5_000, 16.0, 433),
            (10_000, 16.0, 745),
            (20_000, 16.0, 1_370),
            (25_000, 16.0, 1_683),
        ] {
            let given = spread(120, users, rate);
            assert_eq!(given.upper_seconds, upper, "{users} at {rate}");
            assert_eq!(given.lower_seconds, 120);
        }
    }

    #[test]
    fn the_smallest_machine_and_the_next_row_count() {
        use Sharing::{ActiveActive, ActiveStandby};
        let check = |users, sharing, upper| {
            let given = by_cisco(users, sharing).map(|spread| spread.upper_seconds);
            assert_eq!(given, upper, "{users} {sharing:?}");
        };
        check(0, ActiveActive, Some(187));
        check(101, ActiveActive, Some(287));
        check(251, ActiveActive, Some(287));
        check(2_500, ActiveActive, Some(537));
        check(7_500, ActiveActive, Some(620));
        check(12_500, ActiveActive, Some(1_509));
        check(12_501, ActiveActive, None);
        check(2_000, ActiveStandby, Some(787));
        check(4_999, ActiveStandby, Some(953));
        check(10_001, ActiveStandby, Some(1_120));
        check(25_000, ActiveStandby, Some(1_683));
        check(25_001, ActiveStandby, None);
    }

    #[test]
    fn a_node_that_has_managed_nothing_still_gives_a_number() {
        assert_eq!(spread(5, 100, 0.0).upper_seconds, 1_005);
        assert_eq!(spread(5, 15_000, 1_000.0).upper_seconds, 20);
    }
}
