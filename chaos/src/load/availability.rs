//! Changes of availability among users who watch each other: what one delivery costs the server and
//! how long it takes. The account of each delivery is in `board`.

use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;
use tokio::select;
use tokio::time::{Instant, sleep};

use super::board::{Board, RESOURCE};
use super::clock::now;
use super::crowd::Crowd;
use super::histogram::Latency;
use super::lattice::Lattice;
use super::pacer::Pacer;
use super::span::Span;
use super::target::Target;
use crate::client::StreamManagement;

/// Changes under way at the same time in a closed loop.
const WINDOW: usize = 64;
/// How long nothing may move at the end before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const TELL_AGAIN: Duration = Duration::from_secs(2);

/// Every contact must get every change from the right user and in order, and the last of each; what
/// a later one made needless may be left out and is counted.
#[derive(Debug, Clone, Copy)]
pub struct Availability {
    pub users: usize,
    /// Of each user; an even number, half of them on either side in a ring of all users.
    pub contacts: usize,
    /// Deliveries a second in all; a closed loop where there is none.
    pub rate: Option<f64>,
    pub warm_up: Duration,
    pub duration: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct AvailabilityReport {
    pub users: usize,
    pub contacts: usize,
    pub rate: Option<f64>,
    pub starttls: bool,
    pub seconds: f64,
    /// Announced in the measured time.
    pub changes: u64,
    /// Delivered in the measured time.
    pub deliveries: u64,
    pub deliveries_per_second: f64,
    pub cpu_ms_per_delivery: Option<f64>,
    /// From the change, or the moment at which it was meant to be, to each delivery.
    pub latency: Latency,
    /// Of the whole run, warm-up included.
    pub changes_in_all: u64,
    pub deliveries_in_all: u64,
    /// Deliveries that were left out because a later one of the same user came in their place.
    pub superseded: u64,
}

impl Availability {
    /// Whether there is such a ring, before anything is started for it.
    pub fn check(&self) -> anyhow::Result<()> {
        let (users, contacts) = (self.users, self.contacts);
        if contacts < 2 || !contacts.is_multiple_of(2) || contacts >= users {
            bail!(
                "{contacts} contacts of {users} users: contacts are an even number from 2 on and \
                 fewer than the users"
            );
        }
        if self
            .rate
            .is_some_and(|rate| !(rate.is_finite() && rate > 0.0))
        {
            bail!("a rate is a number above 0");
        }
        Ok(())
    }

    /// Makes the subscriptions that are missing, then runs. Must run inside of a `LocalSet`.
    pub async fn run(&self, target: Rc<Target>) -> anyhow::Result<AvailabilityReport> {
        self.check()?;
        let lattice = Lattice::new(&target, self.users, self.contacts)?;
        let board = Rc::new(Board::new(lattice, self.users, self.contacts));
        let management = StreamManagement::Off;
        let users = 0..self.users;
        let mut crowd = Crowd::gather(&target, users, RESOURCE, management, board.clone()).await?;
        board.lattice.weave(&mut crowd, &target).await?;
        self.settle(&mut crowd, &board).await?;
        target.say(format_args!(
            "{} users with {} contacts each are here",
            self.users, self.contacts
        ));
        let end = now() + self.warm_up + self.duration;
        let ((), measured) = tokio::try_join!(
            self.drive(&mut crowd, &board, end),
            self.measure(&board, &target)
        )?;
        let under_way = || board.under_way();
        crowd.until(PATIENCE, "deliveries", under_way).await?;
        crowd.dismiss().await?;
        let tally = board.tally();
        Ok(AvailabilityReport {
            changes_in_all: tally.changes,
            deliveries_in_all: tally.deliveries,
            superseded: tally.superseded,
            ..measured
        })
    }

    /// What everybody's arrival and the subscriptions led to shall be over: a ping is answered
    /// after it.
    async fn settle(&self, crowd: &mut Crowd, board: &Board) -> anyhow::Result<()> {
        crowd.tell_all(&board.ping())?;
        let unanswered = || (self.users - board.pongs()) as u64;
        crowd.until(PATIENCE, "answers to a ping", unanswered).await
    }

    async fn drive(&self, crowd: &mut Crowd, board: &Board, end: Instant) -> anyhow::Result<()> {
        match self.rate {
            Some(rate) => {
                self.pace(crowd, board, rate / self.contacts as f64, end)
                    .await
            }
            None => self.keep_up(crowd, board, end).await,
        }
    }

    /// At a rate, whatever the server does.
    async fn pace(
        &self,
        crowd: &mut Crowd,
        board: &Board,
        changes_per_second: f64,
        end: Instant,
    ) -> anyhow::Result<()> {
        let pacer = Pacer::new()?;
        let start = now();
        for k in 0_u64.. {
            let meant = start + Duration::from_secs_f64(k as f64 / changes_per_second);
            if meant >= end {
                break;
            }
            pacer.until(meant).await?;
            crowd.check()?;
            self.change(crowd, board, meant)?;
        }
        Ok(())
    }

    /// A change that everybody has got is followed by the next user's.
    async fn keep_up(&self, crowd: &mut Crowd, board: &Board, end: Instant) -> anyhow::Result<()> {
        for _ in 0..WINDOW.min(self.users) {
            self.change(crowd, board, now())?;
        }
        while now() < end {
            select! {
                biased;
                () = board.finished.notified() => {}
                () = sleep(LOOK_AGAIN) => {}
            }
            crowd.check()?;
            for _ in 0..board.take_finished() {
                self.change(crowd, board, now())?;
            }
        }
        Ok(())
    }

    /// The next user in turn changes its availability.
    fn change(&self, crowd: &Crowd, board: &Board, meant: Instant) -> anyhow::Result<()> {
        let user = (board.tally().changes % self.users as u64) as usize;
        crowd.tell(user, board.change(user, meant))
    }

    /// Counts from the end of the warm-up to the end of the run.
    async fn measure(&self, board: &Board, target: &Target) -> anyhow::Result<AvailabilityReport> {
        sleep(self.warm_up).await;
        let span = Span::begin(target, "")?;
        board.latency.borrow_mut().clear();
        let (before, start) = (board.tally(), now());
        let mut told = (before.deliveries, start);
        while start.elapsed() < self.duration {
            sleep(TELL_AGAIN.min(self.duration.saturating_sub(start.elapsed()))).await;
            let deliveries = board.tally().deliveries;
            let per_second =
                (deliveries - told.0) as f64 / told.1.elapsed().as_secs_f64().max(0.001);
            target.say(format_args!(
                "{:>3.0} s: {per_second:.0} deliveries/s",
                start.elapsed().as_secs_f64()
            ));
            told = (deliveries, now());
        }
        let cpu = span.end()?;
        let (after, seconds) = (board.tally(), start.elapsed().as_secs_f64());
        let deliveries = after.deliveries - before.deliveries;
        let latency = board.latency.borrow().latency();
        Ok(AvailabilityReport {
            users: self.users,
            contacts: self.contacts,
            rate: self.rate,
            starttls: target.is_secured(),
            seconds,
            changes: after.changes - before.changes,
            deliveries,
            deliveries_per_second: deliveries as f64 / seconds,
            cpu_ms_per_delivery: cpu.map(|cpu| cpu / deliveries.max(1) as f64),
            latency,
            changes_in_all: 0,
            deliveries_in_all: 0,
            superseded: 0,
        })
    }
}
