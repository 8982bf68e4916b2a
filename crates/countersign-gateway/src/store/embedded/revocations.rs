//! The log of revocations in SQLite.

use countersign::{
    SessionId, UnixTime,
    revocation::{Cursor, Epoch, Target},
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::super::{Change, RevocationRecord, StoreError, StoredRevocations, Terms};

/// What schema 2 adds. Of a record that is no revocation, `at` is the epoch and both ends are the same.
pub(super) const TABLES: &str = "
    CREATE TABLE revocation_log (
        only   INTEGER PRIMARY KEY CHECK (only = 1),
        epoch  TEXT    NOT NULL,
        newest INTEGER NOT NULL CHECK (newest >= 0)
    ) STRICT;
    CREATE TABLE revocation (
        seq            INTEGER PRIMARY KEY,
        change         TEXT    NOT NULL CHECK (change IN ('keys-changed', 'lifted', 'revoked')),
        kind           TEXT    NOT NULL,
        id             TEXT    NOT NULL,
        at             INTEGER NOT NULL,
        tokens_until   INTEGER NOT NULL,
        sessions_until INTEGER NOT NULL,
        reason         TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX revocation_target ON revocation (kind, id);
    CREATE INDEX revocation_until ON revocation (max(tokens_until, sessions_until));
";

/// What schema 3 adds: the session that a revoked name is one more name of; empty for none.
pub(super) const NAMES: &str = "ALTER TABLE revocation ADD COLUMN name_of TEXT NOT NULL DEFAULT '';";

const KEYS_CHANGED: &str = "keys-changed";
const LIFTED: &str = "lifted";
const REVOKED: &str = "revoked";

pub(super) fn begin_epoch(connection: &mut Connection, fresh: &Epoch) -> Result<Epoch, StoreError> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.execute(
        "INSERT INTO revocation_log (only, epoch, newest) VALUES (1, ?1, 0)
         ON CONFLICT (only) DO UPDATE SET epoch = excluded.epoch",
        params![fresh.as_str()],
    )?;
    change.commit()?;
    Ok(fresh.clone())
}

pub(super) fn read(connection: &mut Connection, after: u64) -> Result<StoredRevocations, StoreError> {
    let reading = connection.transaction()?;
    let (epoch, newest) = head(&reading)?;
    let mut statement = reading.prepare_cached(
        "SELECT seq, change, kind, id, at, tokens_until, sessions_until, reason, name_of
         FROM revocation WHERE seq > ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![number(after)])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(StoredRevocations { epoch, newest, records, unreadable: 0 })
}

/// The newest number; 0 if there was none yet.
pub(super) fn newest(connection: &mut Connection) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT newest FROM revocation_log WHERE only = 1")?;
    let newest: Option<i64> = statement.query_row(params![], |row| row.get(0)).optional()?;
    u64::try_from(newest.unwrap_or(0)).map_err(|_| StoreError::Damaged(0))
}

pub(super) fn append(connection: &mut Connection, changes: &[Change]) -> Result<Cursor, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (epoch, mut newest) = head(&transaction)?;
    for change in changes {
        newest = newest.saturating_add(1);
        write(&transaction, newest, change)?;
    }
    transaction.execute("UPDATE revocation_log SET newest = ?1 WHERE only = 1", params![number(newest)])?;
    transaction.commit()?;
    Ok(Cursor { epoch, seq: newest })
}

pub(super) fn forget_expired(connection: &mut Connection, now: UnixTime) -> Result<usize, StoreError> {
    let mut statement =
        connection.prepare_cached("DELETE FROM revocation WHERE max(tokens_until, sessions_until) <= ?1")?;
    Ok(statement.execute(params![seconds(now)])?)
}

fn head(transaction: &Transaction<'_>) -> Result<(Epoch, u64), StoreError> {
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
    let row = transaction.query_row("SELECT epoch, newest FROM revocation_log WHERE only = 1", [], read);
    let (epoch, newest) = row.optional()?.ok_or(StoreError::Conflict)?;
    let epoch = Epoch::new(&epoch).map_err(|_| StoreError::Damaged(0))?;
    Ok((epoch, u64::try_from(newest).map_err(|_| StoreError::Damaged(0))?))
}

/// Writes one change, and deletes what it makes superfluous ([`Change::replaces`], as a statement).
fn write(transaction: &Transaction<'_>, seq: u64, change: &Change) -> Result<(), StoreError> {
    let (word, target, terms, reason, name_of) = match change {
        Change::KeysChanged { until } => {
            transaction
                .prepare_cached("DELETE FROM revocation WHERE kind = '' AND id = ''")?
                .execute(params![])?;
            (KEYS_CHANGED, None, mark(*until), "", None)
        }
        Change::Lifted { target, until } => {
            transaction
                .prepare_cached("DELETE FROM revocation WHERE kind = ?1 AND id = ?2")?
                .execute(params![target.kind(), target.id()])?;
            (LIFTED, Some(target), mark(*until), "", None)
        }
        Change::Revoked { target, name_of, terms, reason } => {
            transaction
                .prepare_cached(
                    "DELETE FROM revocation WHERE kind = ?1 AND id = ?2 AND change = 'revoked'
                     AND at <= ?3 AND tokens_until <= ?4 AND sessions_until <= ?5",
                )?
                .execute(params![
                    target.kind(),
                    target.id(),
                    seconds(terms.at),
                    seconds(terms.tokens_until),
                    seconds(terms.sessions_until),
                ])?;
            (REVOKED, Some(target), *terms, reason.as_str(), name_of.as_ref())
        }
    };
    transaction
        .prepare_cached(
            "INSERT INTO revocation (seq, change, kind, id, at, tokens_until, sessions_until, reason, name_of)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            number(seq),
            word,
            target.map_or("", Target::kind),
            target.map_or("", Target::id),
            seconds(terms.at),
            seconds(terms.tokens_until),
            seconds(terms.sessions_until),
            reason,
            name_of.map_or("", SessionId::as_str),
        ])?;
    Ok(())
}

/// The terms of a record that is no revocation.
const fn mark(until: UnixTime) -> Terms {
    Terms { at: UnixTime::from_secs(0), tokens_until: until, sessions_until: until }
}

fn record(row: &Row<'_>) -> Result<RevocationRecord, StoreError> {
    let seq = u64::try_from(row.get::<_, i64>(0)?).map_err(|_| StoreError::Damaged(0))?;
    let moment = |index| -> Result<UnixTime, StoreError> {
        let secs = u64::try_from(row.get::<_, i64>(index)?).map_err(|_| StoreError::Damaged(seq))?;
        Ok(UnixTime::from_secs(secs))
    };
    let (word, kind, id): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let terms = Terms { at: moment(4)?, tokens_until: moment(5)?, sessions_until: moment(6)? };
    let target = || Target::from_parts(&kind, &id).ok_or(StoreError::Damaged(seq));
    let change = match word.as_str() {
        KEYS_CHANGED => Change::KeysChanged { until: terms.until() },
        LIFTED => Change::Lifted { target: target()?, until: terms.until() },
        REVOKED => {
            let name_of = Some(row.get::<_, String>(8)?).filter(|name| !name.is_empty()).map(SessionId::from);
            Change::Revoked { target: target()?, name_of, terms, reason: row.get(7)? }
        }
        _ => return Err(StoreError::Damaged(seq)),
    };
    Ok(RevocationRecord { seq, change })
}

/// As SQLite has it: numbers beyond its range do not occur, and would be too large to come after.
fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn seconds(moment: UnixTime) -> i64 {
    number(moment.as_secs())
}
