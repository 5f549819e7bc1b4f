//! "Linearizable are writes, and reads that the owner answers under its lease (probes, contact
//! lists, subscriptions)." (design, section 5) What a contact list says of a subscription is what
//! was said about it before.
//!
//! The object is one direction between two users: the watcher sees the watched or not, or has
//! asked. Both may change it. Users of one group share it: one entry changes both lists. Users of
//! two groups have a half each, as between two servers: what the other one says is heard in its
//! order, at any time after it was said, or never (it may change nothing over there, and is then
//! not passed on); and a server may grant a request once in its user's name. A grant that answers
//! no request answers the next one, until it is taken back (RFC 6121 section 3.4): the half of the
//! watched one knows that, and the other's does not. Not judged: that the halves agree (`wellness`
//! waits until they do), pushes and the words that are shown to clients.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::subscription::SubscriptionRequest;

use crate::sim::history::{Fact, History};
use crate::sim::linear::{self, Act, Operation};

/// The values of a direction.
const NOTHING: u64 = 0;
const ASKED: u64 = 1;
const SEES: u64 = 2;
/// Beside each of them: the next request is granted.
const APPROVED: u64 = 4;

/// What is done to one direction, or to one half of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Say(SubscriptionRequest),
    /// What the watched one has said is heard in the watcher's half.
    Hear(SubscriptionRequest),
    /// The watcher's list.
    Read {
        sees: bool,
        has_asked: bool,
    },
    /// The watched one's list, which does not show whether a request waits.
    ReadByWatched {
        is_seen: bool,
    },
}

impl Act for Deed {
    /// RFC 6121 appendix A, one direction of it.
    fn on(self, value: u64) -> Option<u64> {
        use SubscriptionRequest::{Subscribe, Subscribed, Unsubscribe, Unsubscribed};
        let (stands, approved) = (value & !APPROVED, value & APPROVED);
        match self {
            Deed::Say(Subscribe) if approved != 0 => Some(SEES | approved),
            Deed::Say(Subscribe) => Some(stands.max(ASKED)),
            Deed::Say(Subscribed) | Deed::Hear(Subscribed) if stands == ASKED => {
                Some(SEES | approved)
            }
            Deed::Say(Subscribed) if stands == NOTHING => Some(APPROVED),
            Deed::Say(Unsubscribe) => Some(approved),
            Deed::Say(Unsubscribed) | Deed::Hear(Unsubscribed) => Some(NOTHING),
            Deed::Say(Subscribed) | Deed::Hear(_) => Some(value),
            Deed::Read { sees, has_asked } => {
                let is_so = sees == (stands == SEES) && has_asked == (stands == ASKED);
                is_so.then_some(value)
            }
            Deed::ReadByWatched { is_seen } => (is_seen == (stands == SEES)).then_some(value),
        }
    }

    fn is_read(self) -> bool {
        matches!(self, Deed::Read { .. } | Deed::ReadByWatched { .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Watcher,
    Watched,
}

/// Watcher, watched, whose half; the watcher's stands for both in one group.
type Object = (usize, usize, Side);

/// A history by its objects.
#[derive(Default)]
struct Account<'a> {
    objects: BTreeMap<Object, Vec<Operation<Deed>>>,
    /// Where the operation of a word stands.
    words: BTreeMap<&'a str, (Object, usize)>,
    asked: BTreeMap<&'a str, Duration>,
    /// Directions of which each side has a half.
    abroad: std::collections::BTreeSet<(usize, usize)>,
}

pub fn check(history: &History) -> Result<(), String> {
    for ((watcher, watched, side), operations) in account(history).objects {
        linear::check(NOTHING, &operations).map_err(|what| {
            format!("what person{watcher} sees of person{watched}, half of the {side:?}: {what}")
        })?;
    }
    Ok(())
}

/// Reads that were answered, of somebody about whom something had been said.
pub fn count_reads(history: &History) -> usize {
    let entries = history.entries.iter();
    let later = entries.skip_while(|entry| !matches!(entry.fact, Fact::Said { .. }));
    let reads = later.filter(|entry| matches!(entry.fact, Fact::Relation { .. }));
    reads.count()
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
            Fact::Said {
                who,
                to,
                id,
                request,
                abroad,
            } => self.say(at, (*who, *to), id, *request, *abroad),
            Fact::Acknowledged { id, .. } => {
                if let Some((object, index)) = self.words.get(id.as_str())
                    && let Some(operations) = self.objects.get_mut(object)
                {
                    operations[*index].ended = Some(at);
                }
            }
            Fact::Asked { id, .. } => {
                self.asked.insert(id, at);
            }
            Fact::Relation {
                who,
                of,
                id,
                sees,
                has_asked,
                is_seen,
            } => {
                let Some(begun) = self.asked.get(id.as_str()).copied() else {
                    return;
                };
                let (sees, has_asked, is_seen) = (*sees, *has_asked, *is_seen);
                let read = |deed| operation(begun, Some(at), deed, None);
                let own = read(Deed::Read { sees, has_asked });
                self.add((*who, *of), Side::Watcher, own);
                self.add(
                    (*of, *who),
                    Side::Watched,
                    read(Deed::ReadByWatched { is_seen }),
                );
            }
            _ => {}
        }
    }

