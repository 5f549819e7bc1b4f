//! The log in memory, for the simulation: a disk that outlives the process, and flushes that take
//! their time and may be cut off by a crash.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Done, Encode, LogBounds, LogStore, LogWrite};

/// What is on the simulated disk for certain. Outlives the simulated process.
#[derive(Debug, Default)]
pub struct SimulatedDisk {
    durable: Mutex<Contents>,
}

#[derive(Debug, Default, Clone)]
struct Contents {
    vote: Option<Bytes>,
    purged: Option<Bytes>,
    entries: BTreeMap<u64, Bytes>,
    snapshot: Option<(u64, Bytes)>,
}

type Job = Box<dyn FnOnce(&mut Contents) -> io::Result<()> + Send>;

/// One process's way to a [`SimulatedDisk`].
#[derive(Debug)]
pub struct MemoryLog {
    disk: Arc<SimulatedDisk>,
    queue: mpsc::Sender<(Job, Done)>,
}

impl MemoryLog {
    /// Must be called within the simulated process, whose end takes all flushes with it that are
    /// under way. `latency` says how long each flush takes.
    pub fn open(
        disk: Arc<SimulatedDisk>,
        latency: impl Fn() -> Duration + Send + 'static,
    ) -> MemoryLog {
        const QUEUE: usize = 1_024;
        let (queue, mut jobs) = mpsc::channel::<(Job, Done)>(QUEUE);
        let target = disk.clone();
        tokio::task::spawn_local(async move {
            while let Some((job, done)) = jobs.recv().await {
                tokio::time::sleep(latency()).await;
                let result = job(&mut target.contents());
                done(result);
            }
        });
        MemoryLog { disk, queue }
    }

    fn enqueue(&self, job: Job, done: Done) {
        if let Err(error) = self.queue.try_send((job, done)) {
            let (_, done) = error.into_inner();
            done(Err(io::Error::other("the simulated disk takes no more")));
        }
    }
}

impl SimulatedDisk {
    /// The index of the last entry on the disk.
    pub fn last_index(&self) -> u64 {
        let contents = self.contents();
        contents.entries.keys().next_back().copied().unwrap_or(0)
    }

    /// The bytes of one entry, as they are on the disk: for whoever compares replicas.
    pub fn entry(&self, index: u64) -> Option<Bytes> {
        self.contents().entries.get(&index).cloned()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogStore for MemoryLog {
    fn bounds(&self) -> io::Result<LogBounds> {
        let contents = self.disk.contents();
        Ok(LogBounds {
            vote: contents.vote.clone(),
            purged: contents.purged.clone(),
            last_entry: contents.entries.values().next_back().cloned(),
        })
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<Bytes>> {
        let contents = self.disk.contents();
        Ok(contents
            .entries
            .range(from..to)
            .map(|(_, entry)| entry.clone())
            .collect())
    }

    fn write(&self, write: LogWrite, done: Done) {
        let job: Job = Box::new(move |contents| {
            match write {
                LogWrite::Vote(vote) => contents.vote = Some(vote),
                LogWrite::Append(entries) => contents.entries.extend(entries),
                LogWrite::Truncate { from } => {
                    contents.entries.split_off(&from);
                }
                LogWrite::Purge { through, mark } => {
                    contents.entries = contents.entries.split_off(&(through + 1));
                    contents.purged = Some(mark);
                }
            }
            Ok(())
        });
        self.enqueue(job, done);
    }

    fn save_snapshot(&self, index: u64, encode: Encode, done: Done) {
        let encoded = encode();
        let job: Job = Box::new(move |contents| {
            let encoded = Bytes::from(encoded?);
            if contents
                .snapshot
                .as_ref()
                .is_none_or(|(held, _)| *held <= index)
            {
                contents.snapshot = Some((index, encoded));
            }
            Ok(())
        });
        self.enqueue(job, done);
    }

    fn read_snapshot(&self) -> io::Result<Option<Bytes>> {
        let contents = self.disk.contents();
        Ok(contents.snapshot.as_ref().map(|(_, bytes)| bytes.clone()))
    }
}
