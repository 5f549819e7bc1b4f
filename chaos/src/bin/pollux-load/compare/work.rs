//! What is compared: each work, who does it, its figures, and what they shall be. Not how it is
//! driven: see measure.

use clap::ValueEnum;
use serde::Serialize;

use super::contestant::Contestant::{self, *};

/// One thing that all servers do alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Messages between pairs in a closed loop, without stream management
    Messages,
    /// The same with stream management
    MessagesSm,
    /// Messages at 1,000 a second, without stream management: how long they take
    Latency,
    /// The same with stream management
    LatencySm,
    /// Sign-ins, plain
    SignIn,
    /// Sign-ins with STARTTLS and a full handshake
    SignInTls,
    /// Idle sessions, plain
    Idle,
    /// Idle sessions in TLS
    IdleTls,
    /// Messages to people who are away: stored, then delivered
    Offline,
    /// All sign in at once when the listener is back
    Storm,
    /// Changes of availability, in a closed loop
    Availability,
    /// The same at 1,000 deliveries a second: how long they take
    AvailabilityRate,
    /// A sign-in with a contact list of 1,000
    ContactList,
    /// A sign-in of a user with 200 contacts, of whom half are there
    SignInContacts,
    /// Messages to users with ten devices, each of which gets them
    Forking,
    /// Messages to one of ten devices, the others with carbons
    Carbons,
    /// A pair against a cluster: messages in a closed loop, CPU of all processes
    Pair,
    /// A pair against a cluster: messages at 1,000 a second, CPU of all processes
    PairRate,
}

/// The unit of what the kernel counts for a server's processes.
const CPU: &str = "CPU ms";

/// One number of a work. All are better when they are smaller.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    pub key: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    /// Whose number is judged.
    pub judged: Contestant,
    pub reach: Option<Bound>,
    pub stretch: Option<f64>,
}

/// What a figure shall not exceed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    Fixed(f64),
    /// So many times the p99 of an empty commit to the disk in the same run, and so much more.
    Disk {
        times: f64,
        more: f64,
    },
    /// This part of what another one has.
    PartOf(Contestant, f64),
}

/// Who stands where in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    Peer,
    Pollux,
    Ceiling,
}

impl Work {
    pub fn all() -> Vec<Work> {
        Work::value_variants().to_vec()
    }

