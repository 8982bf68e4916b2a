//! Row-level security as a migration.

use crate::{
    row_level_security::{Support, policies},
    scope::{OrganisationTable, table::Declaration},
};

/// The statements that put row-level security on the table of `T`. Run them once, as the table's owner.
///
/// [`RowLevelSecurity`](crate::row_level_security::RowLevelSecurity), which `countersign rls init` prints, makes the
/// role, indexes and foreign keys as well.
#[must_use]
pub fn row_level_security<T: OrganisationTable>() -> String {
    const { assert!(Declaration::<T>::SOUND) };
    policies(T::TABLE, T::ORGANISATION_COLUMN, Support::Kept)
}
