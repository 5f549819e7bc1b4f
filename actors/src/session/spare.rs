//! A buffer for what a session writes, lent for a turn: turns of one thread follow each other, so
//! one does for all its sessions, and a session keeps only what its socket has not taken. Not for
//! what is in it.

use std::cell::Cell;

use bytes::BytesMut;

/// A new buffer; most turns write less.
const BYTES: usize = 4 * 1024;
/// A larger one is not kept.
const BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Gives a buffer to a session that has none.
pub fn lend(queue: &mut BytesMut) {
    if queue.capacity() == 0 {
        *queue = SPARE
            .take()
            .unwrap_or_else(|| BytesMut::with_capacity(BYTES));
    }
}

/// Takes the buffer of a session that has written all.
pub fn take_back(queue: &mut BytesMut) {
    if queue.is_empty() && queue.capacity() != 0 {
        let buffer = std::mem::take(queue);
        if buffer.capacity() <= BYTES_MAX {
            SPARE.set(Some(buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    #[test]
    fn a_buffer_goes_round_and_what_is_not_written_stays() {
        let (mut one, mut other) = (BytesMut::new(), BytesMut::new());
        lend(&mut one);
        one.extend_from_slice(b"written");
        let place = one.as_ptr();
        one.advance(7);
        take_back(&mut one);
        assert_eq!(one.capacity(), 0);
        lend(&mut other);
        other.reserve(BYTES);
        assert_eq!(other.as_ptr(), place, "the same, from its beginning");
        other.extend_from_slice(b"not written");
        take_back(&mut other);
        assert_eq!(&other[..], b"not written");
        other.clear();
        other.reserve(2 * BYTES_MAX);
        take_back(&mut other);
        lend(&mut one);
        assert!(one.capacity() <= BYTES_MAX, "a large one is not kept");
    }
}
