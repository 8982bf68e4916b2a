//! Why there is no ring, each reason with its name.

use countersign::KeyId;

use super::{
    encryption_key::EncryptionKeyError,
    schedule::{ChangeFault, ScheduleFault},
    seal::{OpenError, SealError},
};
use crate::{entropy::NoEntropy, store::StoreError};

/// Why there is no ring. The gateway does not start, or goes on with the ring it has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingFault {
    /// Another server answers than the one that was written, or it was restarted.
    #[error(
        "another server answers for the keys than before, or it was restarted: a change of the last seconds that no gateway has seen may be missing"
    )]
    AnotherServer,
    /// The ring cannot be changed as asked.
    #[error(transparent)]
    Change(#[from] ChangeFault),
    /// A change that was seen here is not among those that the ring came of.
    #[error(
        "the store lost version {seen} of the keys and was changed otherwise since, to version {found}: gateways that share it merge both; elsewhere restore it, or delete `state_dir/ring-seen` to accept what is there"
    )]
    ChangedApart {
        /// Seen before.
        seen: u64,
        /// There now.
        found: u64,
    },
    /// The store is empty, and was not.
    #[error(
        "the store holds no keys, but did before; restore it, or delete `state_dir/ring-seen` to begin with new keys"
    )]
    EmptyAfterFull,
    /// No key-encryption key.
    #[error(transparent)]
    EncryptionKey(#[from] EncryptionKeyError),
    /// No randomness for a new ring.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// Records are missing or left over.
    #[error("the ring has {found} records instead of {expected}")]
    Incomplete {
        /// By the ring's own list.
        expected: usize,
        /// In the store.
        found: usize,
    },
    /// A key could not be made, read or written.
    #[error(transparent)]
    Key(#[from] countersign::SignError),
    /// The bytes of a key are another key's.
    #[error("the key stored as `{kid}` is another key")]
    KeyMismatch {
        /// The name it stands under.
        kid: KeyId,
    },
    /// A record is not there.
    #[error("the {purpose} `{name}` is missing in the store")]
    Missing {
        /// What is missing.
        purpose: &'static str,
        /// Which.
        name: String,
    },
    /// Another ring than the one this gateway used before.
    #[error(
        "the store holds other keys than before; restore it, or delete `state_dir/ring-seen` to accept them"
    )]
    OtherRing,
    /// The stored moments make no schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleFault),
    /// A new record could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A record could not be opened.
    #[error("{}", sealed(purpose, name, *error))]
    Sealed {
        /// What it is.
        purpose: &'static str,
        /// Which.
        name: String,
        /// Why.
        error: OpenError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record was opened and is not what its purpose says.
    #[error(
        "a record of the key ring (`state_dir/countersign.db`, or in `store.url`) has an unknown form; it may be of a newer release"
    )]
    Unreadable,
    /// The ring cannot be written down.
    #[error("the ring cannot be written down")]
    Unwritable,
    /// An older version than was seen before.
    #[error(
        "the store went back from version {seen} of the keys to {found}; restore it, or delete `state_dir/ring-seen` to accept that"
    )]
    WentBack {
        /// Seen before.
        seen: u64,
        /// There now.
        found: u64,
    },
    /// The note of the ring seen last is not readable.
    #[error("`state_dir/ring-seen` is malformed")]
    WitnessMalformed,
}

impl RingFault {
    /// What a gateway tells that runs, and goes on with the keys in its memory. To delete `state_dir/ring-seen` is advice
    /// for a start alone: a running gateway would lose what it can put back.
    #[must_use]
    pub fn while_running(&self) -> String {
        let what = match self {
            Self::ChangedApart { seen, found } => {
                format!(
                    "the store lost version {seen} of the keys and was changed otherwise since, to version {found}"
                )
            }
            Self::EmptyAfterFull => "the store lost the keys".to_owned(),
            Self::OtherRing => "the store holds other keys than before".to_owned(),
            Self::WentBack { seen, found } => {
                format!("the store went back from version {seen} of the keys to {found}")
            }
            other => return other.to_string(),
        };
        format!(
            "{what}: this gateway goes on with those in its memory; restore the store before it is restarted"
        )
    }

    /// What is told of it where the keys in the store were put right.
    #[must_use]
    pub const fn mended(&self) -> &'static str {
        match self {
            Self::AnotherServer => {
                "another server answers for the keys than before, or it was restarted: this gateway compares them with those in its memory; a change of the last seconds that no gateway has seen may be missing"
            }
            Self::ChangedApart { .. } => {
                "the store lost a change of the keys, and another gateway made one: this gateway merges both from memory: nothing to do"
            }
            Self::WentBack { .. } => {
                "the store went back to earlier keys: this gateway puts the later ones back from memory: nothing to do"
            }
            _ => "the store lost the keys: this gateway puts them back from memory: nothing to do",
        }
    }

    /// Stable name, the same in logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AnotherServer => "keyring_another_server",
            Self::Change(_) => "keyring_change",
            Self::ChangedApart { .. } => "keyring_changed_apart",
            Self::EmptyAfterFull => "keyring_empty_after_full",
            Self::EncryptionKey(_) => "keyring_encryption_key",
            Self::Entropy(_) | Self::Seal(SealError::Entropy(_)) => "keyring_no_entropy",
            Self::Incomplete { .. } => "keyring_incomplete",
            Self::Key(_) | Self::Seal(SealError::Crypto) | Self::Unwritable => "keyring_key",
            Self::KeyMismatch { .. } => "keyring_key_mismatch",
            Self::Missing { .. } => "keyring_record_missing",
            Self::OtherRing => "keyring_other_ring",
            Self::Schedule(_) => "keyring_schedule",
            Self::Sealed { error: OpenError::Tampered, .. } => "keyring_tampered",
            Self::Sealed { error: OpenError::WrongKey, .. } => "keyring_wrong_encryption_key",
            Self::Sealed { error: OpenError::Version, .. } | Self::Unreadable => "keyring_unreadable",
            Self::Store(error) => error.code(),
            Self::WentBack { .. } => "keyring_went_back",
            Self::WitnessMalformed => "keyring_witness_malformed",
        }
    }
}

/// Who has another key-encryption key has it for all records: no single one is to blame.
fn sealed(purpose: &str, name: &str, error: OpenError) -> String {
    match (error, name) {
        (OpenError::WrongKey, _) => "the keys in `countersign.db`, or in `store.url`, were sealed under another key-encryption key than this one (`encryption_key_file`; without it `state_dir/kek`): put the old one back".to_owned(),
        (error, "") => format!("the {purpose} in the store {error}"),
        (error, name) => format!("the {purpose} `{name}` in the store {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::RingFault;

    #[test]
    fn only_a_refused_start_is_told_to_delete_what_a_running_gateway_could_put_back() {
        for fault in [
            RingFault::ChangedApart { seen: 3, found: 4 },
            RingFault::EmptyAfterFull,
            RingFault::OtherRing,
            RingFault::WentBack { seen: 3, found: 2 },
        ] {
            assert!(fault.to_string().contains("delete `state_dir/ring-seen`"), "{fault}");
            for told in [fault.while_running(), fault.mended().to_owned()] {
                assert!(!told.contains("delete") && told.contains("memory"), "{told}");
            }
        }
        assert_eq!(
            RingFault::EmptyAfterFull.mended(),
            "the store lost the keys: this gateway puts them back from memory: nothing to do"
        );
    }
}
