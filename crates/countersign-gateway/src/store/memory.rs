//! A store that ends with the process: for tests and simulations, also of several replicas on one store.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{RingVersion, SealedRecord, SealedRing, Store, StoreError};

/// Keeps the sealed ring in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    ring: Mutex<Option<SealedRing>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn locked(&self) -> MutexGuard<'_, Option<SealedRing>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        Ok(self.locked().clone())
    }

    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        let mut ring = self.locked();
        if ring.is_some() {
            return Err(StoreError::Conflict);
        }
        *ring = Some(SealedRing { version: RingVersion::FIRST, records: sorted(records) });
        Ok(RingVersion::FIRST)
    }

    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError> {
        let mut ring = self.locked();
        match &mut *ring {
            Some(current) if current.version == expected => {
                current.version = expected.next();
                current.records = sorted(records);
                Ok(current.version)
            }
            _ => Err(StoreError::Conflict),
        }
    }
}

fn sorted(records: &[SealedRecord]) -> Vec<SealedRecord> {
    let mut records = records.to_vec();
    records.sort_unstable();
    records
}
