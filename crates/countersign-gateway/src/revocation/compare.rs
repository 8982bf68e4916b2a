//! Compares the whole log of a shared store with what is held here, a page at a time.
//!
//! Who writes the store can take out an entry that every running gateway has read: none of them would miss it, and one
//! that starts later would never hear of it. Of the log only hashes of targets and their terms are kept meanwhile.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use countersign::{
    UnixTime,
    revocation::{Epoch, Target},
};

use super::{Keeper, follow::AT_ONCE, state::State};
use crate::{
    clock::Moment,
    observe::Observation,
    store::{Change, RevocationRecord, StoreError, Terms},
};

/// How long after one comparison the next begins. It reads one page of the log each second.
const COMPARE_EVERY: Duration = Duration::from_secs(30);

/// Where the comparison is.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    ended: Option<Moment>,
    walk: Option<Walk>,
}

/// A walk through the log.
#[derive(Debug)]
struct Walk {
    epoch: Epoch,
    after: u64,
    found: HashMap<u64, Terms>,
    hasher: RandomState,
}

impl Walk {
    fn of(epoch: Epoch) -> Self {
        Self { epoch, after: 0, found: HashMap::new(), hasher: RandomState::new() }
    }

    fn add(&mut self, records: &[RevocationRecord]) {
        for RevocationRecord { seq, change } in records {
            self.after = self.after.max(*seq);
            match change {
                Change::KeysChanged { .. } => {}
                Change::Lifted { target, until } => {
                    let key = self.hasher.hash_one(target);
                    if self.found.get(&key).is_some_and(|terms| !terms.is_after_lift(*until)) {
                        self.found.remove(&key);
                    }
                }
                Change::Revoked { target, terms, .. } => {
                    let found = self.found.entry(self.hasher.hash_one(target)).or_insert(*terms);
                    *found = found.merged(*terms);
                }
            }
        }
    }

    /// What is held and was not met on the way.
    fn missing(&self, state: &State, now: UnixTime) -> Vec<Target> {
        let is_there = |target: &Target, terms: Terms| {
            self.found.get(&self.hasher.hash_one(target)).is_some_and(|found| found.covers(terms))
        };
        let live = state.all().filter(|(_, held)| held.terms.until() > now);
        let missing = live.filter(|(target, held)| !is_there(target, held.terms));
        missing.map(|(target, _)| target.clone()).collect()
    }
}

impl Keeper {
    /// One step of the comparison: the next page, and after the last one what is missing is put back.
    pub(super) fn compare(&mut self) {
        let now = self.clock.now().monotonic;
        let is_time = self.comparison.ended.is_none_or(|ended| now.saturating_since(ended) >= COMPARE_EVERY);
        if self.comparison.walk.is_none() && !is_time {
            return;
        }
        let epoch = self.ledger.cursor().epoch;
        let walk = self.comparison.walk.take().filter(|walk| walk.epoch == epoch);
        let mut walk = walk.unwrap_or_else(|| Walk::of(epoch));
        let Ok((page, is_last)) = self.store.page_of_revocations(walk.after) else {
            // Whoever follows the log tells of it.
            return;
        };
        if page.epoch != walk.epoch {
            return;
        }
        walk.add(&page.records);
        if !is_last {
            self.comparison.walk = Some(walk);
            return;
        }
        self.comparison.ended = Some(now);
        if let Err(error) = self.put_back_what_misses(&walk) {
            self.fails_once(&error);
        }
    }

    fn put_back_what_misses(&mut self, walk: &Walk) -> Result<(), StoreError> {
        let now = self.believed_time();
        let mut missing = walk.missing(&self.ledger.state(), now);
        if missing.is_empty() {
            return Ok(());
        }
        // What was lifted a moment ago is not held any more.
        self.follow();
        if self.ledger.cursor().epoch != walk.epoch {
            return Ok(());
        }
        missing.retain(|target| self.ledger.state().held(target).is_some());
        for targets in missing.chunks(AT_ONCE) {
            let state = self.ledger.state();
            let held = targets.iter().filter_map(|target| state.held(target).map(|held| (target, held)));
            let changes: Vec<_> = held.map(|(target, held)| held.as_change(target)).collect();
            drop(state);
            self.append(&changes).map_err(|_| StoreError::Conflict)?;
        }
        if !missing.is_empty() {
            let detail = format!(
                "{} revocations were missing in the store's log; put back from memory",
                missing.len()
            );
            self.observer.observe(Observation::Store { failure: Some("store_went_back"), detail: &detail });
        }
        Ok(())
    }
}
