//! `countersign rls init`: the migration of one table.

use countersign::row_level_security::{InvalidName, RowLevelSecurity};

use crate::{arguments::RlsWhat, exit::Exit, screen};

/// `countersign rls`.
pub(crate) fn run(what: &RlsWhat) -> Exit {
    let RlsWhat::Init { table, column, key, role, references, without_support } = what;
    match migration(table, column, key, role, references) {
        Ok(migration) => {
            let migration = if *without_support { migration.without_support() } else { migration };
            screen::print(&migration.to_sql());
            Exit::Good
        }
        Err(problem) => {
            screen::complain(&format!("countersign rls init: {problem}\n"));
            Exit::Usage
        }
    }
}

fn migration(
    table: &str,
    column: &str,
    key: &str,
    role: &str,
    references: &[String],
) -> Result<RowLevelSecurity, String> {
    let say = |error: InvalidName| error.to_string();
    let table = RowLevelSecurity::of(table).and_then(|table| table.column(column)).map_err(say)?;
    let mut table = table.key(key).and_then(|table| table.role(role)).map_err(say)?;
    for reference in references {
        let (child, parent) = reference.split_once('=').ok_or_else(|| {
            format!("`{reference}` is no reference: write `COLUMN=TABLE`, as in `customer=customers`")
        })?;
        table = table.references(child, parent).map_err(say)?;
    }
    Ok(table)
}
