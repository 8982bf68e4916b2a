//! Under which keys a session is kept, by each of its names: so that whoever learns of one does not look at all.
//!
//! A name may lead to a key that is not kept any more, or to an entry that has lost it: who asks looks. The other way
//! round nothing is missing: a name is there as soon as its entry was put, and leaves with it, under the lock of the
//! entry's place in the cache.

use std::{
    collections::BTreeSet,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign::SessionId;
use quick_cache::Lifecycle;

use super::Entry;
use crate::session::key::SessionKey;

/// Names are spread over so many locks.
const SHARDS: usize = 64;

/// The keys of each name.
#[derive(Debug)]
pub(super) struct Names(Box<[Mutex<BTreeSet<Known>>]>);

/// That a name leads to a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    pub(super) name: SessionId,
    pub(super) key: SessionKey,
}

/// Where a look at all of them has come to. It begins with the default.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    shard: usize,
    after: Option<Known>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// The keys under which something of that name was put.
    pub(super) fn keys(&self, name: &SessionId) -> Vec<SessionKey> {
        let shard = self.shard(name);
        let from = shard.range(Known { name: name.clone(), key: SessionKey::LEAST }..);
        from.take_while(|known| known.name == *name).map(|known| known.key).collect()
    }

    /// So many of those behind a place, in their order, or fewer; and where to go on, if there are more.
    pub(super) fn some_behind(&self, place: Place, most: usize) -> (Vec<Known>, Option<Place>) {
        let Place { mut shard, mut after } = place;
        let mut some = Vec::new();
        while some.len() < most {
            let Some(known) = self.0.get(shard) else { return (some, None) };
            let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = most.saturating_sub(some.len());
            some.extend(known.range((from, Bound::Unbounded)).take(wanted).cloned());
            drop(known);
            after = some.last().filter(|_| some.len() == most).cloned();
            if after.is_none() {
                shard = shard.saturating_add(1);
            }
        }
        (some, Some(Place { shard, after }))
    }

    /// All names of an entry, which was put there.
    pub(super) fn add(&self, key: &SessionKey, entry: &Entry) {
        for name in entry.names() {
            self.shard(name).insert(Known { name: name.clone(), key: *key });
        }
    }

    /// All names of an entry that is not there any more, but for those that `heir` has, which took its place.
    pub(super) fn remove(&self, key: &SessionKey, entry: &Entry, heir: Option<&Entry>) {
        for name in entry.names() {
            if !heir.is_some_and(|heir| heir.names().any(|other| other == name)) {
                self.shard(name).remove(&Known { name: name.clone(), key: *key });
            }
        }
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    fn shard(&self, name: &SessionId) -> MutexGuard<'_, BTreeSet<Known>> {
        // Names are hashes in base64url: their first letter is as good as any hash of them. The last one has two bits.
        let number = name.as_str().bytes().next().map_or(0, usize::from) % SHARDS;
        // INVARIANT: `number` is below `SHARDS`, the length of the slice.
        #[expect(clippy::indexing_slicing, reason = "the index is taken modulo the length")]
        let shard = &self.0[number];
        // A set has a pair or has it not.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the names of entries that are pushed out along.
#[derive(Debug, Clone)]
pub(super) struct TakesNames(pub(super) Arc<Names>);

/// What is put while others are pushed out.
#[derive(Debug, Default)]
pub(super) struct Putting {
    pub(super) key: Option<SessionKey>,
    /// What was in its place.
    pub(super) replaced: Option<Arc<Entry>>,
}

impl Lifecycle<SessionKey, Arc<Entry>> for TakesNames {
    type RequestState = Putting;

    fn on_evict(&self, putting: &mut Putting, key: SessionKey, entry: Arc<Entry>) {
        if putting.key == Some(key) {
            putting.replaced = Some(entry);
        } else {
            self.0.remove(&key, &entry, None);
        }
    }
}
