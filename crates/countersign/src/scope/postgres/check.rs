//! A look at the real table, its policies and what goes around them, before the first request.
//!
//! What the session could do counts, not only what it is: privileges are asked for every role it may become.

mod keys;
mod leaks;
mod policy;
mod relations;
mod role;

use std::{borrow::Cow, collections::HashSet};

use sqlx::{
    PgPool, Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use crate::scope::{OrganisationTable, SchemaFault, declared::Declared};

/// Parts of statements about `$1`, the table.
mod parts {
    /// Every role the session is or may become.
    macro_rules! able {
        () => {
            "able(role) AS (
    SELECT r.oid FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER') OR pg_has_role(r.oid, 'MEMBER'))"
        };
    }
    /// The table, what it is made of, and what it is a part of. Begins a statement.
    macro_rules! kin {
        () => {
            "
WITH RECURSIVE below(oid) AS (
    SELECT to_regclass(quote_ident($1))::oid
    UNION SELECT i.inhrelid FROM below JOIN pg_inherits i ON i.inhparent = below.oid
), above(oid) AS (
    SELECT to_regclass(quote_ident($1))::oid
    UNION SELECT i.inhparent FROM above JOIN pg_inherits i ON i.inhrelid = above.oid
), kin(oid) AS (SELECT oid FROM below UNION SELECT oid FROM above), "
        };
    }
    /// Whether one of these roles may read or change `c`, be it a single column.
    macro_rules! usable {
        () => {
            "EXISTS (
    SELECT FROM able WHERE has_any_column_privilege(able.role, c.oid, 'SELECT, INSERT, UPDATE')
        OR has_table_privilege(able.role, c.oid, 'DELETE, TRUNCATE'))"
        };
    }
    pub(super) use {able, kin, usable};
}
use parts::{able, kin, usable};

const WITH_COLUMN: &str = "
SELECT c.relname::text AS name
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND pg_table_is_visible(c.oid)
  AND a.attname = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1";

/// Looks at the table of `T`, and at everything beside it that has a column of that name and is not `left_out`.
pub(super) async fn examine<T: OrganisationTable>(
    pool: &PgPool,
    left_out: &[&'static str],
) -> Result<Declared, SchemaFault> {
    let catalogue = Catalogue { pool, table: T::TABLE, column: T::ORGANISATION_COLUMN };
    catalogue.exists().await?;
    catalogue.role_is_below().await?;
    catalogue.settings_are_empty().await?;
    catalogue.row_security_binds().await?;
    catalogue.columns(T::COLUMNS).await?;
    let numbered = catalogue.unique_indexes().await?;
    catalogue.foreign_keys().await?;
    catalogue.kin_is_bound().await?;
    catalogue.leaks().await?;
    let besides: HashSet<&str> = left_out.iter().copied().chain([T::TABLE]).collect();
    match catalogue.others_with_column(&besides).await?.into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(Declared::new::<T>(numbered.as_deref())),
    }
}

/// Tables of the role's search path that have a column of that name, in alphabetical order: what there is to check.
///
/// # Errors
/// When the database cannot be asked.
pub async fn tables_with_column(pool: &PgPool, column: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(WITH_COLUMN).bind(column).fetch_all(pool).await?;
    rows.iter().map(|row| row.try_get("name")).collect()
}

/// Everything that is wrong with one table, as the role of this connection meets it: the check that a declared table
/// passes before the first request, for people who look at a database from outside. Empty: row-level security binds,
/// and nothing that the check sees leads around it. Of each kind of fault the first is told.
pub async fn check_table(pool: &PgPool, table: &str, column: &str) -> Vec<SchemaFault> {
    let catalogue = Catalogue { pool, table, column };
    if let Err(fault) = catalogue.exists().await {
        return vec![fault];
    }
    let found = [
        catalogue.role_is_below().await,
        catalogue.settings_are_empty().await,
        catalogue.row_security_binds().await,
        catalogue.columns(&[]).await,
        catalogue.unique_indexes().await.map(drop),
        catalogue.foreign_keys().await,
        catalogue.kin_is_bound().await,
        catalogue.leaks().await,
    ];
    found.into_iter().filter_map(Result::err).collect()
}

/// Every relation of any schema that has a column of that name, may be used by the role of this connection, and has
/// rows that nothing binds; without the ones in `besides`.
///
/// # Errors
/// [`SchemaFault::Database`] when the database cannot be asked.
pub async fn check_others(
    pool: &PgPool,
    column: &str,
    besides: &[String],
) -> Result<Vec<SchemaFault>, SchemaFault> {
    let besides = besides.iter().map(String::as_str).collect();
    Catalogue { pool, table: "pg_class", column }.others_with_column(&besides).await
}

struct Catalogue<'p> {
    pool: &'p PgPool,
    table: &'p str,
    column: &'p str,
}

impl Catalogue<'_> {
    /// Asks about the table, and with `$2` about its organisation column.
    async fn ask(&self, sql: &'static str) -> Result<Vec<PgRow>, SchemaFault> {
        let query = sqlx::query(sql).bind(self.table);
        let query = if sql.contains("$2") { query.bind(self.column) } else { query };
        self.rows(query).await
    }

    async fn rows(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, SchemaFault> {
        query.fetch_all(self.pool).await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: sqlx::Error) -> SchemaFault {
        SchemaFault::Database { table: self.named(), source }
    }

    fn read<'r, V: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>>(
        &self,
        row: &'r PgRow,
        column: &'static str,
    ) -> Result<V, SchemaFault> {
        row.try_get(column).map_err(|source| self.failed(source))
    }

    fn named(&self) -> Cow<'static, str> {
        Cow::Owned(self.table.to_owned())
    }
}
