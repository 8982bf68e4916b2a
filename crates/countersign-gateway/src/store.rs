//! What must survive a restart and be equal on every replica.
//!
//! 1. A store holds sealed records; it can read none of them. Who reads or writes it can become nobody.
//! 2. Creation is compare-and-set: of two gateways that start at once on one store, exactly one creates the ring
//!    and the other uses it.
//! 3. Every change names the version it was made from; a change of an older version is [`StoreError::Conflict`].
//! 4. All calls block and are made on the control thread, never on a data worker.
//! 5. What was answered as written survives whatever happens to the process.

mod directory;
pub mod embedded;
mod logouts;
pub mod memory;
mod revocations;
#[cfg(feature = "valkey")]
pub mod valkey;

use std::{fmt, io, path::PathBuf};

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch},
};

pub use directory::StateDirectory;
pub(crate) use logouts::RememberedLogouts;
pub use logouts::{
    LOGOUT_HELD, LOGOUT_REMEMBERED, LogoutName, LogoutOutcome, LogoutStanding, MAX_USED_LOGOUTS,
};
pub use revocations::{
    Change, InForce, LIFT_MATTERS, RevocationRecord, StoredRevocations, Terms, in_force, without_stale_lifts,
};

/// Keeps the sealed key ring, the log of revocations and the names of used log-out tokens.
pub trait Store: Send + Sync + fmt::Debug {
    /// The ring as it is now; `None` if none was ever created.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read. A caller must not take that for "no ring".
    fn ring(&self) -> Result<Option<SealedRing>, StoreError>;

    /// Creates the ring in version 1.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one already; nothing is changed then.
    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError>;

    /// Replaces the records of `expected` by `records`, all or none, and answers the new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the ring is not in that version any more, is of an earlier life, or there is none.
    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError>;

    /// Begins to number: called once by each process that starts on the store. The store of one gateway takes
    /// `fresh`, so that a database put back from a backup is not taken for the one whose numbers others have read;
    /// a store of several takes it only if there is none yet. Answers the epoch in force.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError>;

    /// The log of revocations after that number; all of it after 0.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or no epoch was begun.
    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError>;

    /// Appends changes, all or none, and answers the place of the last: they have consecutive numbers, which grow. It may
    /// be a place in another numbering than the caller has read: another gateway can have begun one meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written then, or it is not known whether it was.
    fn append(&self, changes: &[Change]) -> Result<Cursor, StoreError>;

    /// Forgets the changes whose time is over, and answers how many.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was forgotten then.
    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError>;

    /// Holds those log-out tokens that were not used and that nobody holds, and answers how each stood. A store of one
    /// gateway need not hold any: that gateway takes turns itself.
    ///
    /// # Errors
    /// [`StoreError`]; it is not known then how they stand.
    fn hold_logouts(&self, names: &[LogoutName], now: UnixTime) -> Result<Vec<LogoutStanding>, StoreError>;

    /// Ends holds: what was used is remembered, and what was not may be used again.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written then, or it is not known whether it was.
    fn end_logouts(&self, ended: &[(LogoutName, LogoutOutcome)], now: UnixTime) -> Result<(), StoreError>;

    /// How many of the newest changes are missing: noted apart from the log when they were written, and not in it any more.
    /// A shared store tells that otherwise ([`Self::renumber`]).
    ///
    /// # Errors
    /// [`StoreError`] when the store or the note cannot be read.
    fn lost_changes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// The log as far as one answer goes, from the place that the answer before said, or from its beginning; and where to
    /// go on, if there is more. The whole log, unless the store has a better idea.
    ///
    /// # Errors
    /// As [`Self::revocations`].
    fn page_of_revocations(
        &self,
        _from: Option<&str>,
    ) -> Result<(StoredRevocations, Option<String>), StoreError> {
        Ok((self.revocations(0)?, None))
    }

    /// Whether other gateways write it too.
    fn is_shared(&self) -> bool {
        false
    }

