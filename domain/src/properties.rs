//! What must hold for any text that is to be an address or a setting; the fuzz targets and the
//! seeded tests check the same. Not for examples: see the tests of each module.

use crate::jid::{BareJid, JID_BYTES_MAX, Jid, PART_BYTES_MAX};
use crate::settings::{Settings, descriptions};

/// What is an address is one again, and the same; its parts are within their limits and make it up
/// (RFC 7622 section 3).
pub fn check_jid(text: &str) {
    let Ok(jid) = Jid::parse(text) else {
        assert!(BareJid::parse(text).is_err(), "bare, and no address");
        return;
    };
    assert_eq!(
        Jid::parse(jid.as_str()),
        Ok(jid.clone()),
        "preparation is final"
    );
    assert!(jid.as_str().len() <= JID_BYTES_MAX);
    let parts = [jid.local(), Some(jid.domain()), jid.resource()];
    for part in parts.into_iter().flatten() {
        assert!((1..=PART_BYTES_MAX).contains(&part.len()), "{part:?}");
    }
    let local = jid
        .local()
        .map(|local| format!("{local}@"))
        .unwrap_or_default();
    let resource = jid.resource().map(|resource| format!("/{resource}"));
    let bare = format!("{local}{}", jid.domain());
    assert_eq!(jid.bare_str(), bare);
    assert_eq!(
        jid.as_str(),
        format!("{bare}{}", resource.unwrap_or_default())
    );
    let parsed = BareJid::parse(&bare).map(|bare| bare.as_str().to_owned());
    assert_eq!(parsed, Ok(bare), "an address without its resource is one");
}

/// `NAME=VALUE`, as a person writes it: taken, shown and taken again it is the same; refused it
/// changes nothing, and says why in one line.
pub fn check_setting(text: &str) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let mut settings = Settings::default();
    if let Err(mistake) = settings.set(name, Some(value)) {
        assert_eq!(settings, Settings::default(), "refused, and set");
        assert_eq!(mistake.name, name);
        assert!(!mistake.text.is_empty());
        return;
    }
    let known = descriptions();
    let index = known.iter().position(|one| one.name == name);
    let shown = settings.shown().swap_remove(index.expect("it was taken"));
    let mut again = Settings::default();
    assert_eq!(
        again.set(name, Some(&shown)),
        Ok(()),
        "shown, and not taken"
    );
    assert_eq!(again, settings);
    assert_eq!(again.set(name, None), Ok(()));
    assert_eq!(again, Settings::default());
}

/// A seed text with some characters changed, cut out, doubled, or with pieces of others put in.
/// The same number gives the same text.
pub fn mutated(number: u64, seeds: &[&str]) -> String {
    let mut dice = Dice(number);
    let mut text: Vec<char> = seeds[dice.below(seeds.len())].chars().collect();
    for _ in 0..dice.below(5) {
        let at = dice.below(text.len() + 1);
        let end = (at + dice.below(20)).min(text.len());
        match dice.below(5) {
            0 if at < text.len() => text[at] = ODD[dice.below(ODD.len())],
            1 => drop(text.drain(at..end)),
            2 => {
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            3 => {
                let other: Vec<char> = seeds[dice.below(seeds.len())].chars().collect();
                let from = dice.below(other.len().max(1)).min(other.len());
                drop(text.splice(at..at, other[from..].iter().copied().take(30)));
            }
            _ => text.insert(at, ODD[dice.below(ODD.len())]),
        }
    }
    text.into_iter().collect()
}

/// Where grammars of texts break.
const ODD: &[char] = &[
    '@',
    '/',
    '.',
    '=',
    '[',
    ']',
    ':',
    '#',
    '"',
    '\'',
    '\\',
    ' ',
    '\n',
    '\r',
    '\t',
    '\0',
    '-',
    '_',
    '0',
    '9',
    'A',
    'z',
    '&',
    '<',
    '>',
    '{',
    '}',
    ',',
    '\u{7f}',
    '\u{df}',
    '\u{e9}',
    '\u{301}',
    '\u{130}',
    '\u{2126}',
    '\u{3002}',
    '\u{200d}',
    '\u{5d0}',
    '\u{660}',
    '\u{fb01}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '\u{1f600}',
    '\u{10ffff}',
];

/// A generator with nothing but its seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// A number below this one; 0 where it is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JIDS: &[&str] = &[
        "juliet@example.com/foo bar",
        "foo\\20bar@example.com",
        "fu\u{df}ball@example.com/\u{1f600}",
        "\u{3c0}@xn--bcher-kva.example",
        "henry\u{2163}@\u{6771}\u{4eac}.example/\u{5d0}\u{5d1}",
        "[2001:db8::1]",
        "192.0.2.1/a@b/c",
        "a@b.c.",
    ];

    const SETTINGS: &[&str] = &[
        "client.bytes-a-second=1048576",
        "client.bytes-a-second=unlimited",
        "sign-in.plain=on",
        "messages.forking-seconds=10",
        "messages.offline-max=10000",
        "sign-in.lockout-account-failures=18446744073709551616",
    ];

    /// So many rounds take about a second; the fuzz targets go on for longer.
    const ROUNDS: u64 = 30_000;

    #[track_caller]
    fn keep(seeds: &[&str], check: fn(&str)) {
        for number in 0..ROUNDS {
            let text = mutated(number, seeds);
            let kept = std::panic::catch_unwind(|| check(&text));
            assert!(kept.is_ok(), "number {number}: {text:?}");
        }
    }

    #[test]
    fn mutated_addresses_keep_the_properties() {
        keep(JIDS, check_jid);
        let long = "\u{e9}".repeat(PART_BYTES_MAX / 2);
        let long = format!("{long}@{}.example/{long}", "a".repeat(63));
        keep(&[&long, "a@b/c"], check_jid);
    }

    #[test]
    fn mutated_settings_keep_the_properties() {
        keep(SETTINGS, check_setting);
    }

    #[test]
    fn seeds_and_their_mutations_are_of_both_kinds() {
        let taken = |number: &u64| Jid::parse(&mutated(*number, JIDS)).is_ok();
        let count = (0..ROUNDS).filter(taken).count() as u64;
        assert!(ROUNDS / 10 < count && count < ROUNDS * 9 / 10, "{count}");
        assert_eq!(mutated(7, JIDS), mutated(7, JIDS));
    }
}
