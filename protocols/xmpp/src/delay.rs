//! XEP-0203: Delayed Delivery, with the timestamps of XEP-0082. Not for clocks: instants come in as
//! milliseconds.

use pollux_domain::jid::Jid;
use pollux_xml::{Element, Text};

use crate::ns;

/// When a stanza was originally sent, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    pub from: Option<Jid>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub stamp_ms: u64,
    pub reason: Option<Text>,
}

impl Delay {
    pub fn to_element(&self) -> Element {
        let delay = Element::new(ns::DELAY, "delay")
            .attr_opt(
                "from",
                self.from.as_ref().map(|jid| jid.as_str().to_owned()),
            )
            .attr("stamp", format_timestamp(self.stamp_ms));
        match &self.reason {
            Some(reason) => delay.text(reason),
            None => delay,
        }
    }

    /// None for another element, and for one whose time cannot be read.
    pub fn from_element(element: &Element) -> Option<Delay> {
        if !element.is(ns::DELAY, "delay") {
            return None;
        }
        Some(Delay {
            from: element
                .attribute("from")
                .and_then(|from| Jid::parse(from).ok()),
            stamp_ms: parse_timestamp(element.attribute("stamp")?)?,
            reason: Some(element.text_content()).filter(|text| !text.is_empty()),
        })
    }
}

const DAY_MS: u64 = 86_400_000;

/// XEP-0082 section 3.2: the DateTime profile in UTC, with milliseconds where there are any. Beyond
/// the year 9999 it stays at the last instant that the profile can say.
pub fn format_timestamp(stamp_ms: u64) -> String {
    const LAST_MS: u64 = 253_402_300_799_999;
    let stamp_ms = stamp_ms.min(LAST_MS);
    let (days, ms) = (stamp_ms / DAY_MS, stamp_ms % DAY_MS);
    let (year, month, day) = date(days as i64);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, fraction) = (ms / 1000 % 60, ms % 1000);
    let time = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction == 0 {
        time + "Z"
    } else {
        format!("{time}.{fraction:03}Z")
    }
}

/// Reads the DateTime profile; instants before 1970 are none.
pub fn parse_timestamp(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (
        number(date.next()?, 4)?,
        number(date.next()?, 2)?,
        number(date.next()?, 2)?,
    );
    // XEP-0082 section 3.1: the zone is Z or (+|-)hh:mm.
    let (time, offset_min) = match time.split_once(['Z', '+', '-']) {
        Some((clock, "")) if time.ends_with('Z') => (clock, 0),
        Some((clock, zone)) if !time.contains('Z') => {
            let (hours, minutes) = zone.split_once(':')?;
            let offset = number(hours, 2)?.checked_mul(60)? + number(minutes, 2)?;
            (clock, if time.contains('-') { -offset } else { offset })
        }
        _ => return None,
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':');
    let (hour, minute, second) = (
        number(time.next()?, 2)?,
        number(time.next()?, 2)?,
        number(time.next()?, 2)?,
    );
    let is_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if date.next().is_some() || time.next().is_some() || !is_digits || !in_range {
        return None;
    }
    let ms: i64 = format!("{fraction}00").get(..3)?.parse().ok()?;
    let minutes = days(year, month, day) * 1440 + hour * 60 + minute - offset_min;
    u64::try_from((minutes * 60 + second) * 1000 + ms).ok()
}

/// So many digits and nothing else.
fn number(text: &str, len: usize) -> Option<i64> {
    let is_right = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    is_right.then(|| text.parse().ok()).flatten()
}

// Years begin in March here, so that the leap day is the last of the year; 400 of them have 146,097
// days, and 1970-01-01 is day 719,468 from the first of March of the year 0.

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    let year = era * 400 + year_of_era + i64::from(is_next_year);
    (year, if is_next_year { month - 9 } else { month + 3 }, day)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_those_of_xep_0082() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_031_699_305_000, "2002-09-10T23:08:25Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format_timestamp(ms), text);
            assert_eq!(parse_timestamp(text), Some(ms), "{text}");
        }
        assert_eq!(format_timestamp(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(parse_timestamp("1969-07-21T02:56:15Z"), None);
        assert_eq!(parse_timestamp("1970-01-01T01:00:00.5+01:00"), Some(500));
        assert_eq!(parse_timestamp("1969-12-31T23:00:00-01:00"), Some(0));
        for wrong in [
            "",
            "T",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-13-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00ZZ",
            "+970-01-01T00:00:00Z",
            "1970-01-01T00:00:00+1:00",
        ] {
            assert_eq!(parse_timestamp(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_day_comes_back() {
        for day in 0..100_000 {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }

    #[test]
    fn written_and_read() {
        let delay = Delay {
            from: Some(Jid::parse("capulet.com").unwrap()),
            stamp_ms: 1_031_699_305_000,
            reason: Some("Offline Storage".into()),
        };
        let element = delay.to_element();
        assert_eq!(
            element.to_bytes(ns::CLIENT),
            "<delay xmlns='urn:xmpp:delay' from='capulet.com' \
             stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>"
        );
        assert_eq!(Delay::from_element(&element), Some(delay));
    }
}
