//! Row-level security of a PostgreSQL table, as SQL: roles, policies, indexes and keys that hold an organisation's rows
//! together. Pure text; `countersign rls init` prints it, and the scope on PostgreSQL (feature `sqlx-postgres`) checks
//! at start that the table is so.
//!
//! 1. The service's role owns nothing, is no superuser, has no `BYPASSRLS`, and may `SELECT`, `INSERT`, `UPDATE` and
//!    `DELETE`: not `TRUNCATE`, which row-level security does not bind.
//! 2. Row-level security is enabled, and forced, so that it binds the owner as well.
//! 3. The policy compares the organisation column with the setting `countersign.organisation` of the transaction. It
//!    is read in a sub-select, so once for a statement and not once for a row. After a transaction the setting is an
//!    empty text and not missing, so an empty text is nobody's organisation.
//! 4. A unique index begins with the organisation, for look-ups within it and for keys that point here.
//! 5. A foreign key pairs the organisation with the parent's: one without it could point to a foreign row, and tells by
//!    its failure whether one exists. One that was there on the column alone is taken away.

use std::fmt::Write as _;

/// The policy that binds rows to their organisation.
pub(crate) const OWN_POLICY: &str = "countersign_organisation";
/// The policy that lets support read across organisations, where a scope says so.
pub(crate) const ACROSS_POLICY: &str = "countersign_across";

/// What lets support read.
pub(crate) const ACROSS_CONDITION: &str = "(SELECT current_setting('countersign.across', true)) = 'on'";

/// The name of a table, column or role cannot stand in SQL as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: a letter or `_`, then letters, digits and `_`, at most 63 bytes of ASCII")]
pub struct InvalidName(pub String);

/// What is to be done to one table. See the [module](self).
///
/// ```
/// use countersign::row_level_security::RowLevelSecurity;
/// let sql = RowLevelSecurity::of("orders")?.references("customer", "customers")?.to_sql();
/// assert!(sql.contains(r#"FOREIGN KEY ("organisation", "customer")"#));
/// assert!(RowLevelSecurity::of("orders; DROP TABLE orders").is_err());
/// # Ok::<(), countersign::row_level_security::InvalidName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLevelSecurity {
    table: String,
    column: String,
    key: String,
    role: String,
    support: Support,
    references: Vec<(String, String)>,
}

/// Whether support may read across organisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    Kept,
    Left,
}

impl RowLevelSecurity {
    /// The organisation column, unless told otherwise.
    pub const DEFAULT_COLUMN: &'static str = "organisation";
    /// The key column, unless told otherwise.
    pub const DEFAULT_KEY: &'static str = "id";
    /// The service's role, unless told otherwise.
    pub const DEFAULT_ROLE: &'static str = "service";

    /// For that table, with the default names.
    ///
    /// # Errors
    /// [`InvalidName`].
    pub fn of(table: &str) -> Result<Self, InvalidName> {
        Ok(Self {
            table: checked(table)?,
            column: Self::DEFAULT_COLUMN.to_owned(),
            key: Self::DEFAULT_KEY.to_owned(),
            role: Self::DEFAULT_ROLE.to_owned(),
            support: Support::Kept,
            references: Vec::new(),
        })
    }

    /// The column that says whose a row is.
    ///
    /// # Errors
    /// [`InvalidName`].
    pub fn column(mut self, column: &str) -> Result<Self, InvalidName> {
        self.column = checked(column)?;
        Ok(self)
    }

    /// The column a row is found by.
    ///
    /// # Errors
    /// [`InvalidName`].
    pub fn key(mut self, key: &str) -> Result<Self, InvalidName> {
        self.key = checked(key)?;
        Ok(self)
    }

    /// The role of the service.
    ///
    /// # Errors
    /// [`InvalidName`].
    pub fn role(mut self, role: &str) -> Result<Self, InvalidName> {
        self.role = checked(role)?;
        Ok(self)
    }

