//! The table, what it consists of, and what else has the organisation column: does row-level security bind it?

use std::{borrow::Cow, collections::HashSet};

use sqlx::postgres::{PgRow, types::Oid};

use crate::scope::SchemaFault;

use super::{Catalogue, able, kin, usable};

macro_rules! relation {
    () => {
        "
SELECT c.oid, c.relkind::text AS kind, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
       CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text ELSE c.oid::regclass::text END AS name,
       c.relowner IN (SELECT able.role FROM able) AS owns,
       EXISTS (SELECT FROM able WHERE has_table_privilege(able.role, c.oid, 'TRUNCATE')) AS truncates,
       coalesce((SELECT option_value::boolean FROM pg_options_to_table(c.reloptions)
                 WHERE option_name = 'security_invoker'), false) AS asks_as_reader
FROM pg_class c
WHERE "
    };
}

const EXISTS: &str =
    "SELECT FROM pg_class c WHERE c.oid = to_regclass(quote_ident($1)) AND c.relkind IN ('r', 'p')";

const TABLE: &str = concat!("WITH ", able!(), relation!(), "c.oid = to_regclass(quote_ident($1))");

/// Partitions of the table, and what inherits from it or it from, at any depth, that can be used by themselves.
const KIN: &str = concat!(
    kin!(),
    able!(),
    relation!(),
    "c.oid IN (SELECT kin.oid FROM kin) AND c.oid <> to_regclass(quote_ident($1)) AND ",
    usable!(),
    " ORDER BY c.relname"
);

/// Whatever else has the column and can be used, but for the session's own temporary tables.
const OTHERS: &str = concat!(
    "WITH ",
    able!(),
    relation!(),
    "c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't'
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND EXISTS (SELECT FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attname = $1 AND a.attnum > 0 AND NOT a.attisdropped)
  AND ",
    usable!(),
    " ORDER BY c.relname"
);

struct Relation {
    oid: Oid,
    name: String,
    /// As in `pg_class`.
    kind: String,
    enabled: bool,
    forced: bool,
    owns: bool,
    truncates: bool,
    asks_as_reader: bool,
}

/// What binds the rows of a relation that can be used by itself.
enum Bound {
    /// The migration's policy.
    Own,
    /// No policy lets anything through, or the reader's rights on other relations count.
    Otherwise,
}

impl Catalogue<'_> {
    pub(super) async fn exists(&self) -> Result<(), SchemaFault> {
        match self.ask(EXISTS).await?.first() {
            Some(_) => Ok(()),
            None => Err(SchemaFault::NoTable { table: self.named() }),
        }
    }

    pub(super) async fn row_security_binds(&self) -> Result<(), SchemaFault> {
        let found = self.ask(TABLE).await?;
        let row = found.first().ok_or_else(|| SchemaFault::NoTable { table: self.named() })?;
        let table = self.relation(row)?;
        if table.owns {
            return Err(SchemaFault::RoleOwns { table: self.named() });
        }
        let fault = match self.bound(&table).await? {
            Ok(Bound::Own) => return Ok(()),
            Ok(Bound::Otherwise) => "its policy `countersign_organisation` is missing".into(),
            Err(fault) => fault,
        };
        Err(SchemaFault::RowSecurity { table: self.named(), fault })
    }

    /// Row-level security of the table does not bind who reads a part of it by itself, or reads it as a part.
    pub(super) async fn kin_is_bound(&self) -> Result<(), SchemaFault> {
        let kin = self.ask(KIN).await?;
        self.unbound(&kin, &HashSet::new()).await?.into_iter().next().map_or(Ok(()), Err)
    }

    /// What has a column of the name, is not in `besides`, and is not bound.
    pub(super) async fn others_with_column(
        &self,
        besides: &HashSet<&str>,
    ) -> Result<Vec<SchemaFault>, SchemaFault> {
        let others = self.rows(sqlx::query(OTHERS).bind(self.column)).await?;
        self.unbound(&others, besides).await
    }

    async fn unbound(
        &self,
        rows: &[PgRow],
        besides: &HashSet<&str>,
    ) -> Result<Vec<SchemaFault>, SchemaFault> {
        let mut faults = Vec::new();
        for row in rows {
            let relation = self.relation(row)?;
            if besides.contains(&*relation.name) {
                continue;
            }
            if let Err(fault) = self.bound(&relation).await? {
                faults.push(SchemaFault::Unbound { object: relation.name, fault });
            }
        }
        Ok(faults)
    }

    async fn bound(&self, relation: &Relation) -> Result<Result<Bound, Cow<'static, str>>, SchemaFault> {
        let fault = match &*relation.kind {
            "f" => "it is a foreign table",
            "m" => "it is a materialised view, which keeps what its owner saw",
            "v" if relation.asks_as_reader => return Ok(Ok(Bound::Otherwise)),
            "v" => "it is a view with its owner's rights (`security_invoker` is not set)",
            _ if !relation.enabled => "it is not enabled",
            _ if !relation.forced => "it is not forced, so it does not bind the owner",
            _ if relation.owns => "the role owns it, or may become its owner",
            _ if relation.truncates => "the role may TRUNCATE it, which no policy binds: revoke that",
            _ => {
                let policies = self.policies_bind(relation.oid).await?;
                return Ok(policies.map(|own| if own { Bound::Own } else { Bound::Otherwise }));
            }
        };
        Ok(Err(fault.into()))
    }

    fn relation(&self, row: &PgRow) -> Result<Relation, SchemaFault> {
        Ok(Relation {
            oid: self.read(row, "oid")?,
            name: self.read(row, "name")?,
            kind: self.read(row, "kind")?,
            enabled: self.read(row, "enabled")?,
            forced: self.read(row, "forced")?,
            owns: self.read(row, "owns")?,
            truncates: self.read(row, "truncates")?,
            asks_as_reader: self.read(row, "asks_as_reader")?,
        })
    }
}
