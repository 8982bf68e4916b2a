//! The scope on `PostgreSQL`, with row-level security as the second lock.
//!
//! 1. Every unit of work is one transaction that begins by setting the caller's organisation for its own length
//!    (`countersign.organisation`), and that nothing else is read (`countersign.across`), in the same round trip as
//!    `BEGIN`. What the session was left with does not count.
//! 2. [`row_level_security`] is the migration: the table's rows are then seen and written for that organisation only,
//!    whatever the statement says. Outside a scope, no row is seen.
//! 3. So a transaction may also be given SQL text of its own, for joins and reports
//!    ([`ScopedTransaction::connection`]). What an attacker can do who can choose that text: name the setting, and
//!    with it another organisation. Never build it from input.
//! 4. [`ScopedPool::declare`] refuses to start where one of these does not hold, and says what to do:
//!    - The session's role, and every role it may become, is below row-level security: no superuser, `BYPASSRLS`,
//!      `CREATEROLE`, `REPLICATION` or access to the server's files; it does not own the table and may not `TRUNCATE`.
//!    - Neither setting has a value before a unit of work begins: by role, database, file or connection.
//!    - Row-level security is enabled and forced, and the two policies are those of the migration to the last word; a
//!      further policy only narrows.
//!    - The organisation column is `TEXT NOT NULL`. Unique indexes and exclusion constraints hold it; foreign keys from
//!      the table, and into it from tables the role may write, pair it with the other table's.
//!    - Partitions, and tables that inherit from it or that it inherits from, if the role may use them by themselves,
//!      be it one column to read or write, are bound in the same way, and so is everything else that has a column of that name, declared or not.
//!    - No view with its owner's rights, materialised view or rule over any of these may be used, nor any function with
//!      the rights of a superuser or `BYPASSRLS`.
//! 5. What it does not see: what becomes of the database after the start; what a function, trigger or rule of a role
//!    *below* row-level security does with that role's own rights (one that may read a materialised view, say); tables
//!    that hold foreign rows under another column name; other databases behind foreign servers; and what
//!    other roles can do. `countersign audit db` looks again at any time.
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
//!
//! Nor is there one outside of a unit of work:
//!
//! ```compile_fail,E0599
//! # use countersign::{Caller, scope::postgres::ScopedPool};
//! async fn leak(pool: &ScopedPool, caller: &Caller) {
//!     let scope = pool.for_caller(caller).unwrap();
//!     sqlx::query("SELECT * FROM orders").fetch_all(scope.connection()).await;
//! }
//! ```
//!
//! Support reads, and does not write:
//!
//! ```compile_fail,E0599
//! # use countersign::scope::{CrossOrganisation, Delete, OrganisationTable, postgres::ScopedPool};
//! # struct Order;
//! # impl OrganisationTable for Order {
//! #     const TABLE: &'static str = "orders";
//! #     const COLUMNS: &'static [&'static str] = &["id", "item"];
//! # }
//! async fn remove(pool: &ScopedPool, leave: &CrossOrganisation) {
//!     pool.across(leave).delete(Delete::<Order>::by_key(7)).await;
//! }
//! ```

mod check;
mod lone;
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

pub use self::check::{check_others, check_table, tables_with_column};
pub use self::migration::row_level_security;

/// A pool that runs nothing by itself: only a [`Scope`] made from it does.
#[derive(Clone)]
pub struct ScopedPool {
    pool: PgPool,
    declared: Arc<[Declared]>,
    unbound: Arc<[&'static str]>,
}

impl ScopedPool {
    /// Takes the pool into hiding. Its role must not own the tables or be above row-level security; make the tables
    /// with another.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, declared: Arc::new([]), unbound: Arc::new([]) }
    }

    /// Looks at the table of `T`, and at what leads around it, and makes it usable. Costs a few queries of the
    /// catalogue.
    ///
    /// # Errors
    /// [`SchemaFault`] where rule 4 of the [module](self) does not hold; a lone key that the database numbers may be
    /// unique without the organisation.
    pub async fn declare<T: OrganisationTable>(self) -> Result<Self, SchemaFault> {
        let declared = check::examine::<T>(&self.pool, &self.unbound).await?;
        let declared = self.declared.iter().cloned().chain([declared]).collect();
        Ok(Self { declared, ..self })
    }

    /// Names a relation that has a column of the organisation column's name although its rows belong to no
    /// organisation, such as a list of all of them: [`declare`](Self::declare) does not look at it. With its schema if
    /// that is not in the search path. To be said before `declare`; a declared table, its parts, and views over it
    /// are looked at all the same.
    ///
    /// What an attacker can do if it is wrong: whatever is in that relation, of any organisation, is read and changed
    /// by SQL text that forgets the filter.
    #[must_use]
    pub fn dangerous_unbound(self, relation: &'static str) -> Self {
        let unbound = self.unbound.iter().copied().chain([relation]).collect();
        Self { unbound, ..self }
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

/// The rows of one organisation. Everything happens in units of work; a single statement can be one.
///
/// Every call can fail with [`ScopeError::Undeclared`] and [`ScopeError::Database`]; what else is said where it is.
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

    /// Begins a unit of work: one trip to the server, [`commit`](ScopedTransaction::commit) another. One that only read
    /// need not be committed: when it is dropped, nobody waits for its end.
    ///
    /// # Errors
    /// [`ScopeError::Database`] if no connection can be had.
    pub async fn begin(&self) -> Result<ScopedTransaction, ScopeError> {
        self.begin_by("BEGIN").await
    }

    async fn begin_by(&self, begin: &str) -> Result<ScopedTransaction, ScopeError> {
        // The text is ours but for the name, of which nothing can leave its quotes.
        let begin = AssertSqlSafe(begin_for(begin, &self.rows.organisation));
        let transaction = self.pool.begin_with(begin).await.map_err(ScopeError::Database)?;
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

/// The rows of every organisation, to read only. Each call is written to the log. Of a table whose migration left
/// support out, there are none.
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
        let mut transaction = self.pool.pool.begin_with(BEGIN_ACROSS).await.map_err(ScopeError::Database)?;
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

const BEGIN_ACROSS: &str = "BEGIN READ ONLY; SET LOCAL countersign.organisation = ''; \
                            SET LOCAL countersign.across = 'on'";

/// The beginning and both settings, together, whatever the session was left with. `SET LOCAL` is planned by nobody, and
/// costs a third of `SELECT set_config(…)`.
fn begin_for(begin: &str, organisation: &OrganisationId) -> String {
    let organisation = literal(organisation.as_str());
    format!("{begin}; SET LOCAL countersign.organisation = {organisation}; SET LOCAL countersign.across = ''")
}

/// A text as SQL: what is neither letter nor digit of ASCII travels as its number, so that nothing ends the text it
/// stands in, whatever the server's settings and encoding are.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 3);
    literal.push_str("E'");
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            literal.push(letter);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(literal, "\\U{:08x}", u32::from(letter));
        }
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
#[cfg(feature = "sign")]
mod tests;
