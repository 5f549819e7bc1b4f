//! "Linearizable are writes, and reads that the owner answers under its lease (probes, …)."
//! (design, section 5) A session that begins or goes on is told what a probe would say (RFC 6121
//! section 4.3): the first that it hears of a contact's device is what that device said last, or
//! something newer.
//!
//! The object is a device's availability, by the number that is in its status; the device alone
//! writes it. Not judged: contacts of another group, whose availability comes by lines and is a
//! copy; later announcements, which come when they come; runs in which sessions end; and probes
//! that clients send, which this server leaves to servers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::sim::history::{Fact, History, parse_presence};
use crate::sim::linear::{self, Deed, Operation};

/// The operations of a history by the person whose device it is.
#[derive(Default)]
struct Account<'a> {
    devices: BTreeMap<usize, Vec<Operation>>,
    words: BTreeMap<&'a str, (usize, usize)>,
    /// When a person began to come, and whether it is there.
    coming: BTreeMap<usize, (Duration, bool)>,
    reads: usize,
}

pub fn check(history: &History) -> Result<(), String> {
    for (who, operations) in account(history).devices {
        linear::check(0, &operations)
            .map_err(|what| format!("the availability of person{who}: {what}"))?;
    }
    Ok(())
}

/// Sessions that began or went on and heard of a contact.
pub fn count_reads(history: &History) -> usize {
    account(history).reads
}

fn account(history: &History) -> Account<'_> {
    let mut account = Account::default();
    for entry in &history.entries {
        account.take(entry.at, &entry.fact);
    }
    account
}

impl<'a> Account<'a> {
    fn take(&mut self, at: Duration, fact: &'a Fact) {
        match fact {
            Fact::Comes { who } => {
                self.coming.insert(*who, (at, false));
            }
            Fact::Bound { who } | Fact::Resumed { who, .. } => {
                if let Some((_, is_there)) = self.coming.get_mut(who) {
                    *is_there = true;
                }
            }
            Fact::Shown { who, of, number } => {
                if let Some((begun, true)) = self.coming.get(who).copied() {
                    self.coming.remove(who);
                    self.reads += 1;
                    self.add(*of, operation(begun, Some(at), Deed::Read(*number), None));
                }
            }
            Fact::Sent { who, id } => {
                if let Some(number) = parse_presence(id) {
                    let said = operation(at, None, Deed::Write(number), Some(0));
                    let index = self.add(*who, said);
                    self.words.insert(id, (*who, index));
                }
            }
            Fact::Acknowledged { id, .. } => {
                if let Some((who, index)) = self.words.get(id.as_str())
                    && let Some(operations) = self.devices.get_mut(who)
                {
                    operations[*index].ended = Some(at);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, of: usize, operation: Operation) -> usize {
        let operations = self.devices.entry(of).or_default();
        operations.push(operation);
        operations.len() - 1
    }
}

fn operation(begun: Duration, ended: Option<Duration>, deed: Deed, line: Option<u8>) -> Operation {
    Operation {
        begun,
        ended,
        deed,
        line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(number: u64) -> Fact {
        Fact::Sent {
            who: 1,
            id: format!("p1-{number}"),
        }
    }

    fn acknowledged(number: u64) -> Fact {
        Fact::Acknowledged {
            who: 1,
            id: format!("p1-{number}"),
        }
    }

    fn shown(number: u64) -> Fact {
        let (who, of) = (0, 1);
        Fact::Shown { who, of, number }
    }

    const COMES: Fact = Fact::Comes { who: 0 };
    const RESUMED: Fact = Fact::Resumed {
        who: 0,
        h: 0,
        resent: 0,
    };

    #[test]
    fn planted_histories_are_judged() {
        let said = || vec![sent(1), acknowledged(1), sent(2), acknowledged(2)];
        let told = |number| [COMES, RESUMED, shown(number)];
        let with = |more: &[Fact]| [said(), more.to_vec()].concat();
        let cases = [
            ("what it said last", with(&told(2)), true),
            ("what it said before", with(&told(1)), false),
            ("what it never said", with(&told(3)), false),
            (
                "something newer",
                with(&[COMES, RESUMED, sent(3), shown(3)]),
                true,
            ),
            (
                "not yet acknowledged",
                with(&[&[sent(3)][..], &told(2)].concat()),
                true,
            ),
            (
                "there and gone",
                with(&[&[sent(3)][..], &told(3), &told(2)].concat()),
                false,
            ),
            (
                "later announcements come when they come",
                with(&[&told(2)[..], &[sent(3), acknowledged(3), shown(2)]].concat()),
                true,
            ),
            (
                "told before the session goes on",
                with(&[COMES, shown(1)]),
                true,
            ),
        ];
        for (name, facts, good) in cases {
            let mut history = History::default();
            for (at, fact) in (1..).zip(facts) {
                history.add_at(Duration::from_millis(at), fact);
            }
            let judged = check(&history);
            assert_eq!(judged.is_ok(), good, "{name}: {judged:?}");
        }
    }
}