    /// In the order of the table, and in which they take turns.
    pub fn contestants(self) -> &'static [Contestant] {
        match self {
            Work::Messages => &[Prosody, Ejabberd, Early, Committed, Relay, Memory],
            Work::MessagesSm => &[
                Prosody, Ejabberd, Early, Undurable, Committed, Relay, Memory,
            ],
            Work::Latency => &[Prosody, Ejabberd, Early, Committed, Memory],
            Work::LatencySm => &[Prosody, Ejabberd, Committed],
            Work::Pair | Work::PairRate => &[Cluster, Committed, Pair],
            // The ceiling knows neither contact lists nor carbons.
            Work::ContactList | Work::SignInContacts | Work::Forking | Work::Carbons => {
                &[Prosody, Ejabberd, Committed]
            }
            _ => &[Prosody, Ejabberd, Committed, Memory],
        }
    }

    /// As it is chosen, and as its recordings are called.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Samples a second where it is recorded: primes, so that they beat with no timer. What is over
    /// when a given number is done takes some hundred milliseconds, and wants more of them.
    pub fn frequency(self) -> u32 {
        match self {
            Work::SignIn
            | Work::SignInTls
            | Work::Offline
            | Work::Storm
            | Work::ContactList
            | Work::SignInContacts => 4999,
            _ => 997,
        }
    }

    /// The figures that are CPU, which can be recorded. Of a storm it is that of one session.
    pub fn recorded(self) -> Vec<Figure> {
        let mut figures = self.figures();
        if self == Work::Storm {
            for figure in &mut figures {
                (figure.what, figure.unit) = ("a session of the storm", CPU);
                (figure.reach, figure.stretch) = (None, None);
            }
        }
        figures.retain(|figure| figure.unit == CPU);
        figures
    }

    pub fn figures(self) -> Vec<Figure> {
        let fixed = |reach| Some(Bound::Fixed(reach));
        let (cpu, ms, kib) = (CPU, "ms", "PSS KiB");
        let one = |key, what, unit, judged, reach, stretch| Figure {
            key,
            what,
            unit,
            judged,
            reach,
            stretch,
        };
        let closed = "a message, closed loop, without stream management";
        let closed_sm = "a message, closed loop, with stream management";
        let disk = Some(Bound::Disk {
            times: 2.0,
            more: 1.0,
        });
        let half = Some(Bound::PartOf(Cluster, 0.5));
        match self {
            Work::Messages => {
                let (reach, stretch) = (fixed(0.021), Some(0.013));
                vec![one("messages", closed, cpu, Early, reach, stretch)]
            }
            Work::MessagesSm => {
                let (reach, stretch) = (fixed(0.035), Some(0.022));
                vec![one(
                    "messages-sm",
                    closed_sm,
                    cpu,
                    Committed,
                    reach,
                    stretch,
                )]
            }
            Work::Latency => {
                let (p50, p99) = ("1,000 messages/s, p50", "1,000 messages/s, p99");
                vec![
                    one("latency-p50", p50, ms, Early, fixed(0.25), Some(0.15)),
                    one("latency-p99", p99, ms, Early, fixed(1.0), Some(0.5)),
                ]
            }
            Work::LatencySm => {
                let p50 = "1,000 messages/s with stream management, p50";
                let p99 = "1,000 messages/s with stream management, p99";
                vec![
                    one("latency-sm-p50", p50, ms, Committed, fixed(3.0), None),
                    one("latency-sm-p99", p99, ms, Committed, disk, None),
                ]
            }
            Work::SignIn => {
                let (what, stretch) = ("a sign-in, plain", Some(0.25));
                vec![one("sign-in", what, cpu, Committed, fixed(0.37), stretch)]
            }
            Work::SignInTls => {
                let what = "a sign-in, STARTTLS with a full handshake";
                let (reach, stretch) = (fixed(0.75), Some(0.65));
                vec![one("sign-in-tls", what, cpu, Committed, reach, stretch)]
            }
            Work::Idle => {
                let (what, reach) = ("an idle session, plain", fixed(10.0));
                vec![one("idle", what, kib, Committed, reach, Some(6.0))]
            }
            Work::IdleTls => {
                let (what, reach) = ("an idle session, TLS", fixed(20.0));
                vec![one("idle-tls", what, kib, Committed, reach, Some(14.0))]
            }
            Work::Offline => {
                let (stored, delivered) = ("a message stored", "a stored message delivered");
                let (reach, stretch) = (fixed(0.06), Some(0.03));
                vec![
                    one("offline-stored", stored, cpu, Committed, reach, stretch),
                    one(
                        "offline-delivered",
                        delivered,
                        cpu,
                        Committed,
                        fixed(0.03),
                        Some(0.02),
                    ),
                ]
            }
            Work::Storm => {
                let what = "all signed in after the listener is back";
                vec![one("storm", what, "s", Committed, fixed(2.0), Some(1.2))]
            }
            Work::Availability => {
                let (what, stretch) = ("a change delivered to a contact", Some(0.008));
                vec![one(
                    "availability",
                    what,
                    cpu,
                    Committed,
                    fixed(0.011),
                    stretch,
                )]
            }
            Work::AvailabilityRate => {
                let what = "1,000 changes delivered/s, p99";
                vec![one(
                    "availability-p99",
                    what,
                    ms,
                    Committed,
                    fixed(2.5),
                    None,
                )]
            }
            Work::ContactList => {
                let what = "a sign-in with a contact list of 1,000";
                vec![one("contact-list", what, cpu, Committed, None, None)]
            }
            Work::SignInContacts => {
                let what = "a sign-in with 200 contacts, half of them there";
                vec![one("sign-in-contacts", what, cpu, Committed, None, None)]
            }
            Work::Forking => {
                let what = "a message delivered to one of ten devices, forked";
                vec![one("forking", what, cpu, Committed, None, None)]
            }
            Work::Carbons => {
                let what = "a message delivered to one of ten devices, with carbons";
                vec![one("carbons", what, cpu, Committed, None, None)]
            }
            Work::Pair => {
                let what = "a message of a pair, closed loop, CPU of all processes";
                let (p50, p99) = (
                    "a message of a pair, closed loop, p50",
                    "a message of a pair, closed loop, p99",
                );
                vec![
                    one("pair", what, cpu, Pair, half, None),
                    one("pair-p50", p50, ms, Pair, None, None),
                    one("pair-p99", p99, ms, Pair, None, None),
                ]
            }
            Work::PairRate => {
                let what = "a message of a pair, 1,000/s, CPU of all processes";
                let (p50, p99) = (
                    "a message of a pair, 1,000/s, p50",
                    "a message of a pair, 1,000/s, p99",
                );
                vec![
                    one("pair-rate", what, cpu, Pair, None, None),
                    one("pair-rate-p50", p50, ms, Pair, None, None),
                    one("pair-rate-p99", p99, ms, Pair, None, None),
                ]
            }
        }
    }

    /// Whether messages, sign-ins or sessions are in TLS.
    pub fn starttls(self) -> bool {
        matches!(self, Work::SignInTls | Work::IdleTls)
    }

    /// Whether it is done at several sizes too. A pair is made anew for each run, with all users.
    pub fn grows(self) -> bool {
        !matches!(self, Work::Pair | Work::PairRate) && !self.makes_lists()
    }

    /// Whether its number is of all people together: as they grow, it is shown for as many as there
    /// were first.
    pub fn is_of_all(self) -> bool {
        self == Work::Storm
    }

    /// Whether it makes contact lists that no other run may find.
    pub fn makes_lists(self) -> bool {
        matches!(self, Work::ContactList | Work::SignInContacts)
    }

    /// Whether people have contact lists: they are others then, whom no other work signs in.
    pub fn with_contacts(self) -> bool {
        matches!(self, Work::Availability | Work::AvailabilityRate) || self.makes_lists()
    }

    /// Whether servers that have stream management use it.
    pub fn stream_management(self) -> bool {
        !matches!(
            self,
            Work::Messages | Work::Latency | Work::SignIn | Work::SignInTls
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whoever_is_judged_does_the_work_and_no_figure_has_the_name_of_another() {
        let mut keys = BTreeSet::new();
        for work in Work::all() {
            for figure in work.figures() {
                assert!(work.contestants().contains(&figure.judged), "{work:?}");
                assert!(keys.insert(figure.key), "{} twice", figure.key);
                if let Some(Bound::PartOf(other, _)) = figure.reach {
                    assert!(work.contestants().contains(&other), "{work:?}");
                }
            }
        }
    }
}
