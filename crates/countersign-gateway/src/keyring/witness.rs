//! Remembers which ring was seen last, so that a store that lost or exchanged it is noticed; and where gateways share a
//! store, the ring itself, sealed as it is there, so that it can be put back.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{RingFault, lineage::ChangeId, records::Contents};
use crate::store::{RingVersion, SealedRecord, SealedRing, StateDirectory};

/// Name of the note in `state_dir`.
const FILE: &str = "ring-seen";

/// Where the note is kept: apart from the store it is about.
#[derive(Debug)]
pub enum Witness {
    /// `state_dir/ring-seen`.
    File(Arc<StateDirectory>),
    /// For as long as the process lives.
    Memory(Mutex<Option<Seen>>),
}

/// The ring that was seen last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Its random name.
    pub(super) ring: String,
    /// Its version.
    pub(super) version: u64,
    /// The change that made this version.
    change: ChangeId,
    /// What is in it, where gateways share a store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<Record>,
}

/// A sealed record, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    purpose: String,
    name: String,
    sealed: String,
}

impl Seen {
    fn of(ring: &SealedRing, contents: &Contents, is_shared: bool) -> Self {
        let as_text = |record: &SealedRecord| Record {
            purpose: record.purpose.clone(),
            name: record.name.clone(),
            sealed: STANDARD.encode(&record.sealed),
        };
        let kept = ring.records.iter().filter(|_| is_shared);
        Self {
            ring: contents.ring.clone(),
            version: ring.version.as_number(),
            change: contents.lineage.change().clone(),
            records: kept.map(as_text).collect(),
        }
    }

    /// The ring itself, if it was kept. What was changed on the disk is noticed when it is opened.
    pub(super) fn sealed_ring(self) -> Option<SealedRing> {
        let as_bytes = |record: Record| {
            let sealed = STANDARD.decode(record.sealed).ok()?;
            Some(SealedRecord { purpose: record.purpose, name: record.name, sealed })
        };
        let records: Option<Vec<_>> = self.records.into_iter().map(as_bytes).collect();
        let version = RingVersion::from_number(self.version);
        let records = records.filter(|records| !records.is_empty())?;
        Some(SealedRing { version, records, is_of_earlier_life: false })
    }
}

impl Witness {
    /// One that remembers while the process lives.
    #[must_use]
    pub const fn memory() -> Self {
        Self::Memory(Mutex::new(None))
    }

    /// One that remembers what another did.
    #[cfg(test)]
    pub(crate) const fn remembering(seen: Option<Seen>) -> Self {
        Self::Memory(Mutex::new(seen))
    }

    pub(super) fn seen(&self) -> Result<Option<Seen>, RingFault> {
        match self {
            Self::File(directory) => {
                let Some(content) = directory.read(FILE)? else { return Ok(None) };
                serde_json::from_slice(&content).map(Some).map_err(|_| RingFault::WitnessMalformed)
            }
            Self::Memory(seen) => Ok(seen.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }

    /// Compares a ring with the one seen last, and remembers it if it is the same or came of it.
    pub(super) fn check(
        &self,
        ring: &SealedRing,
        contents: &Contents,
        is_shared: bool,
    ) -> Result<(), RingFault> {
        let found = ring.version.as_number();
        match self.seen()? {
            None => {}
            Some(before) if before.ring != contents.ring => return Err(RingFault::OtherRing),
            Some(before) if before.change == *contents.lineage.change() => return Ok(()),
            Some(before) if contents.lineage.has(&before.change) => {}
            Some(before) if before.version > found => {
                return Err(RingFault::WentBack { seen: before.version, found });
            }
            Some(before) => return Err(RingFault::ChangedApart { seen: before.version, found }),
        }
        self.remember(Seen::of(ring, contents, is_shared))
    }

    fn remember(&self, seen: Seen) -> Result<(), RingFault> {
        match self {
            Self::File(directory) => {
                let content = serde_json::to_vec(&seen).map_err(|_| RingFault::WitnessMalformed)?;
                Ok(directory.write(FILE, &content)?)
            }
            Self::Memory(place) => {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
                Ok(())
            }
        }
    }
}