    fn say(
        &mut self,
        at: Duration,
        (who, to): (usize, usize),
        id: &'a str,
        request: SubscriptionRequest,
        abroad: bool,
    ) {
        use SubscriptionRequest::{Subscribe, Subscribed, Unsubscribe};
        let (direction, mine, other) = match request {
            Subscribe | Unsubscribe => ((who, to), Side::Watcher, Side::Watched),
            _ => ((to, who), Side::Watched, Side::Watcher),
        };
        if abroad {
            self.abroad.insert(direction);
        }
        let line = Some(who as u8);
        let said = operation(at, None, Deed::Say(request), line);
        let place = self.add(direction, mine, said);
        self.words.insert(id, place);
        if abroad {
            let deed = match other {
                Side::Watcher => Deed::Hear(request),
                Side::Watched => Deed::Say(request),
            };
            self.add(direction, other, operation(at, None, deed, line));
            if request == Subscribe {
                let granted = operation(at, None, Deed::Hear(Subscribed), None);
                self.add(direction, Side::Watcher, granted);
            }
        }
    }

    fn add(
        &mut self,
        direction: (usize, usize),
        side: Side,
        operation: Operation<Deed>,
    ) -> (Object, usize) {
        let side = match self.abroad.contains(&direction) {
            true => side,
            false => Side::Watcher,
        };
        let object = (direction.0, direction.1, side);
        let operations = self.objects.entry(object).or_default();
        operations.push(operation);
        (object, operations.len() - 1)
    }
}

fn operation(
    begun: Duration,
    ended: Option<Duration>,
    deed: Deed,
    line: Option<u8>,
) -> Operation<Deed> {
    Operation {
        begun,
        ended,
        deed,
        line,
    }
}

#[cfg(test)]
mod tests {
    use SubscriptionRequest::{Subscribe, Subscribed, Unsubscribe, Unsubscribed};

    use super::*;

    /// One line of a planted history; times are milliseconds.
    #[derive(Clone, Copy)]
    enum Line {
        /// When, who, what, and when it was acknowledged (0: never).
        Says(u64, usize, SubscriptionRequest, u64),
        /// Person 0 asks and is answered: sees person 1, has asked.
        Reads(u64, u64, bool, bool),
        /// Person 1 asks and is answered: is seen by person 0.
        Watched(u64, u64, bool),
    }

