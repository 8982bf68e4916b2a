//! The scope on `PostgreSQL`, with row-level security as the second lock.
//!
//! 1. Every unit of work is one transaction that begins by setting the caller's organisation for its own length
//!    (`countersign.organisation`), in the same round trip as `BEGIN`.
//! 2. [`row_level_security`] is the migration: the table's rows are then seen and written for that organisation only,
//!    whatever the statement says. Outside a scope, no row is seen.
//! 3. So a transaction may also be given SQL text of its own, for joins and reports
//!    ([`ScopedTransaction::connection`]). What an attacker can do who can choose that text: name the setting, and
//!    with it another organisation. Never build it from input.
//! 4. [`ScopedPool::declare`] refuses to start where row-level security is switched off, does not bind the service's
//!    role, was widened, or can be gone around by a view or function that the role may use.
//!
//! ```
//! use countersign::{Caller, scope::{OrganisationTable, postgres::{ScopedPool, row_level_security}}};
//!
//! struct Order;
//! impl OrganisationTable for Order {
//!     const TABLE: &'static str = "orders";
//!     const COLUMNS: &'static [&'static str] = &["id", "item"];
//! }
//!
//! println!("{}", row_level_security::<Order>());
//!
//! async fn count(pool: &ScopedPool, caller: &Caller) -> Result<i64, Box<dyn std::error::Error>> {
//!     let mut work = pool.for_caller(caller)?.begin().await?;
//!     // Forgetting the filter counts the caller's rows only.
//!     let count = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(work.connection()).await?;
//!     work.commit().await?;
//!     Ok(count)
//! }
//! ```
//!
//! There is no query without a scope:
//!
//! ```compile_fail,E0277
//! # use countersign::scope::postgres::ScopedPool;
//! async fn leak(pool: &ScopedPool) {
//!     sqlx::query("SELECT * FROM orders").fetch_all(pool).await;
//! }
//! ```

mod check;
mod migration;
mod run;

use std::{fmt, fmt::Write, sync::Arc};

use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool, postgres::PgRow};

use crate::{Caller, InOrganisation, NoOrganisation, OrganisationId};

use self::run::Rows;
use super::{
    CrossOrganisation, Delete, Insert, OrganisationTable, Owned, SchemaFault, ScopeError, Select, Update,
    Value, declared::Declared, methods::statements,
};

pub use self::check::{check_table, tables_with_column};
pub use self::migration::row_level_security;

/// A pool that runs nothing by itself: only a [`Scope`] made from it does.
#[derive(Clone)]
pub struct ScopedPool {
    pool: PgPool,
    declared: Arc<[Declared]>,
}

impl ScopedPool {
    /// Takes the pool into hiding. Its role must not own the tables or be above row-level security; make the tables
    /// with another.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, declared: Arc::new([]) }
    }

    /// Looks at the table of `T` and makes it usable.
    ///
    /// # Errors
    /// [`SchemaFault`] where row-level security is inert or leaks, the organisation column is not `TEXT NOT NULL`, or
    /// a unique index or foreign key does not include it (a lone key that the database numbers excepted).
    pub async fn declare<T: OrganisationTable>(self) -> Result<Self, SchemaFault> {
        let declared = check::examine::<T>(&self.pool).await?;
        let declared = self.declared.iter().cloned().chain([declared]).collect();
        Ok(Self { pool: self.pool, declared })
    }

    /// The rows of the caller's organisation.
    ///
    /// # Errors
    /// [`NoOrganisation`] if the caller's token names none.
    pub fn for_caller(&self, caller: &Caller) -> Result<Scope<'_>, NoOrganisation> {
        let organisation = caller.organisation().ok_or(NoOrganisation)?;
        Ok(self.scope(organisation))
    }

    /// The rows of the organisation the caller was proved to belong to.
    #[must_use]
    pub fn within(&self, proof: &InOrganisation) -> Scope<'_> {
        self.scope(proof.organisation())
    }

    /// The rows of every organisation, to read.
    #[must_use]
    pub const fn across<'p>(&'p self, leave: &'p CrossOrganisation) -> Across<'p> {
        Across { pool: self, leave }
    }

    fn scope(&self, organisation: &OrganisationId) -> Scope<'_> {
        Scope {
            pool: &self.pool,
            rows: Rows { organisation: organisation.clone(), declared: Arc::clone(&self.declared) },
        }
    }
}

