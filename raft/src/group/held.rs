//! What a replica holds in memory: the machine, how far each process's commands are taken, and the
//! index up to which that is applied. Written by the machine adapter alone.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pollux_store::codec;

use super::entry::Taken;
use crate::machine::Kind;

/// See the module.
pub(super) struct Held<G: Kind> {
    pub(super) machine: G::Machine,
    pub(super) taken: Taken,
    pub(super) index: u64,
}

/// [`Held`], as it is shared.
pub(super) struct State<G: Kind> {
    held: Arc<RwLock<Held<G>>>,
    /// States as they were at the entries that asked for a digest, newest last.
    marked: Arc<Mutex<VecDeque<Mark<G>>>>,
}

struct Mark<G: Kind> {
    index: u64,
    machine: G::Machine,
    taken: Taken,
}

/// States that are kept for a digest; an older one is forgotten.
const MARKS_MAX: usize = 4;

impl<G: Kind> Clone for State<G> {
    fn clone(&self) -> Self {
        State {
            held: self.held.clone(),
            marked: self.marked.clone(),
        }
    }
}

impl<G: Kind> Default for State<G> {
    fn default() -> Self {
        let held = Held {
            machine: G::Machine::default(),
            taken: Taken::default(),
            index: 0,
        };
        State {
            held: Arc::new(RwLock::new(held)),
            marked: Arc::default(),
        }
    }
}

impl<G: Kind> State<G> {
    pub(super) fn read<R>(&self, read: impl FnOnce(&Held<G>) -> R) -> R {
        read(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write<R>(&self, write: impl FnOnce(&mut Held<G>) -> R) -> R {
        write(&mut self.held.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the state as it is now for a digest. Costs a clone: pointers, not contents.
    pub(super) fn mark(&self, held: &Held<G>) {
        let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        if MARKS_MAX <= marked.len() {
            marked.pop_front();
        }
        marked.push_back(Mark {
            index: held.index,
            machine: held.machine.clone(),
            taken: held.taken.clone(),
        });
    }

    /// The checksum of the state as it was when the entry `index` was applied, which had asked for
    /// it. None where it was not applied yet, or is forgotten.
    pub(super) fn digest_at(&self, index: u64) -> io::Result<Option<u32>> {
        let marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mark) = marked.iter().find(|mark| mark.index == index) else {
            return Ok(None);
        };
        Ok(Some(codec::digest(&(&mark.machine, &mark.taken))?))
    }

    /// The index of the newest state that is kept for a digest.
    pub(super) fn last_mark(&self) -> Option<u64> {
        let marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        marked.back().map(|mark| mark.index)
    }
}
