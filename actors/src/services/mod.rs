//! The services of a node: looked after one by one, each by its own task, which starts it, stops
//! it, looks whether it works, and starts it again when it has failed. What follows from what is
//! seen stands in `domain::services`.

pub mod client_port;
mod stopped;
mod store;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pollux_domain::metrics::Sample;
use pollux_domain::operations::ServiceRow;
use pollux_domain::seams::Clock;
use pollux_domain::services::{self, Act, Down, Due, Event, Observed, Record, Service, Wish};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use stopped::Stopped;
pub use store::StoreProbe;

/// What does it.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A service as it is started, stopped and looked at. None of them may wait without end.
pub trait Driver: Send + Sync + 'static {
    /// Err: why not, and what to do.
    fn start(&self) -> Doing<'_, Result<(), String>>;

    /// It is stopped when this returns.
    fn stop(&self) -> Doing<'_, ()>;

    /// Whether it does what it is for.
    fn check(&self) -> Doing<'_, Result<(), String>>;
}

/// See the module.
#[derive(Default)]
pub struct Services {
    records: Mutex<BTreeMap<Service, Record>>,
    drivers: Mutex<BTreeMap<Service, Arc<dyn Driver>>>,
    /// Which of them an operator has stopped: outlives the process.
    stopped: OnceLock<Stopped>,
    changes: watch::Sender<u64>,
}

impl Services {
    /// Where it is kept which are stopped. To be called before any is added.
    pub fn keep(&self, stopped: Stopped) {
        let _first = self.stopped.set(stopped);
    }

    /// Whether its operator wants this one to run.
    pub fn is_wanted(&self, service: Service) -> bool {
        let stopped = self.stopped.get();
        stopped.is_none_or(|stopped| !stopped.contains(service))
    }

