//! Thousands come back at once to the node that is left, some to their session and some by a fresh
//! sign-in, while others chat there: these must hardly notice, nobody may be turned away for ever,
//! and what was said to those who were away arrives once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::run::on_one_thread;
use crate::client::{Client, Event, Outcome, StreamManagement, UNACKNOWLEDGED_MAX};
use crate::load::{Cast, Histogram, Latency, Stage, Stream, Target, now};
use crate::servers::Users;
use crate::servers::pair::{CASTOR, Homes, POLLUX, Pair, PairOptions};

/// Its name, as of a drill.
pub const COMEBACK: &str = "storm-after-takeover";

/// Sign-ins at the same time, before anything is broken.
const LANES: usize = 64;
/// Of so many who come back one has forgotten its session.
const FRESH_EVERY: usize = 3;
/// Messages a second of those who chat, and what may be between their 99 % and their meaning.
const RATE: f64 = 200.0;
const P99_MS_MAX: f64 = 1_000.0;
/// Before the kill, and after the last has come back.
const CHAT: Duration = Duration::from_secs(3);
/// A client tries again after so long; longer each time, as clients do, up to the other.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// Who is not back by then has been refused for ever.
const BACK_LIMIT: Duration = Duration::from_secs(120);
/// For what was said to those who were away.
const HEAR_LIMIT: Duration = Duration::from_secs(30);
const WHOLE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
pub struct Comeback {
    pub users: usize,
    pub sessions_per_user: usize,
    /// Pairs of those who chat.
    pub pairs: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct ComebackReport {
    pub drill: &'static str,
    pub sessions: usize,
    pub resumed: usize,
    pub signed_in: usize,
    /// Resumptions that failed: their clients signed in anew.
    pub not_resumed: usize,
    pub never_back: usize,
    /// Connections that came to nothing; their clients came again.
    pub turned_away: u64,
    pub last_back_ms: f64,
    /// From the connection that led to it.
    pub resumption: Latency,
    pub sign_in: Latency,
    /// Of those who chat, before the kill, and from the kill to the last who came back.
    pub chat_before: Latency,
    pub chat: Latency,
    pub acknowledged: u64,
    pub lost: u64,
    pub twice: u64,
    /// What the survivor says that it has managed.
    pub managed_a_second: Option<u64>,
}

impl ComebackReport {
    /// `bounds`: also what is about time.
    pub fn holds(&self, bounds: bool) -> bool {
        let is_kept = self.never_back + self.not_resumed == 0 && self.lost + self.twice == 0;
        let is_proof = self.acknowledged > 0 && self.resumed > 0 && self.signed_in > 0;
        is_kept && is_proof && (!bounds || self.chat.p99_ms < P99_MS_MAX)
    }
}

/// One who comes back.
struct Guest {
    client: Client<Stream, ()>,
    number: usize,
}

/// What they all tell.
#[derive(Default)]
struct Board {
    back: RefCell<Vec<Instant>>,
    resumed: Cell<usize>,
    signed_in: Cell<usize>,
    not_resumed: Cell<usize>,
    turned_away: Cell<u64>,
    resumption: RefCell<Histogram>,
    sign_in: RefCell<Histogram>,
    /// What was said to those who were away: how often each has heard it.
    heard: RefCell<BTreeMap<usize, u32>>,
}

impl Comeback {
    fn sessions(&self) -> usize {
        self.users * self.sessions_per_user
    }

    fn chatters(&self) -> usize {
        self.pairs * 2
    }

    fn comes_fresh(number: usize) -> bool {
        number.is_multiple_of(FRESH_EVERY)
    }

    pub fn run(&self, options: &PairOptions, progress: bool) -> anyhow::Result<ComebackReport> {
        let mut pair = Pair::open(options)?;
        // Those who chat, one who speaks to those who are away, those who go and come.
        let users = Users::new(self.chatters() + 1 + self.users);
        pair.add_users(&users, Homes::PolluxFirst(self.chatters() + 1))?;
        pair.wait_healthy(WHOLE_LIMIT)?;
        let all = Target::of_pair(&pair, &users, progress);
        let at = |station: usize| Target {
            addresses: vec![all.addresses[station]],
            ..Target::of_pair(&pair, &users, progress)
        };
        let (castor, pollux) = (Rc::new(at(CASTOR)), Rc::new(at(POLLUX)));
        let report = on_one_thread(self.play(castor, pollux, &mut pair))?;
        pair.stations[CASTOR].start(&pair.ground)?;
        pair.wait_healthy(WHOLE_LIMIT)?;
        pair.verify(POLLUX)?;
        Ok(report)
    }

