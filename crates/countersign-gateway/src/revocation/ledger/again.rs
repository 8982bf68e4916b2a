//! What is asked about with every request, and was found good: looked up again only after something has changed.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign::{Standing, TokenId, UnixTime};

use super::Ledger;
use crate::revocation::Concerned;

/// At which generation of the ledger something was found good. It belongs to one session, or one token of it, that does
/// not change; a copy has yet to be looked up, because it is about to become another.
#[derive(Debug)]
pub struct FoundGood(AtomicU64);

impl Clone for FoundGood {
    fn clone(&self) -> Self {
        Self::never()
    }
}

impl FoundGood {
    /// Has yet to be looked up.
    #[must_use]
    pub const fn never() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn at(&self, generation: u64) -> bool {
        self.0.load(Ordering::Relaxed) == Self::stamp(generation)
    }

    pub(super) fn note(&self, generation: u64) {
        self.0.store(Self::stamp(generation), Ordering::Relaxed);
    }

    /// Never 0, which is said of what was never found good.
    const fn stamp(generation: u64) -> u64 {
        generation.saturating_add(1)
    }
}

impl Ledger {
    /// As [`Ledger::check`]. What changes while it looks is looked at the next time, because the generation is read first.
    #[must_use]
    pub fn check_again<'a>(&self, concerned: impl FnOnce() -> Concerned<'a>, found: &FoundGood) -> Standing {
        let generation = self.generation();
        if found.at(generation) {
            return Standing::Good;
        }
        let standing = self.check(&concerned());
        if standing == Standing::Good {
            found.note(generation);
        }
        standing
    }

    /// As [`Ledger::refuses_kept_token`], in the same way.
    #[must_use]
    pub fn refuses_kept_token_again<'a>(
        &self,
        concerned: impl FnOnce() -> Concerned<'a>,
        token: &TokenId,
        issued_at: UnixTime,
        found: &FoundGood,
    ) -> bool {
        let generation = self.generation();
        if found.at(generation) {
            return false;
        }
        let refuses = self.refuses_kept_token(&concerned(), token, issued_at);
        if !refuses {
            found.note(generation);
        }
        refuses
    }
}

/// Something is about to change; the generation grows when it has, also where only a part of it could be done.
pub(super) struct Changing<'a>(&'a AtomicU64);

impl<'a> Changing<'a> {
    pub(super) const fn of(generation: &'a AtomicU64) -> Self {
        Self(generation)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}
