//! One run of one work by one server, as numbers. Which servers, how often, and what the numbers
//! shall be is said elsewhere.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use pollux_chaos::ceilings::RelayLoad;
use pollux_chaos::load::{
    Availability, Cast, ContactLists, ContactWork, Devices, Idle, Messages, MessagesReport,
    Offline, Recordings, SignIn, Storm, Target,
};

use super::arguments::CompareArguments;
use super::contestant::{Contestant, Stall, locked};
use super::work::Work;
use crate::on_one_thread;

/// Users that sign-ins go round among.
const SIGN_IN_USERS: usize = 100;
const SIGN_INS_AT_ONCE: usize = 8;
/// Users with long contact lists.
const LIST_USERS: usize = 10;
const BODY_BYTES: usize = 64;
/// What is around the text of such a message on its way in, as the clients here write it.
const AROUND_BYTES: usize = 96;
/// Messages a second, where that is given.
const RATE: f64 = 1000.0;

/// How large the works are.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub pairs: usize,
    pub warm_up: Duration,
    pub duration: Duration,
    pub sign_ins: usize,
    pub concurrency: usize,
    pub sessions: usize,
    pub storm: usize,
    /// To how many who are away, and how many messages to each.
    pub offline: (usize, usize),
    /// People with contacts, and how many contacts each.
    pub watchers: (usize, usize),
    /// Contacts of a long list; contacts of whom half are there.
    pub lists: (usize, usize),
    /// Who have several devices, and how many.
    pub devices: (usize, usize),
}

impl Sizes {
    pub fn of(wanted: &CompareArguments) -> Self {
        if wanted.quick {
            return Sizes {
                pairs: 10,
                warm_up: Duration::from_millis(500),
                duration: Duration::from_secs(1),
                sign_ins: 100,
                concurrency: SIGN_INS_AT_ONCE,
                sessions: 100,
                storm: 100,
                offline: (10, 20),
                watchers: (20, 4),
                lists: (100, 20),
                devices: (4, 3),
            };
        }
        // As it grows, the largest is as large as the only one is otherwise.
        let least = |size: usize| match wanted.growth {
            true => size.div_ceil(16),
            false => size,
        };
        Sizes {
            pairs: wanted.pairs,
            warm_up: Duration::from_secs(3),
            duration: Duration::from_secs_f64(wanted.seconds),
            sign_ins: wanted.sign_ins,
            concurrency: SIGN_INS_AT_ONCE,
            sessions: least(wanted.sessions),
            storm: least(wanted.storm),
            offline: (50, 200),
            watchers: (least(500), 20),
            lists: (1_000, 200),
            devices: (20, 10),
        }
    }

    /// The same with more people at once.
    pub fn times(self, factor: usize) -> Self {
        Sizes {
            pairs: self.pairs * factor,
            concurrency: self.concurrency * factor,
            sessions: self.sessions * factor,
            storm: self.storm * factor,
            offline: (self.offline.0 * factor, self.offline.1),
            watchers: (self.watchers.0 * factor, self.watchers.1),
            devices: (self.devices.0 * factor, self.devices.1),
            ..self
        }
    }

    /// How many users the work needs.
    pub fn users(&self, work: Work) -> usize {
        match work {
            Work::SignIn | Work::SignInTls => SIGN_IN_USERS,
            Work::Idle | Work::IdleTls => self.sessions,
            Work::Storm => self.storm,
            Work::Offline => self.offline.0 * 2,
            Work::Availability | Work::AvailabilityRate => self.watchers.0,
            Work::ContactList => LIST_USERS,
            Work::SignInContacts => LIST_USERS + self.lists.1,
            Work::Forking | Work::Carbons => 2 * self.devices.0,
            _ => self.pairs * 2,
        }
    }
}

/// The numbers of a work's figures, in their order.
pub fn measure(
    work: Work,
    contestant: Contestant,
    stall: &Stall,
    sizes: &Sizes,
    record: Option<&Path>,
) -> anyhow::Result<Vec<f64>> {
    let users = match work.with_contacts() {
        true => &stall.watchers,
        false => &stall.users,
    };
    let mut target = Target::of(&**stall.server(), users, work.starttls())?;
    target.keys = stall.keys.clone();
    target.recordings = record.map(|folder| Recordings {
        folder: folder.to_owned(),
        key: work.name(),
        name: contestant.name().to_owned(),
        frequency: work.frequency(),
    });
    if contestant == Contestant::Relay {
        return relay(&target, sizes);
    }
    let target = Rc::new(target);
    let stream_management = work.stream_management() && contestant.has_stream_management();
    match work {
        Work::Messages | Work::MessagesSm => {
            let report = messages(target, stream_management, None, sizes)?;
            let cpu = report.cpu_ms_per_message;
            Ok(vec![cpu.context("read the CPU time")?])
        }
        Work::Pair | Work::PairRate => {
            let rate = (work == Work::PairRate).then_some(RATE);
            let report = messages(target, stream_management, rate, sizes)?;
            let cpu = report.cpu_ms_per_message.context("read the CPU time")?;
            Ok(vec![cpu, report.latency.p50_ms, report.latency.p99_ms])
        }
        Work::Latency | Work::LatencySm => {
            let report = messages(target, stream_management, Some(RATE), sizes)?;
            Ok(vec![report.latency.p50_ms, report.latency.p99_ms])
        }
        Work::SignIn | Work::SignInTls => {
            let plan = SignIn {
                count: sizes.sign_ins,
                concurrency: sizes.concurrency,
                stream_management,
            };
            let report = on_one_thread(plan.run(target))?;
            let cpu = report.cpu_ms_per_sign_in;
            Ok(vec![cpu.context("read the CPU time")?])
        }
        Work::Idle | Work::IdleTls => {
            let plan = Idle {
                sessions: sizes.sessions,
                stream_management,
            };
            let report = on_one_thread(plan.run(target))?;
            Ok(vec![report.pss_per_session_kib])
        }
        Work::Offline => offline(target, stream_management, sizes),
        Work::Storm => storm(target, stall, sizes, record.is_some()),
        Work::Availability => availability(target, None, sizes),
        Work::AvailabilityRate => availability(target, Some(RATE), sizes),
        Work::ContactList => lists(target, ContactWork::List, sizes.lists.0, sizes),
        Work::SignInContacts => lists(target, ContactWork::SignIn, sizes.lists.1, sizes),
        Work::Forking => devices(target, false, stream_management, sizes),
        Work::Carbons => devices(target, true, stream_management, sizes),
    }
}

