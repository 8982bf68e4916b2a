//! A look at the real table before it is used.

use sqlx::{AssertSqlSafe, Row, SqlitePool, sqlite::SqliteRow};

use crate::scope::{OrganisationTable, SchemaFault, declared::Declared};

struct ColumnInfo {
    name: String,
    kind: String,
    not_null: bool,
    key_place: i64,
}

pub(super) async fn examine<T: OrganisationTable>(pool: &SqlitePool) -> Result<Declared, SchemaFault> {
    let schema = Schema { pool, table: T::TABLE };
    let columns = schema.columns(T::TABLE).await?;
    if columns.is_empty() || !schema.is_table().await? {
        return Err(SchemaFault::NoTable { table: T::TABLE.into() });
    }
    for &column in T::COLUMNS {
        if !columns.iter().any(|found| found.name == column) {
            return Err(SchemaFault::NoColumn { table: T::TABLE.into(), column: column.into() });
        }
    }
    let Some(organisation) = columns.iter().find(|found| found.name == T::ORGANISATION_COLUMN) else {
        return Err(SchemaFault::NoColumn { table: T::TABLE.into(), column: T::ORGANISATION_COLUMN.into() });
    };
    if !has_text_affinity(&organisation.kind) {
        return Err(SchemaFault::NotText { table: T::TABLE.into() });
    }
    if !organisation.not_null {
        return Err(SchemaFault::Nullable { table: T::TABLE.into() });
    }
    schema.unique_indexes(T::ORGANISATION_COLUMN).await?;
    schema.foreign_keys(T::ORGANISATION_COLUMN).await?;
    Ok(Declared::new::<T>(numbered_key(&columns)))
}

struct Schema<'p> {
    pool: &'p SqlitePool,
    table: &'static str,
}

impl Schema<'_> {
    async fn ask(&self, sql: &'static str, of: &str) -> Result<Vec<SqliteRow>, SchemaFault> {
        sqlx::query(AssertSqlSafe(sql))
            .bind(of)
            .fetch_all(self.pool)
            .await
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: sqlx::Error) -> SchemaFault {
        SchemaFault::Database { table: self.table.into(), source }
    }

    fn text(&self, row: &SqliteRow, column: &'static str) -> Result<String, SchemaFault> {
        row.try_get::<Option<String>, _>(column)
            .map(Option::unwrap_or_default)
            .map_err(|source| self.failed(source))
    }

    fn number(&self, row: &SqliteRow, column: &'static str) -> Result<i64, SchemaFault> {
        row.try_get(column).map_err(|source| self.failed(source))
    }

    async fn is_table(&self) -> Result<bool, SchemaFault> {
        let found =
            self.ask("SELECT type FROM sqlite_schema WHERE name = ?1 AND type = 'table'", self.table).await?;
        Ok(!found.is_empty())
    }

    async fn columns(&self, table: &str) -> Result<Vec<ColumnInfo>, SchemaFault> {
        let sql = "SELECT name, upper(type) AS kind, \"notnull\" AS not_null, pk AS key_place \
                   FROM pragma_table_info(?1)";
        let mut columns = Vec::new();
        for row in self.ask(sql, table).await? {
            columns.push(ColumnInfo {
                name: self.text(&row, "name")?,
                kind: self.text(&row, "kind")?,
                not_null: self.number(&row, "not_null")? != 0,
                key_place: self.number(&row, "key_place")?,
            });
        }
        Ok(columns)
    }

    /// Unique indexes, the primary key's among them, unless that is the row number itself.
    async fn unique_indexes(&self, organisation_column: &str) -> Result<(), SchemaFault> {
        let indexes = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 ORDER BY seq";
        for row in self.ask(indexes, self.table).await? {
            let index = self.text(&row, "name")?;
            let columns = self.ask("SELECT name FROM pragma_index_info(?1)", &index).await?;
            if !self.names(&columns, "name", organisation_column)? {
                return Err(SchemaFault::Unique { table: self.table.into(), index });
            }
        }
        Ok(())
    }

    /// To tables that have the column as well, each pairs it with the parent's.
    async fn foreign_keys(&self, organisation_column: &str) -> Result<(), SchemaFault> {
        let is_organisation = |name: &str| name.eq_ignore_ascii_case(organisation_column);
        let keys = "SELECT DISTINCT id AS place, \"table\" AS parent FROM pragma_foreign_key_list(?1)";
        let members = "SELECT id AS place, seq AS number, \"from\" AS child, \"to\" AS parent \
                       FROM pragma_foreign_key_list(?1)";
        let members = self.ask(members, self.table).await?;
        for key in self.ask(keys, self.table).await? {
            let parent = self.text(&key, "parent")?;
            let columns = self.columns(&parent).await?;
            if !columns.iter().any(|column| is_organisation(&column.name)) {
                continue;
            }
            let place = self.number(&key, "place")?;
            let mut paired = false;
            for member in &members {
                if self.number(member, "place")? != place {
                    continue;
                }
                let mut to = self.text(member, "parent")?;
                if to.is_empty() {
                    // Unnamed, it is the parent's primary key, in its order.
                    let at = self.number(member, "number")?.saturating_add(1);
                    let key = columns.iter().find(|column| column.key_place == at);
                    to = key.map(|column| column.name.clone()).unwrap_or_default();
                }
                paired |= is_organisation(&self.text(member, "child")?) && is_organisation(&to);
            }
            if !paired {
                let fix = "put it first on both sides".into();
                return Err(SchemaFault::ForeignKey { table: self.table.into(), parent, fix });
            }
        }
        Ok(())
    }

    fn names(&self, rows: &[SqliteRow], column: &'static str, wanted: &str) -> Result<bool, SchemaFault> {
        for row in rows {
            if self.text(row, column)?.eq_ignore_ascii_case(wanted) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `SQLite`'s own rule (datatype3.html §3.1): INT anywhere wins, then these.
fn has_text_affinity(kind: &str) -> bool {
    !kind.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|text| kind.contains(text))
}

/// A lone primary key declared exactly `INTEGER` is the row number.
fn numbered_key(columns: &[ColumnInfo]) -> Option<&str> {
    let mut keys = columns.iter().filter(|column| column.key_place > 0);
    let key = keys.next()?;
    (keys.next().is_none() && key.kind == "INTEGER").then_some(key.name.as_str())
}
