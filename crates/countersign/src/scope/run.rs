//! Statements against a database. One text for all of them, so that none can forget what another does.

macro_rules! run_on {
    ($dialect:ident, $executor:ident, $arguments:ident, $row:ident) => {
        use std::sync::Arc;

        use sqlx::{AssertSqlSafe, Row};

        use super::RowOf;
        use crate::{
            OrganisationId,
            scope::{
                Delete, Insert, OrganisationTable, Owned, ScopeError, Select, Update, Value,
                condition::uuid_text,
                declared::{Declared, bounded, declaration, failure, key_is_free},
                render::{Dialect, OWNER_ALIAS, Reach, Renderer},
                statement::Statement,
            },
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
                executor: impl $executor<'e>,
                select: &Select<T>,
            ) -> Result<Vec<T>, ScopeError> {
                declaration::<T>(&self.declared)?;
                let statement = renderer().select(select, Reach::One(&self.organisation));
                let rows = fetch(executor, statement).await?;
                bounded(rows.len(), select)?;
                rows.iter().map(|row| T::from_row(row).map_err(ScopeError::Database)).collect()
            }

            pub(super) async fn count<'e, T: RowOf>(
                &self,
                executor: impl $executor<'e>,
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
                executor: impl $executor<'e>,
                insert: &Insert<T>,
            ) -> Result<T, ScopeError> {
                key_is_free::<T>(&self.declared, insert.values().iter().map(|(column, _)| column.name()))?;
                let rows = fetch(executor, renderer().insert(insert, &self.organisation)).await?;
                T::from_row(single(&rows)?).map_err(ScopeError::Database)
            }

            pub(super) async fn update<'e, T: RowOf>(
                &self,
                executor: impl $executor<'e>,
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
                executor: impl $executor<'e>,
                delete: &Delete<T>,
            ) -> Result<u64, ScopeError> {
                declaration::<T>(&self.declared)?;
                change(executor, renderer().delete(delete, &self.organisation)).await
            }
        }

        /// Rows of every organisation. The caller has shown that it may.
        pub(super) async fn across<'e, T: RowOf>(
            executor: impl $executor<'e>,
            declared: &[Declared],
            select: &Select<T>,
        ) -> Result<Vec<Owned<T>>, ScopeError> {
            declaration::<T>(declared)?;
            let rows = fetch(executor, renderer().select(select, Reach::Every)).await?;
            bounded(rows.len(), select)?;
            rows.iter()
                .map(|row| Ok(Owned { organisation: row.try_get(OWNER_ALIAS)?, row: T::from_row(row)? }))
                .collect::<Result<_, _>>()
                .map_err(ScopeError::Database)
        }

        fn renderer<T: OrganisationTable>() -> Renderer<T> {
            Renderer::new(Dialect::$dialect)
        }

        fn single(rows: &[$row]) -> Result<&$row, ScopeError> {
            rows.first().ok_or(ScopeError::Database(sqlx::Error::RowNotFound))
        }

        async fn fetch<'e, T: OrganisationTable>(
            executor: impl $executor<'e>,
            statement: Statement<T>,
        ) -> Result<Vec<$row>, ScopeError> {
            let arguments = arguments(statement.values)?;
            // The text has checked identifiers and placeholders only: `render` binds every value.
            sqlx::query_with(AssertSqlSafe(statement.sql), arguments)
                .fetch_all(executor)
                .await
                .map_err(failure::<T>)
        }

        async fn change<'e, T: OrganisationTable>(
            executor: impl $executor<'e>,
            statement: Statement<T>,
        ) -> Result<u64, ScopeError> {
            let arguments = arguments(statement.values)?;
            let done = sqlx::query_with(AssertSqlSafe(statement.sql), arguments)
                .execute(executor)
                .await
                .map_err(failure::<T>)?;
            Ok(done.rows_affected())
        }

        fn arguments(values: Vec<Value>) -> Result<$arguments, ScopeError> {
            use sqlx::Arguments;

            let mut arguments = $arguments::default();
            for value in values {
                match value {
                    Value::Boolean(value) => arguments.add(value),
                    Value::Bytes(value) => arguments.add(value),
                    Value::Integer(value) => arguments.add(value),
                    Value::Null => arguments.add(None::<i64>),
                    Value::Real(value) => arguments.add(value),
                    Value::Text(value) => arguments.add(value),
                    // The statement says what is to become of these.
                    Value::Json(value) => arguments.add(value.to_string()),
                    Value::Timestamp(micros) => arguments.add(micros),
                    Value::Uuid(bytes) => arguments.add(uuid_text(bytes)),
                }
                .map_err(|error| ScopeError::Database(sqlx::Error::Encode(error)))?;
            }
            Ok(arguments)
        }
    };
}

pub(super) use run_on;
