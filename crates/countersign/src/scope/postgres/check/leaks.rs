//! What shows or changes rows of the table with somebody else's rights.

use crate::scope::SchemaFault;

use super::{Catalogue, able, kin, usable};

/// Over the table and its kin, at any depth: views that can be used and do not ask with the reader's rights,
/// materialised views always, and rules, which act with their owner's rights. Everywhere: functions with the rights of
/// somebody whom row-level security does not bind.
const LEAKS: &str = concat!(
    kin!(),
    able!(),
    ", over(oid) AS (
    SELECT kin.oid FROM kin
    UNION
    SELECT w.ev_class FROM over
    JOIN pg_depend d ON d.refobjid = over.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_rewrite w ON w.oid = d.objid AND d.classid = 'pg_rewrite'::regclass AND w.ev_type = '1'
)
SELECT c.oid::regclass::text AS name
FROM over JOIN pg_class c ON c.oid = over.oid
WHERE (c.relkind = 'm' OR c.relkind = 'v' AND NOT coalesce(
      (SELECT option_value::boolean FROM pg_options_to_table(c.reloptions) WHERE option_name = 'security_invoker'),
      false))
  AND ",
    usable!(),
    "
UNION
SELECT format('rule %I of %s', w.rulename, c.oid::regclass)
FROM over
JOIN pg_depend d ON d.refobjid = over.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_rewrite w ON w.oid = d.objid AND d.classid = 'pg_rewrite'::regclass AND w.ev_type <> '1'
JOIN pg_class c ON c.oid = w.ev_class
WHERE ",
    usable!(),
    "
UNION
SELECT p.oid::regprocedure::text
FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (o.rolsuper OR o.rolbypassrls)
  AND EXISTS (SELECT FROM able WHERE has_function_privilege(able.role, p.oid, 'EXECUTE'))
ORDER BY 1"
);

impl Catalogue<'_> {
    pub(super) async fn leaks(&self) -> Result<(), SchemaFault> {
        match self.ask(LEAKS).await?.first() {
            Some(row) => Err(SchemaFault::Leak { table: self.named(), object: self.read(row, "name")? }),
            None => Ok(()),
        }
    }
}
