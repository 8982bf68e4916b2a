//! The scope on `SQLite`: no row-level security there, so the statements are all there is, and the check at start is
//! strict.
//!
//! ```
//! use countersign::{Caller, scope::{Column, Insert, OrganisationTable, Select, ScopeError, sqlite::ScopedPool}};
//! use sqlx::{FromRow, Row, sqlite::SqliteRow};
//!
//! struct Order { id: i64, item: String }
//!
//! impl OrganisationTable for Order {
//!     const TABLE: &'static str = "orders";
//!     const COLUMNS: &'static [&'static str] = &["id", "item"];
//! }
//!
//! impl Order {
//!     const ITEM: Column<Self> = Column::named("item");
//! }
//!
//! impl FromRow<'_, SqliteRow> for Order {
//!     fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
//!         Ok(Self { id: row.try_get("id")?, item: row.try_get("item")? })
//!     }
//! }
//!
//! async fn order(pool: &ScopedPool, caller: &Caller, id: i64) -> Result<Option<Order>, Box<dyn std::error::Error>> {
//!     let scope = pool.for_caller(caller)?;
//!     scope.insert(Insert::<Order>::new().set(Order::ITEM, "tea")).await?;
//!     Ok(scope.find(id).await?) // another organisation's order is `None`
//! }
//! ```
//!
//! There is no query without a scope: the pool inside cannot be reached,
//!
//! ```compile_fail,E0616
//! # use countersign::scope::sqlite::ScopedPool;
//! async fn leak(pool: ScopedPool) {
//!     sqlx::query("SELECT * FROM orders").fetch_all(&pool.pool).await;
//! }
//! ```
//!
//! and the scoped pool is none itself:
//!
//! ```compile_fail,E0277
//! # use countersign::scope::sqlite::ScopedPool;
//! async fn leak(pool: &ScopedPool) {
//!     sqlx::query("SELECT * FROM orders").fetch_all(pool).await;
//! }
//! ```
//!
//! Nor does a scope take SQL text:
//!
//! ```compile_fail,E0277
//! # use countersign::scope::sqlite::Scope;
//! async fn leak(scope: &Scope<'_>) {
//!     sqlx::query("SELECT * FROM orders").fetch_all(scope).await;
//! }
//! ```
//!
//! And there is no scope without a verified caller: a name is not enough.
//!
//! ```compile_fail,E0308
//! # use countersign::{OrganisationId, scope::sqlite::ScopedPool};
//! fn leak(pool: &ScopedPool, from_the_body: OrganisationId) {
//!     let scope = pool.for_caller(&from_the_body);
//! }
//! ```

mod run;
mod schema;

use std::{fmt, sync::Arc};

use sqlx::{FromRow, SqlitePool, sqlite::SqliteRow};

use crate::{Caller, InOrganisation, NoOrganisation, OrganisationId};

use self::run::Rows;
use super::{
    CrossOrganisation, Delete, Insert, OrganisationTable, Owned, SchemaFault, ScopeError, Select, Update,
    Value, declared::Declared, methods::statements,
};

/// A pool that runs nothing by itself: only a [`Scope`] made from it does.
#[derive(Clone)]
pub struct ScopedPool {
    pool: SqlitePool,
    declared: Arc<[Declared]>,
}

impl ScopedPool {
    /// Takes the pool into hiding. Create the tables before, with the pool itself.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        Self { pool, declared: Arc::new([]) }
    }

    /// Looks at the table of `T` and makes it usable.
    ///
    /// # Errors
    /// [`SchemaFault`] where the organisation's predicate could be weaker than it looks, or a constraint would tell
    /// about rows of others: the organisation column must be `TEXT NOT NULL`, every unique index and primary key must
    /// include it (`INTEGER PRIMARY KEY`, which the database numbers, excepted), and so must every foreign key to
    /// another table that has such a column.
    pub async fn declare<T: OrganisationTable>(self) -> Result<Self, SchemaFault> {
        let declared = schema::examine::<T>(&self.pool).await?;
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
pub trait RowOf: OrganisationTable + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

impl<T: OrganisationTable + for<'r> FromRow<'r, SqliteRow> + Send + Unpin> RowOf for T {}

/// The rows of one organisation. Each call is its own unit of work; [`begin`](Self::begin) makes one of several.
///
/// Every call can fail with [`ScopeError::Undeclared`] and [`ScopeError::Database`]; what else is said where it is.
#[derive(Debug, Clone)]
pub struct Scope<'p> {
    pool: &'p SqlitePool,
    rows: Rows,
}

/// Several statements on the rows of one organisation that happen together or not at all. Dropped without
/// [`commit`](Self::commit), nothing has happened.
#[derive(Debug)]
#[must_use = "without `commit` nothing has happened"]
pub struct ScopedTransaction {
    transaction: sqlx::Transaction<'static, sqlx::Sqlite>,
    rows: Rows,
}

impl Scope<'_> {
    /// Whose rows.
    #[must_use]
    pub const fn organisation(&self) -> &OrganisationId {
        &self.rows.organisation
    }

    /// Begins a unit of work that may write.
    ///
    /// # Errors
    /// [`ScopeError::Database`] if no connection can be had, or another writer does not finish in time.
    pub async fn begin(&self) -> Result<ScopedTransaction, ScopeError> {
        // A transaction that begins as a reader and then writes fails at once if another has written meanwhile.
        let transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(ScopeError::Database)?;
        Ok(ScopedTransaction { transaction, rows: self.rows.clone() })
    }

    statements!((&self), self => self.pool);
}

impl ScopedTransaction {
    /// Whose rows.
    #[must_use]
    pub const fn organisation(&self) -> &OrganisationId {
        &self.rows.organisation
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
    /// As [`Scope::all`].
    pub async fn all<T: RowOf>(&self, select: Select<T>) -> Result<Vec<Owned<T>>, ScopeError> {
        self.leave.record("read", T::TABLE);
        run::across(&self.pool.pool, &self.pool.declared, &select).await
    }

    /// The row with this key, and whose it is.
    ///
    /// # Errors
    /// As said at [`Scope`].
    pub async fn find<T: RowOf>(&self, key: impl Into<Value>) -> Result<Option<Owned<T>>, ScopeError> {
        self.leave.record("read", T::TABLE);
        Ok(run::across(&self.pool.pool, &self.pool.declared, &Select::by_key(key)).await?.pop())
    }
}

#[cfg(test)]
#[cfg(feature = "sign")]
mod tests;
