//! The file: names, sealed values, and until when each is kept.

use std::{fs, num::NonZeroUsize, path::Path, time::Duration};

use countersign::UnixTime;
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension as _, TransactionBehavior, params};

use super::super::super::{StoreError, directory::prepare_private};

/// The form of the file. Another one is made anew.
const SCHEMA: i64 = 1;
const TABLES: &str = "
    CREATE TABLE answer (
        name   TEXT    PRIMARY KEY NOT NULL,
        sealed BLOB    NOT NULL,
        until  INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX answer_until ON answer (until);
";
/// How long a call waits for a lock that another process (a backup, a shell) has.
const BUSY_TIMEOUT: Duration = Duration::from_millis(50);
/// The most pages of 4 KiB: 256 MiB.
const MAX_PAGES: u32 = 65_536;
/// What is over, and what is too much, is dropped after so many writes.
const TIDY_AFTER: usize = 1_024;

/// What is to be written.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Forget(String),
    Keep { name: String, sealed: Vec<u8>, until: UnixTime },
}

/// An open file.
#[derive(Debug)]
pub(super) struct AnswerFile {
    connection: Connection,
    rows: usize,
    written: usize,
}

impl AnswerFile {
    /// Opens it, or makes it; says why where it was made anew.
    pub(super) fn open(path: &Path, rows: NonZeroUsize) -> Result<(Self, Option<String>), StoreError> {
        match Self::try_open(path, rows) {
            Ok(file) => Ok((file, None)),
            Err(error) => {
                for end in ["", "-wal", "-shm"] {
                    let mut name = path.as_os_str().to_owned();
                    name.push(end);
                    // One that is not there need not go; one that cannot go is found below.
                    let _ = fs::remove_file(name);
                }
                Ok((Self::try_open(path, rows)?, Some(error.to_string())))
            }
        }
    }

    fn try_open(path: &Path, rows: NonZeroUsize) -> Result<Self, StoreError> {
        prepare_private(path)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // What is lost with the machine's power was only a cache.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "max_page_count", MAX_PAGES)?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            SCHEMA => {}
            0 => {
                change.execute_batch(TABLES)?;
                change.pragma_update(None, "user_version", SCHEMA)?;
            }
            _ => return Err(StoreError::Schema { found, known: SCHEMA }),
        }
        change.commit()?;
        // Looks at every page of the table.
        let _: i64 =
            connection.query_row("SELECT count(length(sealed)) FROM answer", [], |row| row.get(0))?;
        Ok(Self { connection, rows: rows.get(), written: TIDY_AFTER })
    }

    pub(super) fn find(&self, name: &str, now: UnixTime) -> Result<Option<Vec<u8>>, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT sealed FROM answer WHERE name = ?1 AND until > ?2")?;
        statement.query_row(params![name, seconds(now)], |row| row.get(0)).optional()
    }

    /// All or none. Where there is no room, the oldest give some, and these are lost.
    pub(super) fn write(&mut self, writes: Vec<Write>, now: UnixTime) -> Result<(), Error> {
        if writes.is_empty() {
            return Ok(());
        }
        self.written = self.written.saturating_add(writes.len());
        let written = self.try_write(writes);
        if written.as_ref().is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DiskFull)) {
            self.make_room(self.rows / 10)?;
        }
        written?;
        if self.written >= TIDY_AFTER {
            self.written = 0;
            self.tidy(now)?;
        }
        Ok(())
    }

    fn try_write(&mut self, writes: Vec<Write>) -> Result<(), Error> {
        let change = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for write in writes {
            match write {
                Write::Forget(name) => {
                    change.prepare_cached("DELETE FROM answer WHERE name = ?1")?.execute(params![name])?;
                }
                Write::Keep { name, sealed, until } => {
                    change
                        .prepare_cached(
                            "INSERT INTO answer (name, sealed, until) VALUES (?1, ?2, ?3) ON CONFLICT (name)
                             DO UPDATE SET sealed = excluded.sealed, until = excluded.until",
                        )?
                        .execute(params![name, sealed, seconds(until)])?;
                }
            }
        }
        change.commit()
    }

    /// Drops what is over, and the oldest of what is too much.
    fn tidy(&mut self, now: UnixTime) -> Result<(), Error> {
        self.connection
            .prepare_cached("DELETE FROM answer WHERE until <= ?1")?
            .execute(params![seconds(now)])?;
        let count: i64 = self.connection.query_row("SELECT count(*) FROM answer", [], |row| row.get(0))?;
        let beyond = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(self.rows);
        if beyond > 0 { self.make_room(beyond) } else { Ok(()) }
    }

    fn make_room(&self, count: usize) -> Result<(), Error> {
        let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
        self.connection
            .prepare_cached(
                "DELETE FROM answer WHERE rowid IN (SELECT rowid FROM answer ORDER BY until LIMIT ?1)",
            )?
            .execute(params![count])?;
        Ok(())
    }

    /// As a full disk would.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: u32) {
        self.connection.pragma_update(None, "max_page_count", pages).unwrap();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let count: i64 =
            self.connection.query_row("SELECT count(*) FROM answer", [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }
}

/// Whether the file must be made anew.
pub(super) fn is_damaged(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
        )
    )
}

fn seconds(moment: UnixTime) -> i64 {
    i64::try_from(moment.as_secs()).unwrap_or(i64::MAX)
}