    /// One more, which runs now if it is wanted.
    pub fn add(&self, service: Service, driver: Arc<dyn Driver>, now: Duration) {
        let record = match self.is_wanted(service) {
            true => Record::running(now),
            false => {
                tracing::warn!(%service, "service stays stopped, as its operator wants");
                Record::stopped(now)
            }
        };
        let record = match service.is_started_again() {
            true => record,
            false => record.that_mends_itself(),
        };
        self.records().insert(service, record);
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.insert(service, driver);
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<Service, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The critical service that has not run for the longest time.
    pub fn down(&self, now: Duration) -> Option<Down> {
        let records = self.records();
        services::worst(
            records.iter().map(|(service, record)| (*service, record)),
            now,
        )
    }

    /// None: this node has no such service.
    pub fn record(&self, service: Service) -> Option<Record> {
        self.records().get(&service).cloned()
    }

    /// An operator's wish. Err: it could not be kept, and is not followed.
    pub fn wish(&self, service: Service, event: Event, now: Duration) -> std::io::Result<()> {
        if let Some(stopped) = self.stopped.get() {
            let is_stopped = event == Event::Wished(Wish::Stopped);
            stopped.set(service, is_stopped)?;
        }
        self.happens(service, event, now);
        Ok(())
    }

    fn happens(&self, service: Service, event: Event, now: Duration) {
        if let Some(record) = self.records().get_mut(&service) {
            record.happens(event, now);
        }
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Waits until nothing is under way; whoever waits longer sees what there is.
    pub async fn settled(&self, service: Service, patience: Duration) {
        let mut changes = self.changes.subscribe();
        let is_settled = || {
            self.record(service)
                .is_none_or(|record| record.is_settled())
        };
        let waiting = async { while !is_settled() && changes.changed().await.is_ok() {} };
        let _late = tokio::time::timeout(patience, waiting).await;
    }

    /// Each as an operator sees it.
    pub fn rows(&self, now: Duration) -> Vec<ServiceRow> {
        let records = self.records();
        let rows = records.iter().map(|(service, record)| ServiceRow {
            service: *service,
            is_critical: service.is_critical(),
            can_stop: service.can_stop(),
            wanted: record.wish(),
            state: record.observed(),
            for_seconds: now.saturating_sub(record.since()).as_secs(),
            reason: record.reason().map(str::to_owned),
            meaning: service.meaning().to_owned(),
        });
        rows.collect()
    }

    /// The same as numbers.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let records = self.records();
        let samples = records.iter().flat_map(|(service, record)| {
            let state = Sample::gauge(
                "pollux_service_state",
                "A service: 0 stopped, 1 starting, 2 running, 3 stopping, 4 failed.",
                f64::from(record.observed().number()),
            );
            let failures = Sample::counter(
                "pollux_service_failures_total",
                "How often a service has failed.",
                record.failures_total(),
            );
            [state, failures].map(|sample| sample.with("service", service.name()))
        });
        samples.collect()
    }

    /// Looks after all that were added, until it is dropped.
    pub async fn run(self: Arc<Self>, clock: Arc<dyn Clock>) {
        let drivers = self.drivers.lock();
        let drivers = drivers.unwrap_or_else(PoisonError::into_inner).clone();
        let mut tasks = JoinSet::new();
        let mut names = BTreeMap::new();
        let look_after = |tasks: &mut JoinSet<()>, service: Service| {
            let driver = drivers[&service].clone();
            let task = self.clone().look_after(service, driver, clock.clone());
            tasks.spawn(task).id()
        };
        for service in drivers.keys().copied() {
            let id = look_after(&mut tasks, service);
            names.insert(id, service);
        }
        while let Some(ended) = tasks.join_next().await {
            // They go on for ever but for a panic.
            let Err(error) = ended else { continue };
            let Some(service) = names.remove(&error.id()) else {
                continue;
            };
            tracing::error!(%service, %error, "who looks after a service has failed");
            let id = look_after(&mut tasks, service);
            names.insert(id, service);
        }
        // A node without services.
        std::future::pending().await
    }

    async fn look_after(
        self: Arc<Self>,
        service: Service,
        driver: Arc<dyn Driver>,
        clock: Arc<dyn Clock>,
    ) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let now = clock.now();
            let due = self.record(service).map(|record| record.due(now));
            match due {
                None | Some(Due::Never) => _ = changes.changed().await,
                Some(Due::At(at)) => {
                    let pause = tokio::time::sleep(at.saturating_sub(now));
                    tokio::select! {
                        biased;
                        _ = changes.changed() => {}
                        () = pause => {}
                    }
                }
                Some(Due::Now(act)) => self.act(service, driver.as_ref(), act, &*clock).await,
            }
        }
    }

    /// One act from its beginning to its end, and what the log hears of it.
    async fn act(&self, service: Service, driver: &dyn Driver, act: Act, clock: &dyn Clock) {
        let before = self.record(service);
        if act != Act::Check {
            self.happens(service, Event::Begun(act), clock.now());
        }
        let event = match act {
            Act::Start => match driver.start().await {
                Ok(()) => Event::Started,
                Err(reason) => Event::Failed(reason),
            },
            Act::Stop => {
                driver.stop().await;
                Event::Stopped
            }
            Act::Check => match driver.check().await {
                Ok(()) => Event::Passed,
                Err(reason) => Event::Failed(reason),
            },
        };
        if let Event::Failed(reason) = &event {
            tracing::debug!(%service, ?act, reason, "service is not as it should be");
        }
        let now = clock.now();
        self.happens(service, event, now);
        if let (Some(before), Some(after)) = (before, self.record(service)) {
            say(service, &before, &after, now);
        }
    }
}

/// Each failure, each attempt in vain, and that it is over.
fn say(service: Service, before: &Record, after: &Record, now: Duration) {
    let failed_again = before.failures_total() < after.failures_total();
    match (before.observed(), after.observed()) {
        (_, Observed::Failed) if failed_again => {
            let next = match after.due(now) {
                Due::At(at) => at.saturating_sub(now),
                Due::Now(_) | Due::Never => Duration::ZERO,
            };
            let reason = after.reason();
            match service.is_started_again() {
                true => tracing::warn!(%service, reason, ?next, "service failed, is started again"),
                false => tracing::warn!(%service, reason, "service failed, mends by itself"),
            }
        }
        (before, Observed::Running) if before != Observed::Running => {
            tracing::info!(%service, "service runs");
        }
        (before, Observed::Stopped) if before != Observed::Stopped => {
            tracing::info!(%service, "service is stopped");
        }
        _ => {}
    }
}
