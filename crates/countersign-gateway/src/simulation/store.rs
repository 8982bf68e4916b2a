//! A store that several gateways share: it can be away, cut off from one of them, and go back to an earlier copy.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch},
};

use super::random::Random;
use crate::store::{
    Change, RingVersion, SealedRecord, SealedRing, Store, StoreError, StoredRevocations,
    memory::{Copy, MemoryStore},
};

#[derive(Debug, Default)]
pub(super) struct SharedStore {
    inner: MemoryStore,
    pub(super) away: AtomicBool,
    /// It does not say that it is shared: nobody follows what others write.
    deaf: bool,
}

impl SharedStore {
    pub(super) fn deaf() -> Self {
        Self { deaf: true, ..Self::default() }
    }

    pub(super) fn copy(&self) -> Copy {
        self.inner.copy()
    }

    /// Another server takes over, with what was in a copy.
    pub(super) fn put_back(&self, copy: Copy) {
        self.inner.put_back(copy);
    }
}

/// The way from one process of a gateway to the store.
#[derive(Debug)]
pub(super) struct StoreLink {
    store: Arc<SharedStore>,
    random: Arc<Random>,
    /// The process is no more, and nothing of it arrives.
    pub(super) dead: AtomicBool,
    pub(super) cut: Arc<AtomicBool>,
}

impl StoreLink {
    pub(super) fn new(store: &Arc<SharedStore>, random: &Arc<Random>, cut: &Arc<AtomicBool>) -> Arc<Self> {
        let (store, random, cut) = (store.clone(), random.clone(), cut.clone());
        Arc::new(Self { store, random, dead: AtomicBool::new(false), cut })
    }

    pub(super) fn is_up(&self) -> bool {
        [&self.store.away, &self.dead, &*self.cut].into_iter().all(|down| !down.load(Ordering::SeqCst))
    }

    fn reach(&self) -> Result<&MemoryStore, StoreError> {
        if self.is_up() { Ok(&self.store.inner) } else { Err(StoreError::Unavailable("refused".to_owned())) }
    }

    /// What was written is written, but its answer may get lost.
    fn answer<T>(&self, written: Result<T, StoreError>) -> Result<T, StoreError> {
        if written.is_ok() && self.random.once_in(60) {
            return Err(StoreError::Unavailable("the answer got lost".to_owned()));
        }
        written
    }
}

impl Store for StoreLink {
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        self.reach()?.ring()
    }

    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        self.reach()?.create_ring(records)
    }

    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError> {
        self.answer(self.reach()?.replace_ring(expected, records))
    }

    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.reach()?.begin_epoch(fresh)
    }

    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError> {
        self.reach()?.revocations(after)
    }

    fn append(&self, changes: &[Change]) -> Result<u64, StoreError> {
        self.answer(self.reach()?.append(changes))
    }

    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.reach()?.forget_expired(now)
    }

    fn is_shared(&self) -> bool {
        !self.store.deaf
    }

    fn restore_ring(&self, expected: Option<RingVersion>, ring: &SealedRing) -> Result<(), StoreError> {
        self.reach()?.restore_ring(expected, ring)
    }

    fn renumber(&self, seen: &Cursor, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.reach()?.renumber(seen, fresh)
    }
}