    async fn play(
        &self,
        castor: Rc<Target>,
        pollux: Rc<Target>,
        pair: &mut Pair,
    ) -> anyhow::Result<ComebackReport> {
        let guests = self.come(&castor).await?;
        let cast = Cast {
            // Its account of times is wanted.
            watch: true,
            ..Cast::of(self.pairs)
        };
        let mut stage = Stage::open(pollux.clone(), cast).await?;
        let board: Rc<Board> = Rc::default();
        let (tell, told) = oneshot::channel::<()>();
        let storm = async {
            sleep(CHAT).await;
            pair.stations[CASTOR].kill()?;
            let killed = now();
            let never_back = self.storm(&pollux, guests, board.clone()).await;
            let _gone = tell.send(());
            anyhow::Ok((killed, never_back?))
        };
        let chat = stage.pace(RATE, async {
            let _over = told.await;
        });
        let (stormed, chatted) = tokio::join!(storm, chat);
        let (killed, never_back) = stormed?;
        chatted?;
        stage.drain(HEAR_LIMIT).await?;
        let start = stage.shared.start;
        let last = board.back.borrow().iter().max().copied().unwrap_or(killed);
        let (mut before, mut during) = (Histogram::default(), Histogram::default());
        for arrival in stage.take_timeline().arrivals {
            let meant = start + arrival.meant;
            let took = arrival.at.saturating_duration_since(meant);
            match meant {
                meant if meant < killed => before.record(took),
                meant if meant <= last => during.record(took),
                _ => {}
            }
        }
        let verdict = stage.finish().await?;
        let heard = board.heard.borrow();
        let missed = heard.values().filter(|count| **count == 0).count() as u64;
        let repeated = heard.values().filter(|count| **count > 1).count() as u64;
        Ok(ComebackReport {
            drill: COMEBACK,
            sessions: self.sessions(),
            resumed: board.resumed.get(),
            signed_in: board.signed_in.get(),
            not_resumed: board.not_resumed.get(),
            never_back,
            turned_away: board.turned_away.get(),
            last_back_ms: (last - killed).as_secs_f64() * 1e3,
            resumption: board.resumption.borrow().latency(),
            sign_in: board.sign_in.borrow().latency(),
            chat_before: before.latency(),
            chat: during.latency(),
            acknowledged: verdict.acknowledged,
            lost: verdict.lost + missed,
            twice: verdict.twice + repeated,
            managed_a_second: figure(pair, "pollux_sign_ins_managed_a_second"),
        })
    }

    /// Everybody signs in at the node that is to die.
    async fn come(&self, castor: &Rc<Target>) -> anyhow::Result<Vec<Guest>> {
        let options = castor.options(StreamManagement::Resumable, 1);
        let lanes = Rc::new(Semaphore::new(LANES));
        let mut coming = JoinSet::new();
        for number in 0..self.sessions() {
            let user = self.chatters() + 1 + number / self.sessions_per_user;
            let resource = format!("guest{}", number % self.sessions_per_user);
            let account = castor.users.account(user, &resource)?;
            let client = Client::new(account, options.clone(), number as u64, ());
            let (lanes, castor) = (lanes.clone(), castor.clone());
            coming.spawn_local(async move {
                let mut guest = Guest { client, number };
                let turn = lanes.acquire().await.context("wait for a lane")?;
                castor.connect(&mut guest.client).await?;
                settle(&mut guest.client).await?;
                drop(turn);
                anyhow::Ok(guest)
            });
        }
        let mut guests = Vec::new();
        while let Some(guest) = coming.join_next().await {
            guests.push(guest.context("join a guest")??);
            if guests.len().is_multiple_of(500) {
                castor.say(format_args!("{} guests are here", guests.len()));
            }
        }
        Ok(guests)
    }

