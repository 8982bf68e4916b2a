//! Memory of a worker that is used for a moment, again and again.
//!
//! A connection that waits keeps no buffer. What is read lands in memory that was just used for another connection, and
//! so is in the processor's cache; only as much as came is copied to memory of its own. What is written is put together
//! in such memory too, and stays only if the socket does not take all of it. Besides, an idle connection costs little.

use std::cell::{Cell, RefCell};

/// Most is read in one go that is copied.
pub(super) const READ: usize = 8 * 1024;
/// A buffer of more is not kept.
const MOST_KEPT: usize = 16 * 1024;
/// Room for an ordinary head from the first.
const LEAST: usize = 1024;

thread_local! {
    static READING: RefCell<[u8; READ]> = const { RefCell::new([0; READ]) };
    static WRITING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the memory to read into. `None` where it is lent already, or the thread ends.
pub(super) fn reading<T>(read: impl FnOnce(&mut [u8; READ]) -> T) -> Option<T> {
    READING.try_with(|place| place.try_borrow_mut().ok().map(|mut place| read(&mut place))).ok().flatten()
}

/// An empty buffer to write into.
pub(super) fn take() -> Vec<u8> {
    let kept = WRITING.try_with(Cell::take).unwrap_or_default();
    if kept.capacity() < LEAST { Vec::with_capacity(LEAST) } else { kept }
}

/// Gives a buffer back whose content has left.
pub(super) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() <= MOST_KEPT {
        buffer.clear();
        let _ = WRITING.try_with(|kept| kept.set(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_KEPT, give, reading, take};

    #[test]
    fn a_buffer_comes_back_empty() {
        let mut buffer = take();
        buffer.extend_from_slice(b"SECRET");
        let place = buffer.as_ptr();
        give(buffer);
        let again = take();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert!(take().is_empty(), "another, while that one is in use");
        give(Vec::with_capacity(MOST_KEPT + 1));
        assert!(take().capacity() <= MOST_KEPT);
    }

    #[test]
    fn it_is_lent_once_at_a_time() {
        assert_eq!(reading(|_| reading(|_| ())), Some(None));
        assert_eq!(reading(|_| ()), Some(()));
    }
}