    /// Puts a ring in the place of `expected`, or of none, in the version it has: what a store that went back has lost, or
    /// what it has, which is of its present life then. Only a shared store can do that.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is another version than `expected`.
    fn restore_ring(&self, expected: Option<RingVersion>, ring: &SealedRing) -> Result<(), StoreError> {
        let _ = (expected, ring);
        Err(StoreError::Conflict)
    }

    /// Begins to number anew if the log is behind that place of its numbering, or there is none. Answers the epoch in
    /// force.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    fn renumber(&self, seen: &Cursor, fresh: &Epoch) -> Result<Epoch, StoreError> {
        let _ = seen;
        self.begin_epoch(fresh)
    }
}

/// Counts the changes of the ring. The first is 1; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingVersion(u64);

impl RingVersion {
    /// The version of a ring that was just created.
    pub const FIRST: Self = Self(1);

    /// A version that was stored.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The version as a number.
    #[must_use]
    pub const fn as_number(self) -> u64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for RingVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The ring as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRing {
    /// Which version this is.
    pub version: RingVersion,
    /// Its records, sorted by purpose and name.
    pub records: Vec<SealedRecord>,
    /// It was written before another server took over, or before this one was restarted: newer versions may be lost.
    /// Such a ring is not changed before it was put back ([`Store::restore_ring`]). Never so where one gateway has its own
    /// store.
    pub is_of_earlier_life: bool,
}

/// One sealed value and what it is for. Purpose and name are bound to the value by its seal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealedRecord {
    /// What kind of thing is sealed.
    pub purpose: String,
    /// Which one: a key id, or empty where there is only one.
    pub name: String,
    /// Ciphertext with its header and tag.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for SealedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedRecord")
            .field("purpose", &self.purpose)
            .field("name", &self.name)
            .field("sealed_bytes", &self.sealed.len())
            .finish()
    }
}

/// Why the store could not do what was asked. The gateway keeps what it has in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another gateway was quicker; read again.
    #[error("the ring was changed by another gateway")]
    Conflict,
    /// A record of the log cannot be understood.
    #[error("the log of revocations is damaged at number {0}")]
    Damaged(u64),
    /// The database answers an error: full disk, damaged file, missing permission.
    #[error("the store cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// There is no log of revocations where there was one.
    #[error("the store holds no log of revocations, but did before")]
    Empty,
    /// The database file is something else.
    #[error("`{}` is no SQLite database: restore a backup", .0.display())]
    NoDatabase(PathBuf),
    /// A file or folder cannot be made or read.
    #[error("`{}` cannot be used: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another gateway runs on this `state_dir`.
    #[error("`{}` is in use by another gateway", .0.display())]
    InUse(PathBuf),
    /// Others than the owner may read or enter.
    #[error("`{}` is open to other users (mode {mode:04o}); run `chmod {wanted:o}` on it", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The bits it may have.
        wanted: u32,
    },
    /// More is revoked than there is room for.
    #[error("the store holds more revocations than there is room for")]
    Overfull,
    /// It cannot be reached, or refuses to answer.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// A record could not be sealed.
    #[error("a record could not be sealed")]
    Unsealed,
    /// The database was written by a newer release.
    #[error("the store has schema {found}, this release reads up to {known}")]
    Schema {
        /// In the file.
        found: i64,
        /// Known here.
        known: i64,
    },
}

impl StoreError {
    /// Stable name, the same in logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict => "store_conflict",
            Self::Damaged(_) => "store_damaged",
            Self::Database(_) | Self::NoDatabase(_) => "store_database",
            Self::Empty => "store_empty",
            Self::File { .. } => "store_file",
            Self::InUse(_) => "store_in_use",
            Self::Open { .. } => "store_open_to_others",
            Self::Overfull => "store_overfull",
            Self::Schema { .. } => "store_schema",
            Self::Unavailable(_) => "store_unavailable",
            Self::Unsealed => "store_unsealed",
        }
    }
}