    /// All come at once. How many are not back in the end.
    async fn storm(
        &self,
        pollux: &Rc<Target>,
        guests: Vec<Guest>,
        board: Rc<Board>,
    ) -> anyhow::Result<usize> {
        let mut returning = JoinSet::new();
        let mut called = Vec::new();
        for guest in guests {
            if !Comeback::comes_fresh(guest.number) {
                board.heard.borrow_mut().insert(guest.number, 0);
                called.push((guest.number, guest.client.jid().to_owned()));
            }
            let (pollux, board) = (pollux.clone(), board.clone());
            returning.spawn_local(async move {
                let number = guest.number;
                let back = come_back(guest, &pollux, &board);
                match tokio::time::timeout(BACK_LIMIT, back).await {
                    Ok(client) => anyhow::Ok(Some(listen(client?, number, board))),
                    Err(_late) => Ok(None),
                }
            });
        }
        let speaking = speak(pollux, self.chatters(), called);
        let gathering = async {
            let (mut never_back, mut ears) = (0, JoinSet::new());
            while let Some(ended) = returning.join_next().await {
                match ended.context("join a guest")?? {
                    Some(listening) => _ = ears.spawn_local(listening),
                    None => never_back += 1,
                }
            }
            anyhow::Ok((never_back, ears))
        };
        let (spoken, gathered) = tokio::join!(speaking, gathering);
        spoken.context("speak to those who are away")?;
        let (never_back, ears) = gathered?;
        let all_heard = || board.heard.borrow().values().all(|count| *count > 0);
        let begun = now();
        while !all_heard() && begun.elapsed() < HEAR_LIMIT {
            sleep(AGAIN).await;
        }
        // For what comes twice.
        sleep(CHAT).await;
        drop(ears);
        Ok(never_back)
    }
}

/// Tries until there is a session.
async fn come_back(
    guest: Guest,
    pollux: &Target,
    board: &Board,
) -> anyhow::Result<Client<Stream, ()>> {
    let Guest { mut client, number } = guest;
    let is_fresh = Comeback::comes_fresh(number);
    client.cut();
    if is_fresh {
        client.forget();
    }
    let mut pause = AGAIN;
    loop {
        let begun = now();
        match pollux.connect(&mut client).await {
            Ok(outcome) => {
                board.back.borrow_mut().push(now());
                let took = begun.elapsed();
                match (outcome, is_fresh) {
                    (Outcome::Resumed { .. }, _) => {
                        board.resumed.set(board.resumed.get() + 1);
                        board.resumption.borrow_mut().record(took);
                    }
                    (Outcome::Bound, true) => {
                        board.signed_in.set(board.signed_in.get() + 1);
                        board.sign_in.borrow_mut().record(took);
                        client.request_roster()?;
                        client.available()?;
                    }
                    (Outcome::Bound, false) => board.not_resumed.set(board.not_resumed.get() + 1),
                }
                return Ok(client);
            }
            Err(error) if error.is_retryable() => {
                board.turned_away.set(board.turned_away.get() + 1);
                sleep(pause).await;
                pause = AGAIN_MAX.min(pause * 2);
            }
            Err(error) => return Err(error).context("come back"),
        }
    }
}

/// Counts what was said to this one, until it is dropped.
async fn listen(mut client: Client<Stream, ()>, number: usize, board: Rc<Board>) {
    let own = format!("missed{number}");
    while let Ok(event) = client.next().await {
        if let Event::Message(message) = event
            && message.attribute("id").as_deref() == Some(&own)
            && let Some(count) = board.heard.borrow_mut().get_mut(&number)
        {
            *count += 1;
        }
    }
}

/// Says something to each of them.
async fn speak(pollux: &Target, user: usize, called: Vec<(usize, String)>) -> anyhow::Result<()> {
    let options = pollux.options(StreamManagement::Resumable, 1);
    let account = pollux.users.account(user, "speaker")?;
    let mut client: Client<Stream, ()> = Client::new(account, options, u64::MAX, ());
    pollux.connect(&mut client).await?;
    for (number, to) in called {
        while UNACKNOWLEDGED_MAX <= client.unacknowledged() + 1 {
            client.next().await?;
        }
        client.message(&to, &format!("missed{number}"), "you were away")?;
    }
    while client.unacknowledged() > 0 {
        client.next().await?;
    }
    Ok(client.close().await?)
}

/// Announces itself, and waits until the server has heard it.
async fn settle(client: &mut Client<Stream, ()>) -> anyhow::Result<()> {
    client.request_roster()?;
    client.available()?;
    loop {
        match client.next().await? {
            Event::Presence(_) => return Ok(()),
            Event::Closed => bail!("the stream was closed"),
            _ => {}
        }
    }
}

/// A figure of the survivor; none where it has none.
fn figure(pair: &Pair, name: &str) -> Option<u64> {
    let text = pair.stations[POLLUX].ctl(&["--json", "statistics"]).ok()?;
    let figures: BTreeMap<String, u64> = serde_json::from_str(&text).ok()?;
    figures.get(name).copied()
}
