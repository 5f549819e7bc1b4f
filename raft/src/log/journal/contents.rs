//! What a journal holds: vote, mark of the last purge, and where each entry stands. Made by the
//! same changes when they are written and when they are read again. No file is touched here.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;

use super::frame::Change;

/// Where the bytes of an entry stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// Which entries there are, as numbers alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first index that counts: what is before it was purged.
    pub(super) begin: u64,
    /// The entries are `first..next`. The next one has that index; any, where it is 0.
    pub(super) first: u64,
    pub(super) next: u64,
    /// Entries before this one, as far as they count, are in segments that are not there.
    lost: u64,
}

impl Extent {
    /// Refuses what does not follow on what is there.
    pub(super) fn take(&mut self, change: &Change<'_>) -> io::Result<()> {
        match *change {
            Change::Entry { index, .. } if self.next == 0 || self.next == index => {
                if self.first == self.next {
                    self.first = index;
                }
                self.next = index.saturating_add(1);
            }
            Change::Entry { index, .. } => {
                return Err(invalid(format!("entries before {index} are missing")));
            }
            Change::Truncate { from } => {
                self.next = self.next.min(from).max(self.begin);
                self.first = self.first.min(self.next);
                self.lost = self.lost.min(from);
            }
            Change::Purge { through, .. } => {
                self.begin = self.begin.max(through.saturating_add(1));
                self.first = self.first.max(self.begin);
                self.next = self.next.max(self.first);
            }
            Change::Vote(_) | Change::Earlier { .. } => {}
        }
        Ok(())
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    pub(super) vote: Option<Bytes>,
    /// The mark of the last purge.
    pub(super) purged: Option<Bytes>,
    pub(super) extent: Extent,
    places: VecDeque<Place>,
}

impl Contents {
    /// Of a journal whose segments before the first that is there were removed: nothing of them is
    /// known but that they went as far as the first change says.
    pub(super) fn begin_after(&mut self, next: u64) {
        let extent = &mut self.extent;
        extent.lost = next;
        extent.next = extent.next.max(next);
        extent.first = extent.next;
    }

    /// Takes over a change; `place` is where an entry's bytes are.
    pub(super) fn take(&mut self, change: &Change<'_>, place: Place) -> io::Result<()> {
        let before = self.extent;
        self.extent.take(change)?;
        match *change {
            Change::Vote(vote) => self.vote = Some(Bytes::copy_from_slice(vote)),
            Change::Entry { .. } => self.places.push_back(place),
            Change::Truncate { .. } => {
                let left = self.extent.next.saturating_sub(before.first);
                self.places.truncate(left as usize);
            }
            Change::Purge { mark, .. } => {
                let gone = (self.extent.first - before.first) as usize;
                self.places.drain(..gone.min(self.places.len()));
                self.purged = Some(Bytes::copy_from_slice(mark));
            }
            Change::Earlier { .. } => {}
        }
        Ok(())
    }

    /// An entry that counts must be there.
    pub(super) fn check(&self) -> io::Result<()> {
        let Extent { begin, lost, .. } = self.extent;
        match begin < lost {
            true => Err(invalid(format!("entries before {lost} are missing"))),
            false => Ok(()),
        }
    }

    /// Where the entries of these indexes are, as many as there are.
    pub(super) fn places(&self, from: u64, to: u64) -> Vec<Place> {
        let Extent { first, next, .. } = self.extent;
        let (from, to) = (from.clamp(first, next), to.clamp(first, next));
        let skipped = self.places.iter().skip((from - first) as usize);
        let count = to.saturating_sub(from) as usize;
        skipped.take(count).copied().collect()
    }

    pub(super) fn last(&self) -> Option<Place> {
        self.places.back().copied()
    }

    /// What a new segment begins with, so that earlier ones can go.
    pub(super) fn summary(&self) -> Vec<Change<'_>> {
        let mut summary = Vec::new();
        summary.extend(self.vote.as_deref().map(Change::Vote));
        if let (Some(mark), Some(through)) = (&self.purged, self.extent.begin.checked_sub(1)) {
            summary.push(Change::Purge { through, mark });
        }
        let next = self.extent.next;
        summary.push(Change::Earlier { next });
        summary
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
#[path = "contents_test.rs"]
mod tests;
