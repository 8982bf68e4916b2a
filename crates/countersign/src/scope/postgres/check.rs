//! A look at the real table, its policies and what goes around them, before the first request.

use std::borrow::Cow;

use sqlx::{PgPool, Row, postgres::PgRow};

use crate::{
    row_level_security::{ACROSS_POLICY, OWN_POLICY},
    scope::{OrganisationTable, SchemaFault, declared::Declared},
};

/// The table's own row of the catalogue, and how the present role stands to it.
const TABLE: &str = "
SELECT c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
       r.rolsuper OR r.rolbypassrls AS above,
       pg_has_role(c.relowner, 'MEMBER') AS owns, has_table_privilege(c.oid, 'TRUNCATE') AS truncates
FROM pg_class c, pg_roles r
WHERE c.oid = to_regclass(quote_ident($1)) AND c.relkind IN ('r', 'p') AND r.rolname = current_user";

const WITH_COLUMN: &str = "
SELECT c.relname::text AS name
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND pg_table_is_visible(c.oid)
  AND a.attname = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1";

const COLUMNS: &str = "
SELECT a.attname::text AS name, a.attnotnull AS not_null,
       t.typname IN ('text', 'varchar') AND coalesce(l.collisdeterministic, true) AS is_text
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = to_regclass(quote_ident($1)) AND a.attnum > 0 AND NOT a.attisdropped";

/// Unique indexes without the organisation column, and the column of a lone primary key that the database gives by
/// itself: a number or a random UUID.
const UNIQUE: &str = "
SELECT i.indexrelid::regclass::text AS name,
       CASE WHEN i.indisprimary AND i.indnkeyatts = 1 AND (a.attidentity <> '' OR d.numbers) THEN a.attname::text END
           AS numbered
FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
LEFT JOIN LATERAL (
    SELECT pg_get_expr(f.adbin, f.adrelid) LIKE ANY (ARRAY['nextval(%', 'gen_random_uuid()', 'uuidv7()', 'uuid_generate_v_()'])
               AS numbers
    FROM pg_attrdef f WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum
) d ON true
WHERE i.indrelid = to_regclass(quote_ident($1)) AND i.indisunique
  AND NOT EXISTS (
      SELECT FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
      JOIN pg_attribute o ON o.attrelid = i.indrelid AND o.attnum = k.attnum
      WHERE o.attname = $2 AND k.place <= i.indnkeyatts)";

/// Foreign keys without the organisation column, to tables that have one.
const FOREIGN: &str = "
SELECT k.confrelid::regclass::text AS name
FROM pg_constraint k
WHERE k.conrelid = to_regclass(quote_ident($1)) AND k.contype = 'f'
  AND EXISTS (SELECT FROM pg_attribute p WHERE p.attrelid = k.confrelid AND p.attname = $2)
  AND NOT EXISTS (
      SELECT FROM pg_attribute o WHERE o.attrelid = k.conrelid AND o.attnum = ANY (k.conkey) AND o.attname = $2)";

const POLICIES: &str = "
SELECT polname::text AS name, polpermissive AS permissive, polcmd::text AS command,
       coalesce(pg_get_expr(polqual, polrelid), '') AS readable,
       coalesce(pg_get_expr(polwithcheck, polrelid), '') AS writable
FROM pg_policy WHERE polrelid = to_regclass(quote_ident($1))";

/// Views over the table that the role may read and that do not ask with its rights, at any depth; materialised views
/// always; partitions and heirs that row-level security does not bind when they are read by themselves; and functions with the rights of somebody whom row-level security does not bind here.
const LEAKS: &str = "
WITH RECURSIVE over(oid) AS (
    SELECT to_regclass(quote_ident($1))::oid
    UNION
    SELECT w.ev_class FROM over
    JOIN pg_depend d ON d.refobjid = over.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_rewrite w ON w.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
)
SELECT v.oid::regclass::text AS name
FROM over JOIN pg_class v ON v.oid = over.oid
WHERE has_table_privilege(v.oid, 'SELECT')
  AND (v.relkind = 'm' OR v.relkind = 'v' AND NOT coalesce(
      (SELECT option_value::boolean FROM pg_options_to_table(v.reloptions) WHERE option_name = 'security_invoker'),
      false))
