//! How long an empty commit takes on this disk: what a promise to keep something costs at the
//! least. Written as the log is, with redb; knows nothing of Pollux.

use std::time::Duration;

use anyhow::Context;
use pollux_chaos::load::{Histogram, Latency, now};
use redb::{Database, TableDefinition};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("probe");
/// Of one commit.
const BYTES: usize = 100;
/// Not counted: the file grows at first.
const WARM_UP: u64 = 50;

/// Commits one after the other, each flushed, for this time; what one takes.
pub fn probe(duration: Duration) -> anyhow::Result<Latency> {
    let folder = tempfile::Builder::new().prefix("disk-probe-").tempdir();
    let folder = folder.context("make a folder for the probe")?;
    let database = Database::create(folder.path().join("probe.redb"));
    let database = database.context("make a database")?;
    let mut histogram = Histogram::default();
    let start = now();
    for number in 0_u64.. {
        if number > WARM_UP && start.elapsed() > duration {
            break;
        }
        let began = now();
        commit(&database, number).context("commit to the database")?;
        if number >= WARM_UP {
            histogram.record(began.elapsed());
        }
    }
    Ok(histogram.latency())
}

fn commit(database: &Database, number: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction
        .open_table(TABLE)?
        .insert(number % 1000, &[7; BYTES][..])?;
    transaction.commit()?;
    Ok(())
}
