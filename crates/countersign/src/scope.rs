//! Rows that can only be reached through a handle that carries the verified caller's organisation.
//!
//! 1. There is no query without a scope, and no scope without a verified [`Caller`](crate::Caller).
//! 2. What is asked ([`Select`], [`Insert`], [`Update`], [`Delete`]) is data. The scope writes the SQL: the
//!    organisation's predicate first, every further condition in parentheses, every value bound.
//! 3. The organisation of a new row is the caller's. No statement can name the organisation's column.
//! 4. A row of another organisation and a row that does not exist are the same: `None`, 0 rows. Answer both with 404.
//! 5. To look across organisations takes a [`CrossOrganisation`]: a caller with a role made for it, a reason, and a
//!    line in the log.
//! 6. A table is declared before it is used, and then looked at: one in which the predicate could be weaker than it
//!    looks, or in which a constraint tells about foreign rows, is refused at start.
//!
//! Whose rows they are is the organisation's name alone, whichever issuer named it. A service that trusts several issuers
//! says of each which organisations it may name ([`Organisations`](crate::Organisations)); without that its verifier is
//! not built.
//!
//! It guards against the forgotten and the copied filter, in code that goes through it. A second connection to the
//! same database, a trigger or a view are outside of it; on `PostgreSQL` row-level security stands behind it.

mod condition;
#[cfg(test)]
#[cfg(all(feature = "sign", any(feature = "sqlx-postgres", feature = "sqlx-sqlite")))]
mod crossing;
mod declared;
mod error;
mod methods;
#[cfg(feature = "sqlx-postgres")]
pub mod postgres;
mod render;
mod run;
#[cfg(feature = "sqlx-sqlite")]
pub mod sqlite;
mod statement;
mod support;
mod table;

pub use condition::{Condition, Value};
pub use error::{SchemaFault, ScopeError};
pub use statement::{Delete, Direction, Insert, Select, Update};
pub use support::{CrossOrganisation, Owned, ReasonInvalid, SupportRole};
pub use table::{Column, OrganisationTable};
