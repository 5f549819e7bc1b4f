//! A group begins with what was backed up: as if one voter had always been alone with it. Works on
//! an empty log that nobody has open.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::sync_channel;

use openraft::CommittedLeaderId;
use pollux_domain::ids::Voter;
use pollux_store::codec;

use super::entry::Taken;
use super::log_adapter::MARK_VERSION;
use super::types::{Image, LogId, Membership, Meta, Vote};
use crate::log::{Done, LogStore, LogWrite};
use crate::machine::Kind;
use crate::version::{FORMATS, Written};

/// The term and the index of the entry of which a snapshot says that it was the last.
const FIRST: u64 = 1;

/// Writes `machine` as the snapshot of a group in which `me` alone votes. Nothing is there before,
/// or the log is not an empty one.
pub fn seed<G: Kind>(store: &dyn LogStore, me: Voter, machine: G::Machine) -> io::Result<()> {
    let bounds = store.bounds()?;
    if bounds.last_entry.is_some() || bounds.vote.is_some() || bounds.purged.is_some() {
        return Err(io::Error::other("the log is not empty"));
    }
    let voter = me.number();
    let last = LogId::new(CommittedLeaderId::new(FIRST, voter), FIRST);
    let members = openraft::Membership::new(vec![BTreeSet::from([voter])], ());
    let image = Image {
        written: Written::here(FORMATS.newest),
        meta: Meta {
            last_log_id: Some(last),
            last_membership: Membership::new(Some(last), members),
            snapshot_id: FIRST.to_string(),
        },
        taken: Taken::default(),
        machine,
    };
    let bytes = codec::encode(FORMATS.newest, &image)?;
    wait(|done| store.save_snapshot(FIRST, Box::new(move || Ok(bytes)), done))?;
    let vote = codec::encode(MARK_VERSION, &Vote::new_committed(FIRST, voter))?;
    wait(|done| store.write(LogWrite::Vote(vote.into()), done))?;
    let mark = codec::encode(MARK_VERSION, &last)?.into();
    let through = FIRST;
    wait(|done| store.write(LogWrite::Purge { through, mark }, done))
}

fn wait(write: impl FnOnce(Done)) -> io::Result<()> {
    let (tell, told) = sync_channel(1);
    write(Box::new(move |result| drop(tell.send(result))));
    told.recv()
        .map_err(|_| io::Error::other("the log's writer has ended"))?
}
