//! The store of a single gateway: SQLite in `state_dir`.
//!
//! Write-ahead log with `synchronous=FULL`: what was answered as written is on the disk. The file is
//! `countersign.db`, mode 0600, and so are the log files SQLite puts beside it.
//!
//! The number of the newest revocation is noted beside it (`revocations-seen`): a database that was put back from a backup
//! has a smaller one, and what was revoked since is not in it. The note stays as it is then, until an operator removes it.
//!
//! Of used log-out tokens there are hashes, so that none is believed again after a restart.
//!
//! Revocations are not sealed: whoever may read this folder reads the same names in the audit log, and whoever may
//! write it can put an older copy in its place, which no seal would show.

mod answers;
mod logouts;
mod revocations;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch},
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    Change, LogoutName, LogoutOutcome, LogoutStanding, RingVersion, SealedRecord, SealedRing, StateDirectory,
    Store, StoreError, StoredRevocations,
};

pub use self::answers::EmbeddedAnswers;

/// File name in `state_dir`.
pub const FILE: &str = "countersign.db";
/// Name of the note in `state_dir`.
const NOTE: &str = "revocations-seen";
/// The schema this release writes.
const SCHEMA: i64 = 4;
/// How long a call waits for a lock another process (a backup, a shell) holds on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// What each schema adds to the one before, the first to nothing. `ring` has one row at most, which is what makes creation compare-and-set.
const STEPS: [&str; 4] = [RING_TABLES, revocations::TABLES, revocations::NAMES, logouts::TABLES];

const RING_TABLES: &str = "
    CREATE TABLE ring (
        only    INTEGER PRIMARY KEY CHECK (only = 1),
        version INTEGER NOT NULL CHECK (version > 0)
    ) STRICT;
    CREATE TABLE ring_record (
        purpose TEXT NOT NULL,
        name    TEXT NOT NULL,
        sealed  BLOB NOT NULL,
        PRIMARY KEY (purpose, name)
    ) STRICT, WITHOUT ROWID;
";

/// SQLite in `state_dir`. One connection, used from the control thread.
#[derive(Debug)]
pub struct EmbeddedStore {
    connection: Mutex<Connection>,
    directory: Arc<StateDirectory>,
}

impl EmbeddedStore {
    /// Opens the database, or makes it.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used, is open to other users, or was written by a newer release.
    pub fn open(directory: Arc<StateDirectory>) -> Result<Self, StoreError> {
        // SQLite gives its log files the permissions of the database file, so that one is made first.
        let path = directory.prepare(FILE)?;
        let connection = opened(&path).map_err(|error| match error {
            StoreError::Database(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) =>
            {
                StoreError::NoDatabase(path.clone())
            }
            other => other,
        })?;
        Ok(Self { connection: Mutex::new(connection), directory })
    }

    /// Lets the database grow to that many pages of 4 KiB at most, as a full disk would; the least is what it has.
    /// For tests.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be used.
    #[doc(hidden)]
    pub fn limit_pages_for_tests(&self, pages: u32) -> Result<(), StoreError> {
        Ok(self.locked().pragma_update(None, "max_page_count", pages)?)
    }

    fn locked(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn opened(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let missing = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
    let Some(missing) = missing else { return Err(StoreError::Schema { found, known: SCHEMA }) };
    if missing.is_empty() {
        return Ok(());
    }
    for step in missing {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "user_version", SCHEMA)?;
    change.commit()?;
    Ok(())
}

impl Store for EmbeddedStore {
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        let mut connection = self.locked();
        let reading = connection.transaction()?;
        let Some(version) = version(&reading)? else { return Ok(None) };
        let mut statement =
            reading.prepare_cached("SELECT purpose, name, sealed FROM ring_record ORDER BY purpose, name")?;
        let records = statement
            .query_map([], |row| {
                Ok(SealedRecord { purpose: row.get(0)?, name: row.get(1)?, sealed: row.get(2)? })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some(SealedRing { version, records, is_of_earlier_life: false }))
    }

    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        let mut connection = self.locked();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version(&change)?.is_some() {
            return Err(StoreError::Conflict);
        }
        write(&change, RingVersion::FIRST, records)?;
        change.commit()?;
        Ok(RingVersion::FIRST)
    }

    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError> {
        let mut connection = self.locked();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version(&change)? != Some(expected) {
            return Err(StoreError::Conflict);
        }
        write(&change, expected.next(), records)?;
        change.commit()?;
        Ok(expected.next())
    }

    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError> {
        revocations::begin_epoch(&mut self.locked(), fresh)
    }

    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError> {
        revocations::read(&mut self.locked(), after)
    }

    fn append(&self, changes: &[Change]) -> Result<Cursor, StoreError> {
        let is_whole = self.lost_changes().is_ok_and(|lost| lost == 0);
        let newest = revocations::append(&mut self.locked(), changes)?;
        if is_whole {
            // What was written is written: a note that is too small notices less, and the next one is right.
            let _ = self.directory.note(NOTE, newest.seq.to_string().as_bytes());
        }
        Ok(newest)
    }

    fn lost_changes(&self) -> Result<u64, StoreError> {
        // Empty after the machine lost its power, and absent before the first revocation.
        let noted = self.directory.read(NOTE)?.unwrap_or_default();
        let noted = std::str::from_utf8(&noted).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let newest = revocations::newest(&mut self.locked())?;
        Ok(noted.unwrap_or(0).saturating_sub(newest))
    }

    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError> {
        revocations::forget_expired(&mut self.locked(), now)
    }

    fn hold_logouts(&self, names: &[LogoutName], now: UnixTime) -> Result<Vec<LogoutStanding>, StoreError> {
        logouts::standing(&self.locked(), names, now)
    }

    fn end_logouts(&self, ended: &[(LogoutName, LogoutOutcome)], now: UnixTime) -> Result<(), StoreError> {
        logouts::end(&mut self.locked(), ended, now)
    }
}

fn version(change: &Transaction<'_>) -> Result<Option<RingVersion>, StoreError> {
    let number: Option<i64> =
        change.query_row("SELECT version FROM ring WHERE only = 1", [], |row| row.get(0)).optional()?;
    let Some(number) = number else { return Ok(None) };
    let number = u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, number))?;
    Ok(Some(RingVersion::from_number(number)))
}

fn write(change: &Transaction<'_>, version: RingVersion, records: &[SealedRecord]) -> Result<(), StoreError> {
    let number = i64::try_from(version.as_number())
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    change.execute("INSERT OR REPLACE INTO ring (only, version) VALUES (1, ?1)", params![number])?;
    change.execute("DELETE FROM ring_record", [])?;
    let mut statement =
        change.prepare_cached("INSERT INTO ring_record (purpose, name, sealed) VALUES (?1, ?2, ?3)")?;
    for record in records {
        statement.execute(params![record.purpose, record.name, record.sealed])?;
    }
    Ok(())
}
