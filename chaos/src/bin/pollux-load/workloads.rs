//! The command lines of offline, storm, availability and hostile, and how each is run. Tables are
//! in `rows`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use pollux_chaos::load::{
    Availability, Commands, ContactLists, ContactWork, Devices, Hostile, HostileKind, Offline,
    Storm, Takeover,
};
use pollux_chaos::servers::Mode;
use pollux_chaos::servers::pair::{Pair, PairOptions};

use crate::arguments::SiteArguments;
use crate::site::Site;
use crate::{on_one_thread, rows};

/// Beyond this a count is a mistake: no user list here is longer.
const COUNT_MAX: usize = 1_000_000;
const SECONDS_MAX: f64 = 86_400.0;

#[derive(Debug, Args)]
pub struct OfflineArguments {
    #[command(flatten)]
    pub site: SiteArguments,
    /// Users who send, each to one of as many others, who are away
    #[arg(long, default_value = "100", value_parser = count)]
    pub senders: usize,
    /// Messages of each; no more than the server keeps for one user (Pollux 1,000)
    #[arg(long, default_value = "100", value_parser = count)]
    pub messages_each: usize,
    /// Length of the text of a message
    #[arg(long, default_value_t = 64)]
    pub body_bytes: usize,
    /// Use stream management: its acknowledgements say what is kept. Without it a ping after every
    /// 8 messages does
    #[arg(long)]
    pub stream_management: bool,
}