/// A run in which something was lost measures nothing.
fn messages(
    target: Rc<Target>,
    stream_management: bool,
    rate: Option<f64>,
    sizes: &Sizes,
) -> anyhow::Result<MessagesReport> {
    let plan = Messages {
        cast: Cast {
            stream_management,
            echo: rate.is_none(),
            body_bytes: BODY_BYTES,
            ..Cast::of(sizes.pairs)
        },
        rate,
        window: 1,
        warm_up: sizes.warm_up,
        duration: sizes.duration,
        patience: Duration::from_secs(10),
    };
    let report = on_one_thread(plan.run(target))?;
    let verdict = &report.verdict;
    if verdict.lost + verdict.twice + verdict.out_of_order + verdict.refused > 0 {
        bail!("not a measurement: {verdict:?}");
    }
    Ok(report)
}

fn offline(target: Rc<Target>, stream_management: bool, sizes: &Sizes) -> anyhow::Result<Vec<f64>> {
    let plan = Offline {
        senders: sizes.offline.0,
        messages_each: sizes.offline.1,
        body_bytes: BODY_BYTES,
        stream_management,
    };
    let report = on_one_thread(plan.run(target))?;
    let both = report.cpu_ms_per_stored.zip(report.cpu_ms_per_delivered);
    let (stored, delivered) = both.context("read the CPU time")?;
    Ok(vec![stored, delivered])
}

/// The server goes once everybody has signed in once, and comes back while all want in. Where it is
/// recorded, CPU of one session instead of seconds of all.
fn storm(
    target: Rc<Target>,
    stall: &Stall,
    sizes: &Sizes,
    recorded: bool,
) -> anyhow::Result<Vec<f64>> {
    let plan = Storm {
        sessions: sizes.storm,
    };
    on_one_thread(plan.warm_up(target.clone()))?;
    stall.server().stop()?;
    let server = stall.shared();
    let open = move || {
        let mut server = locked(&server);
        server.start()?;
        Ok(server.pids())
    };
    let report = on_one_thread(plan.run(target, open))?;
    match recorded {
        false => Ok(vec![report.seconds]),
        true => Ok(vec![
            report.cpu_ms_per_session.context("read the CPU time")?,
        ]),
    }
}

fn availability(target: Rc<Target>, rate: Option<f64>, sizes: &Sizes) -> anyhow::Result<Vec<f64>> {
    let plan = Availability {
        users: sizes.watchers.0,
        contacts: sizes.watchers.1,
        rate,
        warm_up: sizes.warm_up,
        duration: sizes.duration,
    };
    let report = on_one_thread(plan.run(target))?;
    match rate {
        Some(_) => Ok(vec![report.latency.p99_ms]),
        None => {
            let cpu = report.cpu_ms_per_delivery;
            Ok(vec![cpu.context("read the CPU time")?])
        }
    }
}

fn lists(
    target: Rc<Target>,
    work: ContactWork,
    contacts: usize,
    sizes: &Sizes,
) -> anyhow::Result<Vec<f64>> {
    let plan = ContactLists {
        work,
        users: LIST_USERS,
        contacts,
        count: sizes.sign_ins.div_ceil(5),
        stream_management: true,
    };
    let report = on_one_thread(plan.run(target))?;
    Ok(vec![report.cpu_ms.context("read the CPU time")?])
}

fn devices(
    target: Rc<Target>,
    carbons: bool,
    stream_management: bool,
    sizes: &Sizes,
) -> anyhow::Result<Vec<f64>> {
    let plan = Devices {
        receivers: sizes.devices.0,
        devices: sizes.devices.1,
        carbons,
        body_bytes: BODY_BYTES,
        stream_management,
        warm_up: sizes.warm_up,
        duration: sizes.duration,
    };
    let report = on_one_thread(plan.run(target))?;
    let cpu = report.cpu_ms_per_delivery;
    Ok(vec![cpu.context("read the CPU time")?])
}

fn relay(target: &Target, sizes: &Sizes) -> anyhow::Result<Vec<f64>> {
    let plan = RelayLoad {
        pairs: sizes.pairs,
        bytes: AROUND_BYTES + BODY_BYTES,
        warm_up: sizes.warm_up,
        duration: sizes.duration,
    };
    let report = on_one_thread(plan.run(target))?;
    Ok(vec![report.cpu_ms_per_message])
}
