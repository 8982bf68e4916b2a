//! Compares the whole log of a shared store with what is held here, a page at a time.
//!
//! Who writes the store can take out an entry that every running gateway has read: none of them would miss it, and one
//! that starts later would never hear of it. Of the log only hashes of targets and their terms are kept meanwhile.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use countersign::revocation::{Epoch, Target};

use super::{Keeper, follow::AT_ONCE};
use crate::{
    clock::Moment,
    observe::Observation,
    store::{Change, RevocationRecord, Terms},
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
    /// Where the next page begins, as the store calls it: whoever writes it can put entries between any two numbers.
    from: Option<String>,
    found: HashMap<u64, Terms>,
    hasher: RandomState,
}

impl Walk {
    fn of(epoch: Epoch) -> Self {
        Self { epoch, from: None, found: HashMap::new(), hasher: RandomState::new() }
    }

    fn add(&mut self, records: &[RevocationRecord]) {
        for RevocationRecord { change, .. } in records {
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

    fn has(&self, target: &Target, terms: Terms) -> bool {
        self.found.get(&self.hasher.hash_one(target)).is_some_and(|found| found.covers(terms))
    }
}

/// So much of what is held is looked at in one go, so that nobody waits long for the state.
const PART: usize = 4_096;

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
        let Ok((page, next)) = self.store.page_of_revocations(walk.from.as_deref()) else {
            // Whoever follows the log tells of it.
            return;
        };
        if page.epoch != walk.epoch {
            return;
        }
        walk.add(&page.records);
        if next.is_some() {
            walk.from = next;
            self.comparison.walk = Some(walk);
            return;
        }
        self.comparison.ended = Some(now);
        self.put_back_what_misses(&walk);
    }

    fn put_back_what_misses(&mut self, walk: &Walk) {
        let mut missing = self.missing(walk);
        if missing.is_empty() {
            return;
        }
        // What was lifted a moment ago is not held any more.
        self.follow();
        if self.ledger.cursor().epoch != walk.epoch {
            return;
        }
        missing.retain(|target| self.ledger.state().held(target).is_some());
        for targets in missing.chunks(AT_ONCE) {
            let state = self.ledger.state();
            let held = targets.iter().filter_map(|target| state.held(target).map(|held| (target, held)));
            let changes: Vec<_> = held.map(|(target, held)| held.as_change(target)).collect();
            drop(state);
            if self.append(&changes).is_err() {
                // That is told, and what misses still is found by the next comparison.
                return;
            }
        }
        if !missing.is_empty() {
            let detail = format!(
                "{} revocations were missing in the store's log; put back from memory",
                missing.len()
            );
            self.observer.observe(Observation::Store { failure: Some("store_went_back"), detail: &detail });
        }
    }

    /// What is held and was not met on the way.
    fn missing(&mut self, walk: &Walk) -> Vec<Target> {
        let now = self.believed_time();
        let (mut missing, mut last) = (Vec::new(), None::<Target>);
        loop {
            let state = self.ledger.state();
            let part: Vec<_> = state.held_behind(last.as_ref()).take(PART).collect();
            let live = part.iter().filter(|(_, held)| held.terms.until() > now);
            missing.extend(
                live.filter(|(target, held)| !walk.has(target, held.terms))
                    .map(|(target, _)| (*target).clone()),
            );
            last = part.last().map(|(target, _)| (*target).clone());
            if last.is_none() {
                return missing;
            }
        }
    }
}
