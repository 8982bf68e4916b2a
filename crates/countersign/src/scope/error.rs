//! What can go wrong in a scope, and what a table must not be.

use std::borrow::Cow;

/// Why a statement was not run, or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// A row of the same organisation has this value already (409). Constraints over organisations are refused when
    /// the table is declared, so it tells nothing about others.
    #[error("another row of `{table}` has the same unique value")]
    Conflict {
        /// Which table.
        table: &'static str,
    },
    /// The database failed or cannot be reached (503), or a row is not what its type expects (500).
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The database numbers the rows of this table: a key that is written would tell by its failure that another
    /// organisation has it.
    #[error("the key of `{table}` is given by the database and cannot be set")]
    KeyAssigned {
        /// Which table.
        table: &'static str,
    },
    /// An update that sets nothing.
    #[error("the update of `{table}` sets no column")]
    NothingToSet {
        /// Which table.
        table: &'static str,
    },
    /// More rows than [`Select::MAX_ROWS`](super::Select::MAX_ROWS) in a select without `limit`.
    #[error("a select on `{table}` without a limit found too many rows")]
    TooManyRows {
        /// Which table.
        table: &'static str,
    },
    /// The table was not declared at start.
    #[error("the table `{table}` was not declared")]
    Undeclared {
        /// Which table.
        table: &'static str,
    },
}

/// Why a table cannot be used: found at start, before the first request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaFault {
    /// The database could not be asked.
    #[error("the database cannot be asked about `{table}`")]
    Database {
        /// Which table.
        table: Cow<'static, str>,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A foreign key that may point to another organisation's row, and tells by its failure whether it exists.
    #[error("a foreign key of `{table}` to `{parent}` does not include the organisation column")]
    ForeignKey {
        /// Which table.
        table: Cow<'static, str>,
        /// Where it points.
        parent: String,
    },
    /// A way around row-level security that the service's role may use: a view that does not ask with the reader's
    /// rights, a materialised view, or a function with its owner's rights.
    #[error("`{object}` shows rows of `{table}` around row-level security")]
    Leak {
        /// Which table.
        table: Cow<'static, str>,
        /// The view or function.
        object: String,
    },
    /// A declared column that the table does not have.
    #[error("`{table}` has no column `{column}`")]
    NoColumn {
        /// Which table.
        table: Cow<'static, str>,
        /// Which column.
        column: Cow<'static, str>,
    },
    /// No table of that name; a view is not one.
    #[error("there is no table `{table}`")]
    NoTable {
        /// Which table.
        table: Cow<'static, str>,
    },
    /// The organisation column may be empty.
    #[error("the organisation column of `{table}` must be declared NOT NULL")]
    Nullable {
        /// Which table.
        table: Cow<'static, str>,
    },
    /// Row-level security does not say what the migration makes it say, or lets more through.
    #[error("the row-level security of `{table}` is not as `row_level_security` makes it: {fault}")]
    RowSecurity {
        /// Which table.
        table: Cow<'static, str>,
        /// What is wrong.
        fault: &'static str,
    },
    /// The service's role is above row-level security.
    #[error(
        "the role that reads `{table}` is a superuser or has BYPASSRLS: row-level security does not bind it"
    )]
    RoleAbove {
        /// Which table.
        table: Cow<'static, str>,
    },
    /// The service's role owns the table, or may become its owner: it could switch row-level security off.
    #[error("the role that reads `{table}` owns it: it could switch row-level security off")]
    RoleOwns {
        /// Which table.
        table: Cow<'static, str>,
    },
    /// The organisation column is no text: two different names could be equal as numbers.
    #[error("the organisation column of `{table}` must be of type TEXT")]
    NotText {
        /// Which table.
        table: Cow<'static, str>,
    },
    /// A unique constraint that spans organisations: a conflict would tell what others have.
    #[error("the unique index `{index}` of `{table}` does not include the organisation column")]
    Unique {
        /// Which table.
        table: Cow<'static, str>,
        /// Which index.
        index: String,
    },
}
