//! Knows of most names that they are not in a table, from memory that stays in the processor's cache.
//!
//! One bit for each name, at a place that its hash says. A bit that is not set says that the name is not there; one that
//! is set says nothing. Of a table of 100,000 names it knows 97 of 100 that are not in it, of a million three of four.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// 512 KiB.
const WORDS: usize = 1 << 16;
const BITS: u64 = WORDS as u64 * 64;

#[derive(Default)]
pub(super) struct Filter {
    /// Made with the first name.
    words: OnceLock<Box<[AtomicU64]>>,
}

impl Filter {
    fn words(&self) -> &[AtomicU64] {
        self.words.get_or_init(|| (0..WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether a name of that hash may have been added.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let (word, bit) = place(hash);
        self.words
            .get()
            .and_then(|words| words.get(word))
            .is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Adds a name, before the table has it: who is told of the table's new length sees the bit, too.
    pub(super) fn add(&self, hash: u64) {
        let (word, bit) = place(hash);
        if let Some(word) = self.words().get(word) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Puts exactly these names in the place of all. No name that was there and still is goes missing meanwhile. Only for
    /// the one who holds the writer's lock.
    pub(super) fn replace(&self, hashes: impl Iterator<Item = u64>) {
        let mut new = vec![0_u64; WORDS];
        for hash in hashes {
            let (word, bit) = place(hash);
            if let Some(word) = new.get_mut(word) {
                *word |= bit;
            }
        }
        self.words().iter().zip(new).for_each(|(word, new)| word.store(new, Ordering::Relaxed));
    }
}

/// By bits of the hash that choose no place in a table of up to four million entries.
const fn place(hash: u64) -> (usize, u64) {
    let bit = (hash >> 24) % BITS;
    ((bit / 64) as usize, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Filter;

    proptest! {
        #[test]
        fn what_was_added_is_never_said_not_to_be_there(
            first in prop::collection::vec(any::<u64>(), 0..100),
            second in prop::collection::vec(any::<u64>(), 0..100),
            third in prop::collection::vec(any::<u64>(), 0..100),
        ) {
            let filter = Filter::default();
            first.iter().for_each(|hash| filter.add(*hash));
            prop_assert!(first.iter().all(|hash| filter.may_have(*hash)));
            filter.replace(second.iter().copied());
            third.iter().for_each(|hash| filter.add(*hash));
            prop_assert!(second.iter().chain(&third).all(|hash| filter.may_have(*hash)));
        }
    }

    #[test]
    fn of_ten_thousand_names_it_knows_nearly_all_that_are_not_there() {
        let hash = |n: u64| {
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).wrapping_mul(0xd6e8_feb8_6659_fd93)
        };
        let filter = Filter::default();
        assert!(!filter.may_have(hash(0)));
        let there: BTreeSet<u64> = (0..10_000).map(hash).collect();
        there.iter().for_each(|hash| filter.add(*hash));
        let taken_for_there = (10_000..110_000).map(hash).filter(|hash| filter.may_have(*hash)).count();
        assert!(taken_for_there < 500, "{taken_for_there} of 100,000");
        filter.replace(std::iter::empty());
        assert!(there.iter().all(|hash| !filter.may_have(*hash)));
    }
}