impl fmt::Debug for ScopedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedPool").field("declared", &self.declared).finish_non_exhaustive()
    }
}

/// What a row type needs besides [`OrganisationTable`]. Implemented for every type that has it.
pub trait RowOf: OrganisationTable + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T: OrganisationTable + for<'r> FromRow<'r, PgRow> + Send + Unpin> RowOf for T {}

/// The rows of one organisation. Everything happens in units of work.
#[derive(Debug, Clone)]
pub struct Scope<'p> {
    pool: &'p PgPool,
    rows: Rows,
}

/// Several statements on the rows of one organisation that happen together or not at all. Dropped without
/// [`commit`](Self::commit), nothing has happened.
///
/// Every call can fail with [`ScopeError::Undeclared`] and [`ScopeError::Database`]; what else is said where it is.
#[derive(Debug)]
#[must_use = "without `commit` nothing has happened"]
pub struct ScopedTransaction {
    transaction: sqlx::Transaction<'static, sqlx::Postgres>,
    rows: Rows,
}

impl Scope<'_> {
    /// Whose rows.
    #[must_use]
    pub const fn organisation(&self) -> &OrganisationId {
        &self.rows.organisation
    }

    /// Begins a unit of work.
    ///
    /// # Errors
    /// [`ScopeError::Database`] if no connection can be had.
    pub async fn begin(&self) -> Result<ScopedTransaction, ScopeError> {
        let begin = begin_for(&self.rows.organisation);
        let transaction = self.pool.begin_with(AssertSqlSafe(begin)).await.map_err(ScopeError::Database)?;
        Ok(ScopedTransaction { transaction, rows: self.rows.clone() })
    }
}

impl ScopedTransaction {
    /// Whose rows.
    #[must_use]
    pub const fn organisation(&self) -> &OrganisationId {
        &self.rows.organisation
    }

    /// The connection, on which row-level security alone stands guard. See rule 3 of the [module](self).
    #[must_use]
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Makes everything happen.
    ///
    /// # Errors
    /// [`ScopeError::Database`]; then nothing has happened.
    pub async fn commit(self) -> Result<(), ScopeError> {
        self.transaction.commit().await.map_err(ScopeError::Database)
    }

    statements!((&mut self), self => &mut *self.transaction);
}

/// The rows of every organisation, to read only. Each call is written to the log.
#[derive(Debug)]
pub struct Across<'p> {
    pool: &'p ScopedPool,
    leave: &'p CrossOrganisation,
}

impl Across<'_> {
    /// The rows that are selected, and whose they are.
    ///
    /// # Errors
    /// As [`ScopedTransaction::all`].
    pub async fn all<T: RowOf>(&self, select: Select<T>) -> Result<Vec<Owned<T>>, ScopeError> {
        self.leave.record("read", T::TABLE);
        let begin = "BEGIN READ ONLY; SELECT set_config('countersign.across', 'on', true)";
        let mut transaction = self.pool.pool.begin_with(begin).await.map_err(ScopeError::Database)?;
        let rows = run::across(&mut *transaction, &self.pool.declared, &select).await?;
        transaction.commit().await.map_err(ScopeError::Database)?;
        Ok(rows)
    }

    /// The row with this key, and whose it is.
    ///
    /// # Errors
    /// As said at [`ScopedTransaction`].
    pub async fn find<T: RowOf>(&self, key: impl Into<Value>) -> Result<Option<Owned<T>>, ScopeError> {
        Ok(self.all(Select::by_key(key)).await?.pop())
    }
}

/// `BEGIN` and the organisation, together. The name travels as hexadecimal digits: whatever it is, it cannot end the
/// text it stands in.
fn begin_for(organisation: &OrganisationId) -> String {
    let mut digits = String::with_capacity(organisation.as_str().len() * 2);
    for byte in organisation.as_str().bytes() {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    format!(
        "BEGIN; SELECT set_config('countersign.organisation', \
         convert_from(decode('{digits}', 'hex'), 'UTF8'), true)"
    )
}

#[cfg(test)]
#[cfg(feature = "sign")]
mod tests;
