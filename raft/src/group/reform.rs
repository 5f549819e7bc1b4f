//! A group goes on with one voter where the others are lost for good: the operator's last word for
//! a pair without a witness. Works on a log that nobody has open; everything in it is kept, since
//! any of it may have been acknowledged.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::sync_channel;

use openraft::entry::RaftEntry;
use openraft::{LogId, Membership};
use pollux_domain::ids::Voter;
use pollux_store::codec;

use super::types::Types;
use crate::log::{LogStore, LogWrite};
use crate::machine::Kind;
use crate::version::FORMATS;

type Entry<G> = openraft::impls::Entry<Types<G>>;

/// Appends the membership in which `me` alone votes, under an incarnation that was never used.
/// Returns the index of that entry.
pub fn reform<G: Kind>(store: &dyn LogStore, me: Voter) -> io::Result<u64> {
    let bounds = store.bounds()?;
    let last: Option<LogId<u64>> = match (bounds.last_entry, bounds.purged) {
        (Some(entry), _) => {
            let entry: Entry<G> = codec::decode(FORMATS.newest, &entry)?;
            Some(entry.log_id)
        }
        (None, Some(mark)) => codec::decode(1, &mark)?,
        (None, None) => None,
    };
    let last = last.ok_or_else(|| io::Error::other("the log is empty: nothing is to be saved"))?;
    let mut next = last;
    next.index += 1;
    let membership = Membership::new(vec![BTreeSet::from([me.number()])], ());
    let entry = Entry::<G>::new_membership(next, membership);
    let record = codec::encode(FORMATS.oldest, &entry)?;
    let (tell, told) = sync_channel(1);
    let write = LogWrite::Append(vec![(next.index, record.into())]);
    store.write(write, Box::new(move |result| drop(tell.send(result))));
    told.recv()
        .map_err(|_| io::Error::other("the log's writer has ended"))??;
    Ok(next.index)
}
