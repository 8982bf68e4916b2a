//! A store that several gateways share, and that can be away.

use std::sync::atomic::{AtomicBool, Ordering};

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch},
};

use crate::store::{
    Change, RingVersion, SealedRecord, SealedRing, Store, StoreError, StoredRevocations, memory::MemoryStore,
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

    fn reach(&self) -> Result<&MemoryStore, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("refused".to_owned()));
        }
        Ok(&self.inner)
    }
}

impl Store for SharedStore {
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
        self.reach()?.replace_ring(expected, records)
    }

    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.reach()?.begin_epoch(fresh)
    }

    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError> {
        self.reach()?.revocations(after)
    }

    fn append(&self, changes: &[Change]) -> Result<u64, StoreError> {
        self.reach()?.append(changes)
    }

    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.reach()?.forget_expired(now)
    }

    fn is_shared(&self) -> bool {
        !self.deaf
    }

    fn renumber(&self, seen: &Cursor, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.reach()?.renumber(seen, fresh)
    }
}
