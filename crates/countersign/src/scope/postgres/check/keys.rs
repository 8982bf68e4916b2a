//! The columns of the table, and constraints that could tell about foreign rows.

use std::borrow::Cow;

use crate::scope::SchemaFault;

use super::{Catalogue, able, kin};

const COLUMNS: &str = "
SELECT a.attname::text AS name, a.attnotnull AS not_null,
       t.typname IN ('text', 'varchar') AND coalesce(l.collisdeterministic, true) AS is_text
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = to_regclass(quote_ident($1)) AND a.attnum > 0 AND NOT a.attisdropped";

/// Unique indexes without the organisation column and exclusion constraints that do not compare it with `=`, of the
/// table and its parts; and the column of a lone primary key that the database gives by itself: a number or a random
/// UUID. An index of a part that belongs to one of the table is judged there.
const UNIQUE: &str = concat!(
    kin!(),
    able!(),
    "
SELECT i.indexrelid::regclass::text AS name,
       CASE WHEN i.indisprimary AND i.indnkeyatts = 1 AND (a.attidentity <> '' OR d.numbers) THEN a.attname::text END
           AS numbered
FROM below
JOIN pg_index i ON i.indrelid = below.oid
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
LEFT JOIN LATERAL (
    SELECT pg_get_expr(f.adbin, f.adrelid) LIKE ANY (ARRAY['nextval(%', 'gen_random_uuid()', 'uuidv7()', 'uuid_generate_v_()'])
               AS numbers
    FROM pg_attrdef f WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum
) d ON true
WHERE (i.indisunique OR i.indisexclusion)
  AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
  AND NOT EXISTS (
      SELECT FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
      JOIN pg_attribute o ON o.attrelid = i.indrelid AND o.attnum = k.attnum
      WHERE o.attname = $2 AND k.place <= i.indnkeyatts
        AND (NOT i.indisexclusion OR EXISTS (
            SELECT FROM pg_constraint x JOIN pg_operator e ON e.oid = x.conexclop[k.place]
            WHERE x.conindid = i.indexrelid AND x.conexclop IS NOT NULL AND e.oprname = '=')))"
);

/// Foreign keys that do not pair the organisation column with that of the other table: from the table to one that has
/// the column, and to the table from any into which the role may write.
const FOREIGN: &str = concat!(
    kin!(),
    able!(),
    "
SELECT k.conrelid::regclass::text AS child, k.confrelid::regclass::text AS parent, quote_ident(k.conname) AS name
FROM pg_constraint k
WHERE k.contype = 'f' AND k.conparentid = 0
  AND (k.conrelid IN (SELECT below.oid FROM below)
          AND EXISTS (SELECT FROM pg_attribute p WHERE p.attrelid = k.confrelid AND p.attname = $2)
       OR k.confrelid IN (SELECT kin.oid FROM kin)
          AND EXISTS (SELECT FROM able WHERE has_any_column_privilege(able.role, k.conrelid, 'INSERT, UPDATE')))
  AND NOT EXISTS (
      SELECT FROM unnest(k.conkey, k.confkey) AS pair(child, parent)
      JOIN pg_attribute c ON c.attrelid = k.conrelid AND c.attnum = pair.child
      JOIN pg_attribute p ON p.attrelid = k.confrelid AND p.attnum = pair.parent
      WHERE c.attname = $2 AND p.attname = $2)
ORDER BY 1, 2, 3"
);

impl Catalogue<'_> {
    pub(super) async fn columns(&self, wanted: &[&str]) -> Result<(), SchemaFault> {
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

    /// The column whose values the database gives, if there is one.
    pub(super) async fn unique_indexes(&self) -> Result<Option<String>, SchemaFault> {
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

    pub(super) async fn foreign_keys(&self) -> Result<(), SchemaFault> {
        let found = self.ask(FOREIGN).await?;
        let Some(row) = found.first() else { return Ok(()) };
        let (child, name): (String, String) = (self.read(row, "child")?, self.read(row, "name")?);
        let fix = format!(
            "`ALTER TABLE {child} DROP CONSTRAINT {name}`, where `countersign rls init` with `--references` has made \
             the paired one"
        );
        Err(SchemaFault::ForeignKey {
            table: child.into(),
            parent: self.read(row, "parent")?,
            fix: fix.into(),
        })
    }
}
