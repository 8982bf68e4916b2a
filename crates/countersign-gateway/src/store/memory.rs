//! A store that ends with the process: for tests and simulations, also of several replicas on one store.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch},
};

use super::{
    Change, RevocationRecord, RingVersion, SealedRecord, SealedRing, Store, StoreError, StoredRevocations,
};

/// Keeps ring and revocations in memory. As a store of several gateways, it keeps its epoch.
#[derive(Debug, Default)]
pub struct MemoryStore {
    ring: Mutex<Option<SealedRing>>,
    log: Mutex<Option<StoredRevocations>>,
    /// What is in it came from elsewhere, and no numbering was begun since.
    is_put_back: AtomicBool,
    /// The ring came from elsewhere, and was not put back by a gateway since.
    ring_is_put_back: AtomicBool,
}

/// What a store held at one moment.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Copy {
    ring: Option<SealedRing>,
    pub(crate) log: Option<StoredRevocations>,
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

    fn with_log<T>(&self, act: impl FnOnce(&mut StoredRevocations) -> T) -> Result<T, StoreError> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_put_back.load(Ordering::SeqCst) {
            return Err(StoreError::Empty);
        }
        log.as_mut().map(act).ok_or(StoreError::Conflict)
    }

    /// What is in it now.
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Copy {
        Copy { ring: self.locked().clone(), log: self.log.lock().unwrap().clone() }
    }

    /// Which log it is, of all that one store has had since something was put back.
    #[cfg(test)]
    pub(crate) fn place_of_log(&self) -> Option<(Epoch, u64, usize)> {
        self.log.lock().unwrap().as_ref().map(|log| (log.epoch.clone(), log.newest, log.records.len()))
    }

    /// What is in force by the log, without a copy of it.
    #[cfg(test)]
    pub(crate) fn in_force(
        &self,
    ) -> std::collections::BTreeMap<countersign::revocation::Target, super::InForce> {
        self.log.lock().unwrap().as_ref().map(|log| super::in_force(&log.records)).unwrap_or_default()
    }

    /// Another store with the same in it.
    #[cfg(test)]
    pub(crate) fn duplicate(&self) -> Self {
        let Copy { ring, log } = self.copy();
        let same = |flag: &AtomicBool| AtomicBool::new(flag.load(Ordering::SeqCst));
        let (is_put_back, ring_is_put_back) = (same(&self.is_put_back), same(&self.ring_is_put_back));
        Self { ring: Mutex::new(ring), log: Mutex::new(log), is_put_back, ring_is_put_back }
    }

    /// As the same server that has lost what came after, and does not know it.
    #[cfg(test)]
    pub(crate) fn put_back_unnoticed(&self, copy: Copy) {
        self.put_back(copy);
        self.is_put_back.store(false, Ordering::SeqCst);
        self.ring_is_put_back.store(false, Ordering::SeqCst);
    }

    /// As another server that holds what this one held once, or nothing.
    #[cfg(test)]
    pub(crate) fn put_back(&self, copy: Copy) {
        *self.locked() = copy.ring;
        *self.log.lock().unwrap() = copy.log;
        self.is_put_back.store(true, Ordering::SeqCst);
        self.ring_is_put_back.store(true, Ordering::SeqCst);
    }
}

impl Store for MemoryStore {
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        let is_of_earlier_life = self.ring_is_put_back.load(Ordering::SeqCst);
        Ok(self.locked().clone().map(|ring| SealedRing { is_of_earlier_life, ..ring }))
    }

    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        let mut ring = self.locked();
        if ring.is_some() {
            return Err(StoreError::Conflict);
        }
        let records = sorted(records);
        *ring = Some(SealedRing { version: RingVersion::FIRST, records, is_of_earlier_life: false });
        self.ring_is_put_back.store(false, Ordering::SeqCst);
        Ok(RingVersion::FIRST)
    }

    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError> {
        let mut ring = self.locked();
        match &mut *ring {
            Some(current) if current.version == expected && !self.ring_is_put_back.load(Ordering::SeqCst) => {
                current.version = expected.next();
                current.records = sorted(records);
                Ok(current.version)
            }
            _ => Err(StoreError::Conflict),
        }
    }

    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let empty =
            || StoredRevocations { epoch: fresh.clone(), newest: 0, records: Vec::new(), unreadable: 0 };
        let log = log.get_or_insert_with(empty);
        if self.is_put_back.swap(false, Ordering::SeqCst) {
            log.epoch = fresh.clone();
        }
        Ok(log.epoch.clone())
    }

    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError> {
        self.with_log(|log| {
            let known = log.records.partition_point(|record| record.seq <= after);
            let records = log.records.get(known..).unwrap_or_default().to_vec();
            let StoredRevocations { newest, unreadable, .. } = *log;
            StoredRevocations { epoch: log.epoch.clone(), newest, records, unreadable }
        })
    }

    fn append(&self, changes: &[Change]) -> Result<u64, StoreError> {
        self.with_log(|log| {
            for change in changes {
                log.records.retain(|record| !change.replaces(&record.change));
                log.newest = log.newest.saturating_add(1);
                log.records.push(RevocationRecord { seq: log.newest, change: change.clone() });
            }
            log.newest
        })
    }

    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.with_log(|log| {
            let before = log.records.len();
            log.records.retain(|record| record.change.until() > now);
            before - log.records.len()
        })
    }

    fn restore_ring(&self, expected: Option<RingVersion>, ring: &SealedRing) -> Result<(), StoreError> {
        let mut present = self.locked();
        if present.as_ref().map(|present| present.version) != expected {
            return Err(StoreError::Conflict);
        }
        *present = Some(ring.clone());
        self.ring_is_put_back.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn renumber(&self, seen: &Cursor, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.begin_epoch(fresh)?;
        self.with_log(|log| {
            if log.epoch == seen.epoch && log.newest < seen.seq {
                log.epoch = fresh.clone();
            }
            log.epoch.clone()
        })
    }
}

fn sorted(records: &[SealedRecord]) -> Vec<SealedRecord> {
    let mut records = records.to_vec();
    records.sort_unstable();
    records
}
