//! A filter before the search for a name.

/// Which names may be there, as a Bloom filter of one hash: most of those that are looked for are not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks(pub(super) u64);

impl Marks {
    /// A bit for a name in lower case, which other names have too.
    const fn of(name: &[u8]) -> u64 {
        match name {
            [first, ..] => Self::bit(*first, name.len()),
            [] => 0,
        }
    }

    /// Of the names that are looked for, few share one with a name that is often there.
    const fn bit(first: u8, length: usize) -> u64 {
        1 << (((first as usize).wrapping_mul(5) ^ length.wrapping_mul(7)) % 64)
    }

    pub(super) const fn add(&mut self, name: &[u8]) {
        self.0 |= Self::of(name);
    }

    /// The same for a name in any case.
    pub(crate) fn may_have_in_any_case(self, name: &[u8]) -> bool {
        let bit = |first: &u8| Self::bit(first.to_ascii_lowercase(), name.len());
        name.first().is_some_and(|first| self.0 & bit(first) != 0)
    }

    pub(super) const fn may_have(self, name: &[u8]) -> bool {
        self.0 & Self::of(name) != 0
    }
}
