//! Tables that were looked at.

use std::any::type_name;

use super::{OrganisationTable, ScopeError, Select, statement::Bound};

/// A table that was looked at.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    declaration: &'static str,
    table: &'static str,
    organisation_column: &'static str,
    /// The column whose values the database gives.
    numbered_key: Option<Box<str>>,
}

impl Declared {
    pub(super) fn new<T: OrganisationTable>(numbered_key: Option<&str>) -> Self {
        Self {
            declaration: type_name::<T>(),
            table: T::TABLE,
            organisation_column: T::ORGANISATION_COLUMN,
            numbered_key: numbered_key.map(Into::into),
        }
    }

    /// Whether this is the declaration of `T`, and says what `T` says.
    fn is<T: OrganisationTable>(&self) -> bool {
        self.table == T::TABLE
            && self.organisation_column == T::ORGANISATION_COLUMN
            && self.declaration == type_name::<T>()
    }
}

/// The declaration of `T`.
pub(super) fn declaration<T: OrganisationTable>(declared: &[Declared]) -> Result<&Declared, ScopeError> {
    declared.iter().find(|declared| declared.is::<T>()).ok_or(ScopeError::Undeclared { table: T::TABLE })
}

/// A key that the database numbers is never written.
pub(super) fn key_is_free<T: OrganisationTable>(
    declared: &[Declared],
    mut written: impl Iterator<Item = &'static str>,
) -> Result<(), ScopeError> {
    match &declaration::<T>(declared)?.numbered_key {
        Some(key) if written.any(|column| column.eq_ignore_ascii_case(key)) => {
            Err(ScopeError::KeyAssigned { table: T::TABLE })
        }
        _ => Ok(()),
    }
}

/// A part is never taken for the whole.
pub(super) fn bounded<T: OrganisationTable>(rows: usize, select: &Select<T>) -> Result<(), ScopeError> {
    match select.bound() {
        Bound::Refused(too_many) if rows >= too_many as usize => {
            Err(ScopeError::TooManyRows { table: T::TABLE })
        }
        _ => Ok(()),
    }
}

pub(super) fn failure<T: OrganisationTable>(error: sqlx::Error) -> ScopeError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            ScopeError::Conflict { table: T::TABLE }
        }
        _ => ScopeError::Database(error),
    }
}
