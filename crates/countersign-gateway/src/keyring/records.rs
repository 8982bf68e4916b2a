//! The ring as sealed records: one list with every key's moments, one record for each key, one for the session
//! secret.
//!
//! The list holds the ring's random name, its version, the changes it came of and the names of all keys, so that a
//! record that is missing, added or left over from an older version is noticed.

use std::sync::Arc;

use countersign::{KeyId, Secret, SigningKey, UnixTime};
use serde::{Deserialize, Serialize};

use super::{
    RingFault, SESSION_SECRET_BYTES, algorithm,
    lineage::Lineage,
    schedule::{KeyTimes, Schedule, ScheduledKey},
    seal::Sealer,
};
use crate::{
    config::resolved::RingAlgorithm,
    entropy::Entropy,
    store::{RingVersion, SealedRecord, SealedRing},
};

const LIST: &str = "key list";
const SIGNING_KEY: &str = "signing key";
const SESSION_SECRET: &str = "session secret";

/// All that a ring keeps.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    /// Random name of the ring.
    pub(super) ring: String,
    pub(super) lineage: Lineage,
    pub(super) schedule: Schedule,
    /// In the order of the schedule.
    pub(super) keys: Vec<Arc<SigningKey>>,
    pub(super) session_secret: Secret<[u8; SESSION_SECRET_BYTES]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    ring: String,
    version: u64,
    lineage: Lineage,
    changed: UnixTime,
    keys: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: KeyId,
    algorithm: StoredAlgorithm,
    published: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    signs_from: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signs_until: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<UnixTime>,
}

/// A ring's algorithm by its stored name.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum StoredAlgorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "Ed25519")]
    Ed25519,
    #[serde(rename = "RS256")]
    Rs256,
}

impl From<RingAlgorithm> for StoredAlgorithm {
    fn from(algorithm: RingAlgorithm) -> Self {
        match algorithm {
            RingAlgorithm::Ed25519 => Self::Ed25519,
            RingAlgorithm::Es256 => Self::Es256,
            RingAlgorithm::Rs256 => Self::Rs256,
        }
    }
}

impl From<StoredAlgorithm> for RingAlgorithm {
    fn from(algorithm: StoredAlgorithm) -> Self {
        match algorithm {
            StoredAlgorithm::Ed25519 => Self::Ed25519,
            StoredAlgorithm::Es256 => Self::Es256,
            StoredAlgorithm::Rs256 => Self::Rs256,
        }
    }
}

/// Seals a ring that will have that version.
pub(super) fn seal(
    contents: &Contents,
    version: RingVersion,
    sealer: &Sealer,
    entropy: &dyn Entropy,
) -> Result<Vec<SealedRecord>, RingFault> {
    let list = List {
        ring: contents.ring.clone(),
        version: version.as_number(),
        lineage: contents.lineage.clone(),
        changed: contents.schedule.changed(),
        keys: contents.schedule.keys().iter().map(entry).collect(),
    };
    let list = Secret::new(serde_json::to_vec(&list).map_err(|_| RingFault::Unwritable)?);
    let record = |purpose: &str, name: &str, value: &Secret<Vec<u8>>| {
        let sealed = sealer.seal(purpose, name, value, entropy)?;
        Ok::<_, RingFault>(SealedRecord { purpose: purpose.to_owned(), name: name.to_owned(), sealed })
    };
    let secret = Secret::new(contents.session_secret.expose().to_vec());
    let mut records = vec![record(LIST, "", &list)?, record(SESSION_SECRET, "", &secret)?];
    for (scheduled, key) in contents.schedule.keys().iter().zip(&contents.keys) {
        records.push(record(SIGNING_KEY, scheduled.kid.as_str(), &key.to_pkcs8_der()?)?);
    }
    Ok(records)
}

fn entry(key: &ScheduledKey) -> Entry {
    Entry {
        kid: key.kid.clone(),
        algorithm: key.algorithm.into(),
        published: key.times.published,
        signs_from: key.times.signs_from,
        signs_until: key.times.signs_until,
        retired: key.times.retired,
    }
}

/// Opens a stored ring and proves that it is whole.
pub(super) fn open(stored: &SealedRing, sealer: &Sealer) -> Result<Contents, RingFault> {
    let list = value(stored, sealer, LIST, "")?;
    let list: List = serde_json::from_slice(list.expose()).map_err(|_| RingFault::Unreadable)?;
    if list.version != stored.version.as_number() {
        return Err(RingFault::WentBack { seen: stored.version.as_number(), found: list.version });
    }
    let expected = list.keys.len().saturating_add(2);
    if stored.records.len() != expected {
        return Err(RingFault::Incomplete { expected, found: stored.records.len() });
    }
    let secret = value(stored, sealer, SESSION_SECRET, "")?;
    let session_secret = <[u8; SESSION_SECRET_BYTES]>::try_from(secret.expose().as_slice())
        .map(Secret::new)
        .map_err(|_| RingFault::Unreadable)?;
    let mut keys = Vec::with_capacity(list.keys.len());
    let mut scheduled = Vec::with_capacity(list.keys.len());
    for entry in list.keys {
        let der = value(stored, sealer, SIGNING_KEY, entry.kid.as_str())?;
        let key = SigningKey::from_pkcs8_der(algorithm(entry.algorithm.into()), der.expose())?;
        if key.key_id() != Some(&entry.kid) {
            return Err(RingFault::KeyMismatch { kid: entry.kid });
        }
        let Entry { kid, algorithm, published, signs_from, signs_until, retired } = entry;
        let times = KeyTimes { published, signs_from, signs_until, retired };
        scheduled.push(ScheduledKey { kid, algorithm: algorithm.into(), times });
        keys.push(Arc::new(key));
    }
    let schedule = Schedule::new(scheduled, list.changed)?;
    Ok(Contents { ring: list.ring, lineage: list.lineage, schedule, keys, session_secret })
}

fn value(
    stored: &SealedRing,
    sealer: &Sealer,
    purpose: &'static str,
    name: &str,
) -> Result<Secret<Vec<u8>>, RingFault> {
    let record = stored.records.iter().find(|record| record.purpose == purpose && record.name == name);
    let Some(record) = record else {
        return Err(RingFault::Missing { purpose, name: name.to_owned() });
    };
    sealer.open(purpose, name, &record.sealed).map_err(|error| RingFault::Sealed {
        purpose,
        name: name.to_owned(),
        error,
    })
}
