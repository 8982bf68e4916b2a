//! What other gateways wrote, and a store that lost what it knew.
//!
//! A store that several gateways share is read every [`FOLLOW_EVERY`]. Where its log is another than was read before, is
//! behind what was read, or has come to another server (a fail-over, a restart, a restored backup, a flush), the
//! numbering begins anew and what is held here is put back: the log and every replica's memory are united. Nothing is
//! written to a log of another server before that: it could fill the numbers that others have read something else under.
//! A revocation comes back that way even if it was lifted meanwhile; none is ever lost.
//!
//! Whoever writes the store can also take single entries out of a log that goes on. One that nobody here has read leaves a
//! gap in the numbers: then a new numbering is begun, and whoever has read it puts it back. One that was read is missed
//! when the whole log is compared with what is held ([`compare`](super::compare)).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch, Target},
};

use super::{Keeper, state::State};
use crate::{
    observe::Observation,
    store::{Change, InForce, StoreError, StoredRevocations, in_force},
};

/// How often a shared store is read.
pub(super) const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// The most changes put back in one transaction.
pub(super) const AT_ONCE: usize = 1_000;

impl Keeper {
    /// Takes in what other gateways wrote since.
    pub(super) fn follow(&mut self) {
        let seen = self.ledger.cursor();
        match self.store.revocations(seen.seq) {
            Ok(stored) if goes_on(&seen, &stored) && !self.is_incomplete && is_complete(&seen, &stored) => {
                self.note_unreadable(stored.unreadable);
                if !stored.records.is_empty() {
                    self.take_in(stored.records, 0..0);
                }
                self.ledger.note_read();
                self.works();
            }
            Ok(stored) => {
                self.is_incomplete = goes_on(&seen, &stored);
                self.unite_with_unwritten();
            }
            Err(StoreError::Empty) => self.unite_with_unwritten(),
            Err(error) => self.fails_once(&error),
        }
    }

    pub(super) fn unite_with_unwritten(&mut self) {
        let unwritten = std::mem::take(&mut self.unwritten);
        self.unite(&unwritten);
        self.unwritten = unwritten;
    }

    /// Unites the log and what is held here. What waits to be written holds all the same.
    pub(super) fn unite(&mut self, waiting: &[Change]) {
        let (mut seen, now) = (self.ledger.cursor(), self.believed_time());
        if self.is_incomplete {
            // Whatever number the log has come to, it is not gone on with.
            seen.seq = u64::MAX;
        }
        let fresh = self.numberings.another();
        match self.try_unite((&seen, &fresh), now, waiting) {
            Ok(put_back) => {
                self.is_incomplete = false;
                self.ledger.note_read();
                let detail = format!(
                    "the store's log of revocations was another than before; {put_back} were put back from memory"
                );
                self.observer
                    .observe(Observation::Store { failure: Some("store_went_back"), detail: &detail });
                self.works();
            }
            Err(error) => self.fails_once(&error),
        }
    }

    fn try_unite(
        &self,
        (seen, fresh): (&Cursor, &Epoch),
        now: UnixTime,
        waiting: &[Change],
    ) -> Result<usize, StoreError> {
        self.store.renumber(seen, fresh)?;
        let there = in_force(&self.store.revocations(0)?.records);
        let missing = missing(&self.ledger.state(), &there, now);
        for changes in missing.chunks(AT_ONCE) {
            self.store.append(changes)?;
        }
        let stored = self.store.revocations(0)?;
        self.ledger.forget_unreadable();
        self.note_unreadable(stored.unreadable);
        self.ledger.rebase(stored, waiting, now).map_err(|_| StoreError::Overfull)?;
        Ok(missing.len())
    }

    /// Reads everything again, under another numbering where that is ours to choose: whoever follows takes a snapshot.
    pub(super) fn read_again(&mut self, now: UnixTime, waiting: &[Change]) -> Result<(), StoreError> {
        let seen = self.ledger.cursor();
        let stored = self.store.revocations(seen.seq)?;
        if goes_on(&seen, &stored) {
            self.take_in(stored.records, 0..0);
        }
        self.store.renumber(&seen, &self.numberings.another())?;
        let stored = self.store.revocations(0)?;
        self.ledger.forget_unreadable();
        self.note_unreadable(stored.unreadable);
        self.ledger.rebase(stored, waiting, now).map_err(|_| StoreError::Overfull)
    }

    /// Tells of a failure that follows a success; the same again every quarter of a second helps nobody.
    pub(super) fn fails_once(&mut self, error: &StoreError) {
        if !self.failing {
            self.fails(error);
        }
    }
}

/// Whether what was read goes on where `seen` was the newest.
pub(super) fn goes_on(seen: &Cursor, stored: &StoredRevocations) -> bool {
    stored.epoch == seen.epoch && stored.newest >= seen.seq
}

/// Whether every number that follows `seen` is there. A lift takes out what it lifts.
pub(super) fn is_complete(seen: &Cursor, stored: &StoredRevocations) -> bool {
    let numbers: BTreeSet<u64> = stored.records.iter().map(|record| record.seq).collect();
    let has_lift = || stored.records.iter().any(|record| matches!(record.change, Change::Lifted { .. }));
    u64::try_from(numbers.len()).is_ok_and(|count| count == stored.newest.saturating_sub(seen.seq))
        || has_lift()
}

/// What is held here, and not there.
pub(super) fn missing(state: &State, there: &BTreeMap<Target, InForce>, now: UnixTime) -> Vec<Change> {
    let held = state.all().filter(|(target, held)| {
        held.terms.until() > now && !there.get(*target).is_some_and(|there| there.terms.covers(held.terms))
    });
    held.map(|(target, held)| held.as_change(target)).collect()
}

/// Names for new numberings, of which the store keeps the first. None is ever used again, by whatever gateway: a place in
/// one numbering would be taken for one in another where a store goes back twice before everybody has looked.
#[derive(Debug)]
pub(super) struct Numberings {
    process: Epoch,
    begun: u64,
}

impl Numberings {
    /// Those of a process, by a name that no other has.
    pub(super) const fn of(process: Epoch) -> Self {
        Self { process, begun: 0 }
    }

    fn another(&mut self) -> Epoch {
        self.begun = self.begun.saturating_add(1);
        let process = self.process.as_str();
        let name = format!("{}-{}", process.get(..40).unwrap_or(process), self.begun);
        Epoch::new(&name).unwrap_or_else(|_| self.process.clone())
    }
}

#[cfg(test)]
mod tests {
    use countersign::revocation::Epoch;

    use super::Numberings;

    #[test]
    fn each_new_numbering_has_another_name() {
        for name in ["e", &"x".repeat(64)] {
            let mut numberings = Numberings::of(Epoch::new(name).unwrap());
            let [first, second] = [numberings.another(), numberings.another()];
            assert!(first != second && first != numberings.process);
        }
    }
}
