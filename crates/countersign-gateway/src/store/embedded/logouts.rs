//! Used log-out tokens in SQLite. None is held: one gateway takes turns itself.

use countersign::UnixTime;
use rusqlite::{Connection, TransactionBehavior, params};

use super::super::{
    LOGOUT_REMEMBERED, LogoutName, LogoutOutcome, LogoutStanding, MAX_USED_LOGOUTS, StoreError,
};

/// What schema 4 adds. Numbers grow with time: the lowest is the oldest.
pub(super) const TABLES: &str = "
    CREATE TABLE used_logout (
        number INTEGER PRIMARY KEY,
        name   BLOB    NOT NULL UNIQUE CHECK (length(name) = 32),
        until  INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX used_logout_until ON used_logout (until);
";

pub(super) fn standing(
    connection: &Connection,
    names: &[LogoutName],
    now: UnixTime,
) -> Result<Vec<LogoutStanding>, StoreError> {
    let mut used = connection.prepare_cached("SELECT 1 FROM used_logout WHERE name = ?1 AND until > ?2")?;
    let mut standing = Vec::with_capacity(names.len());
    for name in names {
        let is_used = used.exists(params![name.as_bytes(), seconds(now)])?;
        standing.push(if is_used { LogoutStanding::Used } else { LogoutStanding::Fresh });
    }
    Ok(standing)
}

pub(super) fn end(
    connection: &mut Connection,
    ended: &[(LogoutName, LogoutOutcome)],
    now: UnixTime,
) -> Result<(), StoreError> {
    let mut used = ended.iter().filter(|(_, outcome)| *outcome == LogoutOutcome::Used).peekable();
    if used.peek().is_none() {
        return Ok(());
    }
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.prepare_cached("DELETE FROM used_logout WHERE until <= ?1")?.execute(params![seconds(now)])?;
    let until = seconds(now.saturating_add(LOGOUT_REMEMBERED));
    for (name, _) in used {
        change
            .prepare_cached("INSERT OR REPLACE INTO used_logout (name, until) VALUES (?1, ?2)")?
            .execute(params![name.as_bytes(), until])?;
    }
    change
        .prepare_cached("DELETE FROM used_logout WHERE number <= (SELECT max(number) FROM used_logout) - ?1")?
        .execute(params![i64::try_from(MAX_USED_LOGOUTS).unwrap_or(i64::MAX)])?;
    change.commit()?;
    Ok(())
}

fn seconds(moment: UnixTime) -> i64 {
    i64::try_from(moment.as_secs()).unwrap_or(i64::MAX)
}