    /// Leaves out the policy by which support reads across organisations: of this table it then sees nothing.
    ///
    /// With that policy, a select that does not name the organisation itself looks at every row of the table to find
    /// the caller's: an index serves one condition, not the choice between two. What the scope writes names it always.
    #[must_use]
    pub const fn without_support(mut self) -> Self {
        self.support = Support::Left;
        self
    }

    /// `column` holds the key of a row of `parent`, whose organisation and key columns have the same names as here.
    ///
    /// # Errors
    /// [`InvalidName`].
    pub fn references(mut self, column: &str, parent: &str) -> Result<Self, InvalidName> {
        self.references.push((checked(column)?, checked(parent)?));
        Ok(self)
    }

    /// Rules 2 and 3 alone.
    #[must_use]
    pub fn policies(&self) -> String {
        policies(&self.table, &self.column, self.support)
    }

    /// All rules, as one transaction. Run it as the table's owner; it can be run again.
    #[must_use]
    pub fn to_sql(&self) -> String {
        let Self { table, column, key, role, references, .. } = self;
        let mut sql = format!(
            "-- Row-level security of {table}. Run it as the table's owner; it can be run again.
BEGIN;

-- The service's role: owns nothing and is above nothing. Give it a password in psql: \\password {role}
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE \"{role}\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
END $$;
REVOKE ALL ON \"{table}\" FROM PUBLIC, \"{role}\";
GRANT SELECT, INSERT, UPDATE, DELETE ON \"{table}\" TO \"{role}\";
DO $$
DECLARE numbers text := pg_get_serial_sequence('\"{table}\"', '{key}');
BEGIN
    IF numbers IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO \"{role}\"', numbers);
    END IF;
END $$;

-- Every row is somebody's, and is found by whose it is.
ALTER TABLE \"{table}\" ALTER COLUMN \"{column}\" SET NOT NULL;
{index}
{policies}",
            index = unique_index(table, column, key),
            policies = self.policies(),
        );
        for (child, parent) in references {
            sql.push_str(&self.paired_key(child, parent));
        }
        sql.push_str("\nCOMMIT;\n");
        sql
    }

    /// Rule 5, for one column. A key on the column alone goes, and what it does when its parent does (`ON DELETE`) is
    /// what the paired one does: of `SET NULL` only to the column, because a row stays its organisation's.
    fn paired_key(&self, child: &str, parent: &str) -> String {
        let Self { table, column, key, .. } = self;
        format!(
            "
-- A row of {parent} that {child} names is of the same organisation. A key on {child} alone would tell whether a foreign
-- row exists: it is taken away, and the paired one does what it did when its parent goes.
{index}
DO $$
DECLARE
    old record;
    actions text := '';
BEGIN
    FOR old IN
        SELECT conname, regexp_replace(pg_get_constraintdef(oid),
            '^FOREIGN KEY \\([^)]*\\) REFERENCES [^(]*\\([^)]*\\)| MATCH FULL| NOT VALID$', '', 'g') AS actions
        FROM pg_constraint
        WHERE contype = 'f' AND conparentid = 0
          AND conrelid = '\"{table}\"'::regclass AND confrelid = '\"{parent}\"'::regclass
          AND (conname = '{constraint}'
               OR conkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = conrelid AND attname = '{child}')]
                  AND confkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = confrelid AND attname = '{key}')])
        ORDER BY conname <> '{constraint}', conname
    LOOP
        EXECUTE format('ALTER TABLE \"{table}\" DROP CONSTRAINT %I', old.conname);
        IF old.actions <> '' THEN
            actions := regexp_replace(old.actions, 'ON DELETE SET (NULL|DEFAULT)( \\([^)]*\\))?',
                'ON DELETE SET \\1 (\"{child}\")');
        END IF;
    END LOOP;
    ALTER TABLE \"{table}\" DROP CONSTRAINT IF EXISTS \"{constraint}\";
    EXECUTE 'ALTER TABLE \"{table}\" ADD CONSTRAINT \"{constraint}\"
        FOREIGN KEY (\"{column}\", \"{child}\") REFERENCES \"{parent}\" (\"{column}\", \"{key}\")' || actions;
END $$;
",
            index = unique_index(parent, column, key),
            constraint = shortened(&format!("{table}_{column}_{child}_fkey")),
        )
    }
}