UNION ALL
SELECT h.oid::regclass::text
FROM pg_partition_tree(to_regclass(quote_ident($1))) t JOIN pg_class h ON h.oid = t.relid
WHERE t.level > 0 AND has_table_privilege(h.oid, 'SELECT') AND NOT (h.relrowsecurity AND h.relforcerowsecurity)
UNION ALL
SELECT h.oid::regclass::text
FROM pg_inherits i JOIN pg_class h ON h.oid = i.inhrelid
WHERE i.inhparent = to_regclass(quote_ident($1)) AND h.relkind = 'r' AND NOT h.relispartition
  AND has_table_privilege(h.oid, 'SELECT') AND NOT (h.relrowsecurity AND h.relforcerowsecurity)
UNION ALL
SELECT p.oid::regprocedure::text
FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (o.rolsuper OR o.rolbypassrls) AND has_function_privilege(p.oid, 'EXECUTE')
ORDER BY 1";

pub(super) async fn examine<T: OrganisationTable>(pool: &PgPool) -> Result<Declared, SchemaFault> {
    let catalogue = Catalogue { pool, table: T::TABLE, column: T::ORGANISATION_COLUMN };
    catalogue.row_security_binds().await?;
    catalogue.columns(T::COLUMNS).await?;
    let numbered = catalogue.unique_indexes().await?;
    catalogue.foreign_keys().await?;
    catalogue.policies().await?;
    catalogue.leaks().await?;
    Ok(Declared::new::<T>(numbered.as_deref()))
}

/// Tables of the role's search path that have a column of that name, in alphabetical order: what there is to check.
///
/// # Errors
/// When the database cannot be asked.
pub async fn tables_with_column(pool: &PgPool, column: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(WITH_COLUMN).bind(column).fetch_all(pool).await?;
    rows.iter().map(|row| row.try_get("name")).collect()
}

/// Everything that is wrong with one table, as the role of this connection meets it: the check that a declared table
/// passes before the first request, for people who look at a database from outside. Empty: row-level security binds,
/// and nothing leads around it. Of each kind of fault the first is told.
pub async fn check_table(pool: &PgPool, table: &str, column: &str) -> Vec<SchemaFault> {
    let catalogue = Catalogue { pool, table, column };
    let bound = catalogue.row_security_binds().await;
    if let Err(fault @ (SchemaFault::NoTable { .. } | SchemaFault::Database { .. })) = bound {
        return vec![fault];
    }
    let found = [
        bound,
        catalogue.columns(&[]).await,
        catalogue.unique_indexes().await.map(drop),
        catalogue.foreign_keys().await,
        catalogue.policies().await,
        catalogue.leaks().await,
    ];
    found.into_iter().filter_map(Result::err).collect()
}

struct Catalogue<'p> {
    pool: &'p PgPool,
    table: &'p str,
    column: &'p str,
}

