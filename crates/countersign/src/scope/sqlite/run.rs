//! Statements against the database.

use std::sync::Arc;

use sqlx::{
    AssertSqlSafe, Row, SqliteExecutor,
    sqlite::{SqliteArguments, SqliteRow},
};

use crate::OrganisationId;

use super::{RowOf, schema::Declared};
use crate::scope::{
    Delete, Insert, OrganisationTable, Owned, ScopeError, Select, Update, Value,
    render::{Dialect, OWNER_ALIAS, Reach, Renderer},
    statement::{Bound, Statement},
};

/// One organisation's rows in the declared tables.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) organisation: OrganisationId,
    pub(super) declared: Arc<[Declared]>,
}

impl Rows {
    pub(super) async fn all<'e, T: RowOf>(
        &self,
        executor: impl SqliteExecutor<'e>,
        select: &Select<T>,
    ) -> Result<Vec<T>, ScopeError> {
        declaration::<T>(&self.declared)?;
        let statement = renderer().select(select, Reach::One(&self.organisation));
        let rows = fetch(executor, statement).await?;
        bounded::<T>(&rows, select)?;
        rows.iter().map(|row| T::from_row(row).map_err(ScopeError::Database)).collect()
    }

    pub(super) async fn count<'e, T: RowOf>(
        &self,
        executor: impl SqliteExecutor<'e>,
        select: &Select<T>,
    ) -> Result<u64, ScopeError> {
        declaration::<T>(&self.declared)?;
        let statement = renderer().count(select, Reach::One(&self.organisation));
        let rows = fetch(executor, statement).await?;
        let count: i64 = single(&rows)?.try_get(0).map_err(ScopeError::Database)?;
        Ok(count.unsigned_abs())
    }

    pub(super) async fn insert<'e, T: RowOf>(
        &self,
        executor: impl SqliteExecutor<'e>,
        insert: &Insert<T>,
    ) -> Result<T, ScopeError> {
        key_is_free::<T>(&self.declared, insert.values().iter().map(|(column, _)| column.name()))?;
        let rows = fetch(executor, renderer().insert(insert, &self.organisation)).await?;
        T::from_row(single(&rows)?).map_err(ScopeError::Database)
    }

    pub(super) async fn update<'e, T: RowOf>(
        &self,
        executor: impl SqliteExecutor<'e>,
        update: &Update<T>,
    ) -> Result<u64, ScopeError> {
        key_is_free::<T>(&self.declared, update.values().iter().map(|(column, _)| column.name()))?;
        if update.values().is_empty() {
            return Err(ScopeError::NothingToSet { table: T::TABLE });
        }
        change(executor, renderer().update(update, &self.organisation)).await
    }

    pub(super) async fn delete<'e, T: RowOf>(
        &self,
        executor: impl SqliteExecutor<'e>,
        delete: &Delete<T>,
    ) -> Result<u64, ScopeError> {
        declaration::<T>(&self.declared)?;
        change(executor, renderer().delete(delete, &self.organisation)).await
    }
}

/// Rows of every organisation. The caller has shown that it may.
pub(super) async fn across<'e, T: RowOf>(
    executor: impl SqliteExecutor<'e>,
    declared: &[Declared],
    select: &Select<T>,
) -> Result<Vec<Owned<T>>, ScopeError> {
    declaration::<T>(declared)?;
    let rows = fetch(executor, renderer().select(select, Reach::Every)).await?;
    bounded::<T>(&rows, select)?;
    rows.iter()
        .map(|row| Ok(Owned { organisation: row.try_get(OWNER_ALIAS)?, row: T::from_row(row)? }))
        .collect::<Result<_, _>>()
        .map_err(ScopeError::Database)
}

fn renderer<T: OrganisationTable>() -> Renderer<T> {
    Renderer::new(Dialect::Sqlite)
}

fn declaration<T: OrganisationTable>(declared: &[Declared]) -> Result<&Declared, ScopeError> {
    declared.iter().find(|declared| declared.is::<T>()).ok_or(ScopeError::Undeclared { table: T::TABLE })
}

/// A key that the database numbers is never written.
fn key_is_free<T: OrganisationTable>(
    declared: &[Declared],
    mut written: impl Iterator<Item = &'static str>,
) -> Result<(), ScopeError> {
    let numbered = declaration::<T>(declared)?.numbered_key();
    match numbered {
        Some(key) if written.any(|column| column.eq_ignore_ascii_case(key)) => {
            Err(ScopeError::KeyAssigned { table: T::TABLE })
        }
        _ => Ok(()),
    }
}

fn bounded<T: OrganisationTable>(rows: &[SqliteRow], select: &Select<T>) -> Result<(), ScopeError> {
    match select.bound() {
        Bound::Refused(too_many) if rows.len() >= too_many as usize => {
            Err(ScopeError::TooManyRows { table: T::TABLE })
        }
        _ => Ok(()),
    }
}

fn single(rows: &[SqliteRow]) -> Result<&SqliteRow, ScopeError> {
    rows.first().ok_or(ScopeError::Database(sqlx::Error::RowNotFound))
}

async fn fetch<'e, T: OrganisationTable>(
    executor: impl SqliteExecutor<'e>,
    statement: Statement<T>,
) -> Result<Vec<SqliteRow>, ScopeError> {
    let arguments = arguments(statement.values)?;
    // The text has checked identifiers and placeholders only: `render` binds every value.
    sqlx::query_with(AssertSqlSafe(statement.sql), arguments).fetch_all(executor).await.map_err(failure::<T>)
}

async fn change<'e, T: OrganisationTable>(
    executor: impl SqliteExecutor<'e>,
    statement: Statement<T>,
) -> Result<u64, ScopeError> {
    let arguments = arguments(statement.values)?;
    let done = sqlx::query_with(AssertSqlSafe(statement.sql), arguments)
        .execute(executor)
        .await
        .map_err(failure::<T>)?;
    Ok(done.rows_affected())
}

fn arguments(values: Vec<Value>) -> Result<SqliteArguments, ScopeError> {
    use sqlx::Arguments;

    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Boolean(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            Value::Integer(value) => arguments.add(value),
            Value::Null => arguments.add(None::<i64>),
            Value::Real(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
        }
        .map_err(|error| ScopeError::Database(sqlx::Error::Encode(error)))?;
    }
    Ok(arguments)
}

fn failure<T: OrganisationTable>(error: sqlx::Error) -> ScopeError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            ScopeError::Conflict { table: T::TABLE }
        }
        _ => ScopeError::Database(error),
    }
}