#[derive(Debug, Args)]
pub struct CommandsArguments {
    /// Sessions that each have one delivery under way; several numbers make several rows
    #[arg(long, value_delimiter = ',', default_value = "64,1024", value_parser = count)]
    pub writers: Vec<usize>,
    /// Not measured, at the beginning
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub warm_up: Duration,
    /// Measured, for each of the two machines
    #[arg(long, default_value = "8", value_parser = seconds)]
    pub seconds: Duration,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct TakeoverArguments {
    /// The program to start
    #[arg(long, value_name = "PATH", default_value = "target/release/pollux")]
    pub pollux: PathBuf,
    #[command(flatten)]
    pub mode: Mode,
    /// How many, each a user's own
    #[arg(long, default_value = "15000", value_parser = count)]
    pub sessions: usize,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct StormArguments {
    #[command(flatten)]
    pub site: SiteArguments,
    /// How many, each a user's own
    #[arg(long, default_value = "5000", value_parser = count)]
    pub sessions: usize,
}

#[derive(Debug, Args)]
pub struct AvailabilityArguments {
    #[command(flatten)]
    pub site: SiteArguments,
    /// How many users, each with one session
    #[arg(long, default_value = "500", value_parser = count)]
    pub users: usize,
    /// Contacts of each: an even number below the users
    #[arg(long, default_value = "20", value_parser = count)]
    pub contacts: usize,
    /// Deliveries a second in all, sent on time whatever the server does; without it a closed loop
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Not measured, at the beginning
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub warm_up: Duration,
    /// Measured
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
}

#[derive(Debug, Args)]
pub struct DevicesArguments {
    #[command(flatten)]
    pub site: SiteArguments,
    /// Users who receive; as many send
    #[arg(long, default_value = "20", value_parser = count)]
    pub receivers: usize,
    /// Devices of each receiver
    #[arg(long, default_value = "10", value_parser = count)]
    pub devices: usize,
    /// Messages go to one device, the others get carbons
    #[arg(long)]
    pub carbons: bool,
    /// Also turn stream management on
    #[arg(long)]
    pub stream_management: bool,
    /// Octets of a message's text
    #[arg(long, default_value = "64")]
    pub body_bytes: usize,
    /// Not measured, at the beginning
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub warm_up: Duration,
    /// Measured
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListKind {
    /// A user signs in and asks for the list
    List,
    /// And is available, and hears of every second contact
    SignIn,
}

#[derive(Debug, Args)]
pub struct ContactListsArguments {
    #[command(flatten)]
    pub site: SiteArguments,
    /// What a user does
    #[arg(long)]
    pub kind: ListKind,
    /// Users who do it in turn
    #[arg(long, default_value = "10", value_parser = count)]
    pub users: usize,
    /// Contacts of each
    #[arg(long, default_value = "200", value_parser = count)]
    pub contacts: usize,
    /// How often in all
    #[arg(long, default_value = "200", value_parser = count)]
    pub count: usize,
    /// Also turn stream management on
    #[arg(long)]
    pub stream_management: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Connections that open a stream and never sign in; who is thrown out comes again after 5 s
    Unauthenticated,
    /// Sessions that read one byte a second, while each is sent 4 KiB a second
    SlowReaders,
    /// Users who send to one who reads, as fast as their sockets take it
    Flood,
}

#[derive(Debug, Args)]
pub struct HostileArguments {
    #[command(flatten)]
    pub site: SiteArguments,
    /// What they do
    #[arg(long)]
    pub kind: Kind,
    /// How many of them; without it 10,000, 1,000 or 1, as the kind is
    #[arg(long, value_parser = count)]
    pub count: Option<usize>,
    /// Pairs of good clients
    #[arg(long, default_value = "100", value_parser = count)]
    pub pairs: usize,
    /// Messages a second of all pairs together
    #[arg(long, default_value = "500", value_parser = rate)]
    pub rate: f64,
    /// Measured before they act, and after they have gone
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub calm: Duration,
    /// Measured while they act
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    pub during: Duration,
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().map_err(|_| "a whole number is needed")?;
    match count {
        0 => Err("at least 1 is needed".to_owned()),
        1..=COUNT_MAX => Ok(count),
        _ => Err(format!("at most {COUNT_MAX} is possible")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok();
    let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "a number above 0 is needed".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    let seconds = seconds.map(Duration::from_secs_f64);
    seconds.ok_or_else(|| format!("a number of seconds from 0 to {SECONDS_MAX} is needed"))
}

pub fn commands(wanted: &CommandsArguments) -> anyhow::Result<bool> {
    let folder = tempfile::Builder::new()
        .prefix("pollux-commands-")
        .tempdir();
    let folder = folder.context("make a folder for the logs")?;
    let mut reports = Vec::new();
    for writers in &wanted.writers {
        if !wanted.quiet {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{writers} writers, two machines");
        }
        let plan = Commands {
            writers: *writers,
            warm_up: wanted.warm_up,
            duration: wanted.seconds,
        };
        reports.push(plan.run(&folder.path().join(writers.to_string()))?);
    }
    rows::commands(&reports, wanted.json).map(|()| true)
}

pub fn takeover(wanted: &TakeoverArguments) -> anyhow::Result<bool> {
    let pair = Pair::open(&PairOptions {
        mode: wanted.mode,
        ..PairOptions::of(&wanted.pollux)
    })?;
    let plan = Takeover {
        sessions: wanted.sessions,
        progress: !wanted.quiet,
    };
    let report = on_one_thread(plan.run(pair))?;
    rows::takeover(&report, wanted.json)?;
    Ok(report.holds())
}

pub fn offline(wanted: &OfflineArguments) -> anyhow::Result<bool> {
    let plan = Offline {
        senders: wanted.senders,
        messages_each: wanted.messages_each,
        body_bytes: wanted.body_bytes,
        stream_management: wanted.stream_management,
    };
    let place = Site::open(&wanted.site, plan.users())?;
    let report = on_one_thread(plan.run(place.target()))?;
    place.close()?;
    rows::offline(&report, wanted.site.json).map(|()| true)
}

/// The server is started for users and keys, stopped, and started again for the storm.
pub fn storm(wanted: &StormArguments) -> anyhow::Result<bool> {
    let plan = Storm {
        sessions: wanted.sessions,
    };
    let mut place = Site::open(&wanted.site, wanted.sessions)?;
    let target = place.target();
    let server = place.take_server();
    let mut server =
        server.context("a storm needs a server that is started here: --start SERVER")?;
    target.say(format_args!("every user signs in once"));
    on_one_thread(plan.warm_up(target.clone()))?;
    server.stop()?;
    let (back, come_back) = std::sync::mpsc::sync_channel(1);
    let open = move || {
        server.start()?;
        let pids = server.pids();
        back.send(server).ok().context("hand the server back")?;
        Ok(pids)
    };
    let report = on_one_thread(plan.run(target, open))?;
    let server = come_back.recv();
    server.context("get the server back")?.stop()?;
    rows::storm(&report, wanted.site.json).map(|()| true)
}

pub fn availability(wanted: &AvailabilityArguments) -> anyhow::Result<bool> {
    let plan = Availability {
        users: wanted.users,
        contacts: wanted.contacts,
        rate: wanted.rate,
        warm_up: wanted.warm_up,
        duration: wanted.seconds,
    };
    plan.check()?;
    let place = Site::open(&wanted.site, wanted.users)?;
    let report = on_one_thread(plan.run(place.target()))?;
    place.close()?;
    rows::availability(&report, wanted.site.json).map(|()| true)
}

pub fn devices(wanted: &DevicesArguments) -> anyhow::Result<bool> {
    let plan = Devices {
        receivers: wanted.receivers,
        devices: wanted.devices,
        carbons: wanted.carbons,
        body_bytes: wanted.body_bytes,
        stream_management: wanted.stream_management,
        warm_up: wanted.warm_up,
        duration: wanted.seconds,
    };
    let place = Site::open(&wanted.site, plan.users())?;
    let report = on_one_thread(plan.run(place.target()))?;
    place.close()?;
    rows::devices(&report, wanted.site.json).map(|()| true)
}

pub fn contact_lists(wanted: &ContactListsArguments) -> anyhow::Result<bool> {
    let plan = ContactLists {
        work: match wanted.kind {
            ListKind::List => ContactWork::List,
            ListKind::SignIn => ContactWork::SignIn,
        },
        users: wanted.users,
        contacts: wanted.contacts,
        count: wanted.count,
        stream_management: wanted.stream_management,
    };
    let place = Site::open(&wanted.site, plan.accounts())?;
    let report = on_one_thread(plan.run(place.target()))?;
    place.close()?;
    rows::contact_lists(&report, wanted.site.json).map(|()| true)
}

pub fn hostile(wanted: &HostileArguments) -> anyhow::Result<bool> {
    let (kind, usual) = match wanted.kind {
        Kind::Unauthenticated => (HostileKind::Unauthenticated, 10_000),
        Kind::SlowReaders => (HostileKind::SlowReaders, 1_000),
        Kind::Flood => (HostileKind::Flood, 1),
    };
    let plan = Hostile {
        kind,
        count: wanted.count.unwrap_or(usual),
        pairs: wanted.pairs,
        rate: wanted.rate,
        calm: wanted.calm,
        during: wanted.during,
    };
    let place = Site::open(&wanted.site, plan.users())?;
    let report = on_one_thread(plan.run(place.target()))?;
    place.close()?;
    rows::hostile(&report, wanted.site.json)?;
    Ok(report.holds())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{count, rate, seconds};
    use crate::arguments::Arguments;

    #[test]
    fn each_begins_with_its_defaults() {
        for words in [
            "commands",
            "takeover",
            "offline --start prosody",
            "storm --start prosody",
            "availability --start prosody",
            "hostile --start prosody --kind flood",
            "devices --start prosody --carbons",
            "contact-lists --start prosody --kind sign-in",
        ] {
            let parsed =
                Arguments::try_parse_from(["pollux-load"].into_iter().chain(words.split(' ')));
            assert!(parsed.is_ok(), "{words}: {parsed:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for nonsense in ["0", "-1", "many", "1000001", ""] {
            assert!(count(nonsense).is_err(), "{nonsense}");
        }
        for nonsense in ["0", "-1", "NaN", "inf", "fast"] {
            assert!(rate(nonsense).is_err(), "{nonsense}");
        }
        for nonsense in ["-1", "NaN", "inf", "1e9"] {
            assert!(seconds(nonsense).is_err(), "{nonsense}");
        }
        assert_eq!(count("0"), Err("at least 1 is needed".to_owned()));
        assert_eq!((count("40"), rate("0.5")), (Ok(40), Ok(0.5)));
        assert_eq!(seconds("0.25").unwrap().as_millis(), 250);
    }
}