    fn history(lines: &[Line], abroad: bool) -> History {
        let mut facts: Vec<(u64, Fact)> = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let id = number.to_string();
            let relation = |who: usize, sees, has_asked, is_seen| Fact::Relation {
                who,
                of: who ^ 1,
                id: id.clone(),
                sees,
                has_asked,
                is_seen,
            };
            let asked = |who| Fact::Asked {
                who,
                id: id.clone(),
                deed: linear::Deed::Read(0),
            };
            match *line {
                Line::Says(at, who, request, acknowledged) => {
                    let (id, to) = (id.clone(), who ^ 1);
                    let said = Fact::Said {
                        who,
                        to,
                        id: id.clone(),
                        request,
                        abroad,
                    };
                    facts.push((at, said));
                    if acknowledged != 0 {
                        facts.push((acknowledged, Fact::Acknowledged { who, id }));
                    }
                }
                Line::Reads(begun, ended, sees, has_asked) => {
                    facts.push((begun, asked(0)));
                    facts.push((ended, relation(0, sees, has_asked, false)));
                }
                Line::Watched(begun, ended, is_seen) => {
                    facts.push((begun, asked(1)));
                    facts.push((ended, relation(1, false, false, is_seen)));
                }
            }
        }
        facts.sort_by_key(|(at, _)| *at);
        let mut history = History::default();
        for (at, fact) in facts {
            history.add_at(Duration::from_millis(at), fact);
        }
        history
    }

    use Line::{Reads, Says, Watched};

    const ASKS: Line = Says(1, 0, Subscribe, 2);
    const GRANTS: Line = Says(3, 1, Subscribed, 4);

    /// A name, what happened, and whether it may: in one group, between two.
    type Case = (&'static str, &'static [Line], bool, bool);

    const CASES: &[Case] = &[
        (
            "asked and seen",
            &[
                ASKS,
                Reads(2, 3, false, true),
                GRANTS,
                Reads(5, 6, true, false),
                Watched(5, 6, true),
            ],
            true,
            true,
        ),
        (
            "the own word is forgotten",
            &[ASKS, Reads(5, 6, false, false)],
            false,
            false,
        ),
        (
            "the own word is forgotten by the other",
            &[ASKS, GRANTS, Watched(5, 6, false)],
            false,
            true,
        ),
        (
            "the other's word has not come",
            &[ASKS, GRANTS, Reads(5, 6, false, true)],
            false,
            true,
        ),
        (
            "the other's word comes and goes",
            &[
                ASKS,
                GRANTS,
                Reads(5, 6, true, false),
                Reads(7, 8, false, true),
            ],
            false,
            false,
        ),
        (
            "a grant that nobody gave",
            &[ASKS, Reads(5, 6, true, false), Watched(5, 6, true)],
            false,
            false,
        ),
        (
            "a server grants again in its user's name",
            &[ASKS, Reads(5, 6, true, false)],
            false,
            true,
        ),
        (
            "given up and still there",
            &[
                ASKS,
                GRANTS,
                Says(5, 0, Unsubscribe, 6),
                Reads(7, 8, true, false),
            ],
            false,
            false,
        ),
        (
            "given up, and the grant is late",
            &[
                ASKS,
                Says(3, 1, Subscribed, 0),
                Says(5, 0, Unsubscribe, 6),
                Reads(7, 8, true, false),
            ],
            false,
            false,
        ),
        (
            "cancelled and still shown",
            &[
                ASKS,
                GRANTS,
                Says(5, 1, Unsubscribed, 6),
                Watched(7, 8, true),
            ],
            false,
            false,
        ),
        (
            "cancelled and still seen",
            &[
                ASKS,
                GRANTS,
                Says(5, 1, Unsubscribed, 6),
                Reads(7, 8, true, false),
            ],
            false,
            true,
        ),
        (
            "cancelled, not cancelled",
            &[
                ASKS,
                GRANTS,
                Says(5, 1, Unsubscribed, 6),
                Reads(7, 8, false, false),
                Reads(9, 10, true, false),
            ],
            false,
            false,
        ),
        (
            "a cancellation that changed nothing over there",
            &[
                Says(1, 0, Subscribe, 2),
                Says(3, 1, Unsubscribed, 4),
                Says(5, 1, Subscribed, 6),
                Reads(7, 8, true, false),
            ],
            false,
            true,
        ),
        (
            "what was not acknowledged was done",
            &[
                ASKS,
                Says(3, 1, Subscribed, 0),
                Reads(5, 6, false, true),
                Reads(7, 8, true, false),
            ],
            true,
            true,
        ),
        (
            "granted before it was asked",
            &[
                Says(1, 1, Subscribed, 2),
                Reads(2, 3, false, false),
                Says(3, 0, Subscribe, 4),
                Reads(5, 6, true, false),
                Watched(5, 6, true),
            ],
            true,
            true,
        ),
        (
            "a grant in advance is forgotten",
            &[
                Says(1, 1, Subscribed, 2),
                Says(3, 0, Subscribe, 4),
                Reads(5, 6, false, true),
            ],
            false,
            true,
        ),
        (
            "a grant in advance is taken back",
            &[
                Says(1, 1, Subscribed, 2),
                Says(3, 1, Unsubscribed, 4),
                Says(5, 0, Subscribe, 6),
                Watched(7, 8, true),
            ],
            false,
            false,
        ),
        (
            "one watches, the other reads at once",
            &[
                ASKS,
                Says(3, 1, Subscribed, 9),
                Reads(4, 8, true, false),
                Watched(4, 8, false),
            ],
            true,
            true,
        ),
    ];

    #[test]
    fn planted_histories_are_judged() {
        for (name, lines, in_one, between) in CASES {
            for (abroad, good) in [(false, *in_one), (true, *between)] {
                let judged = check(&history(lines, abroad));
                assert_eq!(judged.is_ok(), good, "{name}, abroad {abroad}: {judged:?}");
            }
        }
    }
}
