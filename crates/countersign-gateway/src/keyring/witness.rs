//! Remembers which ring was seen last, so that a store that lost or exchanged it is noticed.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::RingFault;
use crate::store::{RingVersion, StateDirectory};

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

    /// Compares a ring with the one seen last, and remembers it if it is the same or a later version of it.
    pub(super) fn check(&self, ring: &str, version: RingVersion) -> Result<(), RingFault> {
        let now = Seen { ring: ring.to_owned(), version: version.as_number() };
        match self.seen()? {
            Some(before) if before.ring != now.ring => Err(RingFault::OtherRing),
            Some(before) if before.version > now.version => {
                Err(RingFault::WentBack { seen: before.version, found: now.version })
            }
            Some(before) if before == now => Ok(()),
            _ => self.remember(now),
        }
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