impl Catalogue<'_> {
    /// Asks about the table, and with `$2` about its organisation column.
    async fn ask(&self, sql: &'static str) -> Result<Vec<PgRow>, SchemaFault> {
        let query = sqlx::query(sql).bind(self.table);
        let query = if sql.contains("$2") { query.bind(self.column) } else { query };
        query.fetch_all(self.pool).await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: sqlx::Error) -> SchemaFault {
        SchemaFault::Database { table: self.named(), source }
    }

    fn read<'r, V: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
        &self,
        row: &'r PgRow,
        column: &'static str,
    ) -> Result<V, SchemaFault> {
        row.try_get(column).map_err(|source| self.failed(source))
    }

    fn named(&self) -> Cow<'static, str> {
        Cow::Owned(self.table.to_owned())
    }

    fn row_security(&self, fault: &'static str) -> SchemaFault {
        SchemaFault::RowSecurity { table: self.named(), fault }
    }

    async fn row_security_binds(&self) -> Result<(), SchemaFault> {
        let found = self.ask(TABLE).await?;
        let table = found.first().ok_or(SchemaFault::NoTable { table: self.named() })?;
        if self.read(table, "above")? {
            return Err(SchemaFault::RoleAbove { table: self.named() });
        }
        if !self.read::<bool>(table, "enabled")? {
            return Err(self.row_security("it is not enabled"));
        }
        if !self.read::<bool>(table, "forced")? {
            return Err(self.row_security("it is not forced, so it does not bind the owner"));
        }
        if self.read(table, "owns")? {
            return Err(SchemaFault::RoleOwns { table: self.named() });
        }
        if self.read(table, "truncates")? {
            return Err(self.row_security("the role may TRUNCATE the table, which it does not bind"));
        }
        Ok(())
    }

    async fn columns(&self, wanted: &[&str]) -> Result<(), SchemaFault> {
        let found = self.ask(COLUMNS).await?;
        let mut names = Vec::with_capacity(found.len());
        for row in &found {
            names.push(self.read::<&str>(row, "name")?);
        }
        if let Some(absent) =
            wanted.iter().copied().chain([self.column]).find(|column| !names.contains(column))
        {
            return Err(SchemaFault::NoColumn { table: self.named(), column: Cow::Owned(absent.to_owned()) });
        }
        for row in &found {
            if self.read::<&str>(row, "name")? != self.column {
                continue;
            }
            if !self.read::<bool>(row, "is_text")? {
                return Err(SchemaFault::NotText { table: self.named() });
            }
            if !self.read::<bool>(row, "not_null")? {
                return Err(SchemaFault::Nullable { table: self.named() });
            }
        }
        Ok(())
    }

    async fn unique_indexes(&self) -> Result<Option<String>, SchemaFault> {
        let mut numbered = None;
        for row in self.ask(UNIQUE).await? {
            match self.read::<Option<String>>(&row, "numbered")? {
                Some(column) => numbered = Some(column),
                None => {
                    return Err(SchemaFault::Unique { table: self.named(), index: self.read(&row, "name")? });
                }
            }
        }
        Ok(numbered)
    }

    async fn foreign_keys(&self) -> Result<(), SchemaFault> {
        match self.ask(FOREIGN).await?.first() {
            Some(row) => {
                Err(SchemaFault::ForeignKey { table: self.named(), parent: self.read(row, "name")? })
            }
            None => Ok(()),
        }
    }

    /// Ours must say what the migration says; another permissive one would let more through.
    async fn policies(&self) -> Result<(), SchemaFault> {
        let mut own = false;
        for row in self.ask(POLICIES).await? {
            let says = |column| self.read::<&str>(&row, column);
            let names_organisation = |expression: &str| {
                expression.contains("current_setting('countersign.organisation'")
                    && expression.contains(self.column)
            };
            let (name, command) = (says("name")?, says("command")?);
            let (readable, writable) = (says("readable")?, says("writable")?);
            let reads_across = command == "r" && readable.contains("current_setting('countersign.across'");
            match name {
                OWN_POLICY if command != "*" || !names_organisation(readable) => {
                    return Err(
                        self.row_security("its policy does not compare the organisation on every command")
                    );
                }
                OWN_POLICY if !names_organisation(writable) => {
                    return Err(
                        self.row_security("its policy has no WITH CHECK that compares the organisation")
                    );
                }
                OWN_POLICY => own = true,
                ACROSS_POLICY if reads_across => {}
                ACROSS_POLICY => {
                    return Err(self.row_security("its policy for support lets more than reading through"));
                }
                _ if self.read(&row, "permissive")? => {
                    return Err(self.row_security("another permissive policy lets more through"));
                }
                _ => {}
            }
        }
        if own { Ok(()) } else { Err(self.row_security("its policy is missing")) }
    }

    async fn leaks(&self) -> Result<(), SchemaFault> {
        match self.ask(LEAKS).await?.first() {
            Some(row) => Err(SchemaFault::Leak { table: self.named(), object: self.read(row, "name")? }),
            None => Ok(()),
        }
    }
}