/// Enables and forces row-level security, and makes the policies.
pub(crate) fn policies(table: &str, column: &str, support: Support) -> String {
    let mut sql = format!(
        "ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY;
ALTER TABLE \"{table}\" FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS {OWN_POLICY} ON \"{table}\";
CREATE POLICY {OWN_POLICY} ON \"{table}\"
    USING ({own})
    WITH CHECK ({own});
DROP POLICY IF EXISTS {ACROSS_POLICY} ON \"{table}\";
",
        own = own_condition(column),
    );
    if support == Support::Kept {
        // Writing to a string cannot fail.
        let _ = write!(
            sql,
            "CREATE POLICY {ACROSS_POLICY} ON \"{table}\" FOR SELECT
    USING ({ACROSS_CONDITION});
"
        );
    }
    sql
}

/// What a row must fulfil to be read or written: the check at start compares with this very text.
pub(crate) fn own_condition(column: &str) -> String {
    format!("\"{column}\" = (SELECT nullif(current_setting('countersign.organisation', true), ''))")
}

fn unique_index(table: &str, column: &str, key: &str) -> String {
    let name = format!("{table}_{column}_{key}_key");
    let name = shortened(&name);
    format!("CREATE UNIQUE INDEX IF NOT EXISTS \"{name}\" ON \"{table}\" (\"{column}\", \"{key}\");")
}

/// The longest identifier `PostgreSQL` keeps whole.
pub(crate) const MAX_IDENTIFIER: usize = 63;

/// What `PostgreSQL` would make of a name that is too long, said ourselves.
fn shortened(name: &str) -> &str {
    name.get(..MAX_IDENTIFIER).unwrap_or(name)
}

fn checked(name: &str) -> Result<String, InvalidName> {
    let bytes = name.as_bytes();
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let sound = bytes.first().is_some_and(is_letter)
        && bytes.len() <= MAX_IDENTIFIER
        && bytes.iter().all(|byte| is_letter(byte) || byte.is_ascii_digit());
    if sound { Ok(name.to_owned()) } else { Err(InvalidName(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::RowLevelSecurity;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        for bad in ["", "1a", "a b", "a\"", "a'", "a.b", "a;--", "ä", "a$$", &"x".repeat(64)] {
            assert!(RowLevelSecurity::of(bad).is_err(), "{bad}");
            let table = || RowLevelSecurity::of("orders").unwrap();
            assert!(table().column(bad).is_err() && table().key(bad).is_err() && table().role(bad).is_err());
            assert!(table().references(bad, "a").is_err() && table().references("a", bad).is_err());
        }
    }

    #[test]
    fn without_support_its_policy_goes_and_does_not_come_back() {
        let sql = RowLevelSecurity::of("orders").unwrap().without_support().to_sql();
        assert!(sql.contains("DROP POLICY IF EXISTS countersign_across"), "{sql}");
        assert!(!sql.contains("CREATE POLICY countersign_across"), "{sql}");
        assert!(sql.contains("CREATE POLICY countersign_organisation"), "{sql}");
    }

    #[test]
    fn what_is_printed_is_whole() {
        let sql = RowLevelSecurity::of("orders").unwrap().column("org_id").unwrap().to_sql();
        for part in [
            "NOBYPASSRLS",
            "ENABLE ROW LEVEL SECURITY",
            "FORCE ROW LEVEL SECURITY",
            "(\"org_id\" = (SELECT nullif(current_setting('countersign.organisation', true), '')))",
            "WITH CHECK",
            "ON \"orders\" (\"org_id\", \"id\")",
            "REVOKE ALL ON \"orders\" FROM PUBLIC",
        ] {
            assert!(sql.contains(part), "{part}: {sql}");
        }
    }
}
