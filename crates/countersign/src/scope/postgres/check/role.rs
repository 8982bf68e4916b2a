//! The role of the service, and what it begins with.

use crate::scope::SchemaFault;

use super::{Catalogue, able};

/// Roles above row-level security that the session is or may become.
///
/// `CREATEROLE` makes itself a member of the owner; `REPLICATION` reads every change from the log; who reads or writes
/// the server's files, or runs programs there, reads the tables' files.
const ABOVE: &str = concat!(
    "WITH ",
    able!(),
    "
SELECT r.rolname::text AS name,
       CASE WHEN r.rolsuper THEN 'is a superuser'
            WHEN r.rolbypassrls THEN 'has BYPASSRLS'
            WHEN r.rolcreaterole THEN 'has CREATEROLE'
            WHEN r.rolreplication THEN 'has REPLICATION'
            ELSE 'reaches the files of the server' END AS power
FROM pg_roles r JOIN able ON able.role = r.oid
WHERE r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication
   OR r.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
ORDER BY r.rolname <> current_user, 1"
);

/// The two settings where they have a value already: in this session, or in one that begins later.
const PRESET: &str = concat!(
    "WITH ",
    able!(),
    ", wanted(name) AS (VALUES ('countersign.organisation'), ('countersign.across'))
SELECT w.name,
       CASE WHEN s.setrole = 0 AND s.setdatabase = 0 THEN format('ALTER ROLE ALL RESET %s', w.name)
            WHEN s.setrole = 0 THEN format('ALTER DATABASE %I RESET %s', current_database(), w.name)
            WHEN s.setdatabase = 0 THEN format('ALTER ROLE %I RESET %s', r.rolname, w.name)
            ELSE format('ALTER ROLE %I IN DATABASE %I RESET %s', r.rolname, current_database(), w.name)
       END AS fix
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS c(text)
JOIN wanted w ON lower(split_part(c.text, '=', 1)) = w.name
LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE (s.setrole = 0 OR s.setrole IN (SELECT able.role FROM able))
  AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
UNION ALL
SELECT w.name, 'take it out of postgresql.conf, the options of the connection, or whatever sets it for a session'
FROM wanted w WHERE coalesce(current_setting(w.name, true), '') <> ''"
);

impl Catalogue<'_> {
    pub(super) async fn role_is_below(&self) -> Result<(), SchemaFault> {
        match self.rows(sqlx::query(ABOVE)).await?.first() {
            Some(row) => Err(SchemaFault::RoleAbove {
                table: self.named(),
                role: self.read(row, "name")?,
                power: self.read(row, "power")?,
            }),
            None => Ok(()),
        }
    }

    pub(super) async fn settings_are_empty(&self) -> Result<(), SchemaFault> {
        match self.rows(sqlx::query(PRESET)).await?.first() {
            Some(row) => Err(SchemaFault::Preset {
                table: self.named(),
                setting: self.read(row, "name")?,
                fix: self.read(row, "fix")?,
            }),
            None => Ok(()),
        }
    }
}
