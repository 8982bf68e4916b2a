//! Row-level security as a migration.

use crate::scope::{OrganisationTable, table::Declaration};

pub(super) const OWN_POLICY: &str = "countersign_organisation";
pub(super) const ACROSS_POLICY: &str = "countersign_across";

/// The statements that put row-level security on the table of `T`. Run them once, as the table's owner.
///
/// The setting is read in a sub-select, so that it is read once for a statement and not once for a row. After a
/// transaction it is an empty text and not missing, so an empty text is nobody's organisation.
#[must_use]
pub fn row_level_security<T: OrganisationTable>() -> String {
    const { assert!(Declaration::<T>::SOUND) };
    let (table, column) = (T::TABLE, T::ORGANISATION_COLUMN);
    format!(
        "ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY;
ALTER TABLE \"{table}\" FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS {OWN_POLICY} ON \"{table}\";
CREATE POLICY {OWN_POLICY} ON \"{table}\"
    USING (\"{column}\" = (SELECT nullif(current_setting('countersign.organisation', true), '')))
    WITH CHECK (\"{column}\" = (SELECT nullif(current_setting('countersign.organisation', true), '')));
DROP POLICY IF EXISTS {ACROSS_POLICY} ON \"{table}\";
CREATE POLICY {ACROSS_POLICY} ON \"{table}\" FOR SELECT
    USING ((SELECT current_setting('countersign.across', true)) = 'on');
"
    )
}
