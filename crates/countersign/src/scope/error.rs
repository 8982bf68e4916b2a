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
    #[error(
        "a foreign key of `{table}` to `{parent}` does not pair the organisation column of one with that of the \
         other: {fix}"
    )]
    ForeignKey {
        /// Which table.
        table: Cow<'static, str>,
        /// Where it points.
        parent: String,
        /// What to do; on `PostgreSQL` with the name of the key.
        fix: Cow<'static, str>,
    },
    /// A way around row-level security that the service's role may use: a view that does not ask with the reader's
    /// rights, a materialised view, a rule, or a function with its owner's rights.
    #[error(
        "`{object}` shows or changes rows of `{table}` around row-level security: revoke it from the service's role \
         and PUBLIC, or let it act with the reader's rights"
    )]
    Leak {
        /// Which table.
        table: Cow<'static, str>,
        /// The view, rule or function.
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
    /// A setting that the policies read has a value before any unit of work has begun.
    #[error("the setting `{setting}` is preset for the role that reads `{table}`: {fix}")]
    Preset {
        /// Which table.
        table: Cow<'static, str>,
        /// The setting.
        setting: String,
        /// What takes it away.
        fix: String,
    },
    /// Row-level security does not say what the migration makes it say, or lets more through.
    #[error("the row-level security of `{table}` is not as `row_level_security` makes it: {fault}")]
    RowSecurity {
        /// Which table.
        table: Cow<'static, str>,
        /// What is wrong.
        fault: Cow<'static, str>,
    },
    /// The service's role is above row-level security, or may become a role that is.
    #[error(
        "the role that reads `{table}` is, or may become, `{role}`, which {power}: row-level security does not bind \
         it; connect as a role without, as `countersign rls init` makes it"
    )]
    RoleAbove {
        /// Which table.
        table: Cow<'static, str>,
        /// The role that is above.
        role: String,
        /// By what.
        power: String,
    },
    /// The service's role owns the table, or may become its owner: it could switch row-level security off.
    #[error(
        "the role that reads `{table}` owns it, or may become its owner: it could switch row-level security off"
    )]
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
    /// Something else that the service's role may use: a partition of the table, a table it inherits from or is inherited
    /// by, or any other relation with a column of the organisation column's name. SQL text reaches it, and nothing binds
    /// its rows.
    #[error(
        "the role may use `{object}`, and row-level security does not bind its rows: {fault}. Revoke it from the \
         service's role and PUBLIC, or bind it as `countersign rls init` does"
    )]
    Unbound {
        /// The relation.
        object: String,
        /// What is wrong.
        fault: Cow<'static, str>,
    },
    /// A unique or exclusion constraint that spans organisations: a conflict would tell what others have.
    #[error(
        "the unique index or exclusion constraint `{index}` of `{table}` does not include the organisation column"
    )]
    Unique {
        /// Which table.
        table: Cow<'static, str>,
        /// Which index or constraint.
        index: String,
    },
}
