//! Statements as SQL. The organisation's predicate is the first of every `WHERE`, its value the first that is bound.
//!
//! A column in an expression is always written with its table: `SQLite` reads a lone `"name"` that is no column as a
//! text, and a predicate on a text is no predicate.

use std::{fmt::Write, marker::PhantomData};

use crate::OrganisationId;

use super::{
    Delete, Direction, Insert, OrganisationTable, Select, Update, Value,
    condition::Term,
    statement::{Bound, Statement},
    table::Declaration,
};

/// How a placeholder is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    #[cfg(any(feature = "sqlx-postgres", test))]
    Postgres,
    #[cfg(any(feature = "sqlx-sqlite", test))]
    Sqlite,
}

/// Whose rows a statement is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reach<'o> {
    /// Every organisation's: only behind a [`CrossOrganisation`](super::CrossOrganisation).
    Every,
    /// One organisation's.
    One(&'o OrganisationId),
}

/// The alias of the organisation column in answers that span organisations.
pub(super) const OWNER_ALIAS: &str = "countersign_organisation";

/// Writes one statement.
pub(super) struct Renderer<T> {
    dialect: Dialect,
    sql: String,
    values: Vec<Value>,
    table: PhantomData<fn() -> T>,
}

impl<T: OrganisationTable> Renderer<T> {
    pub(super) fn new(dialect: Dialect) -> Self {
        const { assert!(Declaration::<T>::SOUND) };
        Self { dialect, sql: String::with_capacity(128), values: Vec::new(), table: PhantomData }
    }

    pub(super) fn select(mut self, select: &Select<T>, reach: Reach<'_>) -> Statement<T> {
        self.push("SELECT ");
        self.columns();
        if matches!(reach, Reach::Every) {
            self.push(", ");
            self.column(T::ORGANISATION_COLUMN);
            self.push(" AS \"");
            self.push(OWNER_ALIAS);
            self.push("\"");
        }
        self.source_and_conditions(select, reach);
        for (at, (column, direction)) in select.order().iter().enumerate() {
            self.push(if at == 0 { " ORDER BY " } else { ", " });
            self.column(column.name());
            self.push(match direction {
                Direction::Ascending => " ASC",
                Direction::Descending => " DESC",
            });
        }
        self.push(" LIMIT ");
        match select.bound() {
            // PostgreSQL plans a statement whose limit is bound anew each time: it cannot know how much will be read.
            // These two are the same in every statement; whatever an application chooses is not, and would fill the
            // cache of prepared statements.
            Bound::Refused(rows) | Bound::Cut(rows @ 1) => self.push(&rows.to_string()),
            Bound::Cut(rows) => self.bind(Value::Integer(rows.into())),
        }
        if select.skipped() > 0 {
            self.push(" OFFSET ");
            self.bind(Value::Integer(select.skipped().into()));
        }
        self.finish()
    }

    pub(super) fn count(mut self, select: &Select<T>, reach: Reach<'_>) -> Statement<T> {
        self.push("SELECT COUNT(*)");
        self.source_and_conditions(select, reach);
        self.finish()
    }

    pub(super) fn insert(mut self, insert: &Insert<T>, organisation: &OrganisationId) -> Statement<T> {
        self.push("INSERT INTO ");
        self.table();
        self.push(" (");
        self.name(T::ORGANISATION_COLUMN);
        for (column, _) in insert.values() {
            self.push(", ");
            self.name(column.name());
        }
        self.push(") VALUES (");
        self.bind(Value::Text(organisation.as_str().to_owned()));
        for (_, value) in insert.values() {
            self.push(", ");
            self.value(value);
        }
        self.push(") RETURNING ");
        self.columns();
        self.finish()
    }

    pub(super) fn update(mut self, update: &Update<T>, organisation: &OrganisationId) -> Statement<T> {
        // The organisation is bound first although `SET` is written first: placeholders have numbers.
        let owner = self.bound(Value::Text(organisation.as_str().to_owned()));
        self.push("UPDATE ");
        self.table();
        for (at, (column, value)) in update.values().iter().enumerate() {
            self.push(if at == 0 { " SET " } else { ", " });
            self.name(column.name());
            self.push(" = ");
            self.value(value);
        }
        self.push(" WHERE ");
        self.column(T::ORGANISATION_COLUMN);
        self.push(" = ");
        self.push(&owner);
        self.byte_for_byte();
        self.further(&update.condition().term);
        self.finish()
    }

    pub(super) fn delete(mut self, delete: &Delete<T>, organisation: &OrganisationId) -> Statement<T> {
        self.push("DELETE FROM ");
        self.table();
        self.owned_by(organisation);
        self.further(&delete.condition().term);
        self.finish()
    }

    fn source_and_conditions(&mut self, select: &Select<T>, reach: Reach<'_>) {
        self.push(" FROM ");
        self.table();
        match reach {
            Reach::Every => self.push(" WHERE (1 = 1)"),
            Reach::One(organisation) => self.owned_by(organisation),
        }
        for condition in select.conditions() {
            self.further(&condition.term);
        }
    }

    fn owned_by(&mut self, organisation: &OrganisationId) {
        self.push(" WHERE ");
        self.column(T::ORGANISATION_COLUMN);
        self.push(" = ");
        self.bind(Value::Text(organisation.as_str().to_owned()));
        self.byte_for_byte();
    }

    /// A column may be declared with a collation in which `Acme` is `acme`; the organisation's name never is.
    fn byte_for_byte(&mut self) {
        match self.dialect {
            // There the check at start refuses such a column.
            #[cfg(any(feature = "sqlx-postgres", test))]
            Dialect::Postgres => {}
            #[cfg(any(feature = "sqlx-sqlite", test))]
            Dialect::Sqlite => self.push(" COLLATE BINARY"),
        }
    }

    fn further(&mut self, term: &Term) {
        self.push(" AND (");
        self.term(term);
        self.push(")");
    }

    fn term(&mut self, term: &Term) {
        match term {
            Term::All(terms) => self.joined(terms, " AND ", "1 = 1"),
            Term::Any(terms) => self.joined(terms, " OR ", "1 = 0"),
            Term::Compare(column, operator, value) => {
                self.column(column);
                self.push(" ");
                self.push(operator);
                self.push(" ");
                self.value(value);
            }
            Term::IsNull(column) => {
                self.column(column);
                self.push(" IS NULL");
            }
            Term::Not(term) => {
                self.push("NOT (");
                self.term(term);
                self.push(")");
            }
            Term::OneOf(_, values) if values.is_empty() => self.push("1 = 0"),
            Term::OneOf(column, values) => {
                self.column(column);
                for (at, value) in values.iter().enumerate() {
                    self.push(if at == 0 { " IN (" } else { ", " });
                    self.value(value);
                }
                self.push(")");
            }
        }
    }

    fn joined(&mut self, terms: &[Term], joint: &str, none: &str) {
        if terms.is_empty() {
            self.push(none);
        }
        for (at, term) in terms.iter().enumerate() {
            self.push(if at == 0 { "(" } else { joint });
            if at > 0 {
                self.push("(");
            }
            self.term(term);
            self.push(")");
        }
    }

    fn columns(&mut self) {
        for (at, column) in T::COLUMNS.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.column(column);
            self.push(" AS ");
            self.name(column);
        }
    }

    fn table(&mut self) {
        self.name(T::TABLE);
    }

    fn column(&mut self, name: &str) {
        self.table();
        self.push(".");
        self.name(name);
    }

    /// An identifier that [`Declaration::SOUND`] has seen.
    fn name(&mut self, name: &str) {
        self.push("\"");
        self.push(name);
        self.push("\"");
    }

    /// A value; none is written out, because a database cannot guess the type of a bound `NULL`.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.push("NULL"),
            value => self.bind(value.clone()),
        }
    }

    fn bind(&mut self, value: Value) {
        let placeholder = self.bound(value);
        self.push(&placeholder);
    }

    fn bound(&mut self, value: Value) -> String {
        #[cfg(any(feature = "sqlx-postgres", test))]
        if self.dialect == Dialect::Postgres {
            // Bound as text or number, and made what they are there: exactly, and without a look at the column.
            match value {
                Value::Json(_) => return format!("{}::jsonb", self.placeholder(value)),
                Value::Uuid(_) => return format!("{}::uuid", self.placeholder(value)),
                Value::Timestamp(_) => {
                    // An interval is multiplied as a floating point number: in two parts, both are exact.
                    let micros = format!("{}::bigint", self.placeholder(value));
                    return format!(
                        "(timestamptz 'epoch' + interval '1 second' * ({micros} / 1000000) \
                         + interval '1 microsecond' * ({micros} % 1000000))"
                    );
                }
                _ => {}
            }
        }
        self.placeholder(value)
    }

    fn placeholder(&mut self, value: Value) -> String {
        self.values.push(value);
        let mark = match self.dialect {
            #[cfg(any(feature = "sqlx-postgres", test))]
            Dialect::Postgres => '$',
            #[cfg(any(feature = "sqlx-sqlite", test))]
            Dialect::Sqlite => '?',
        };
        let mut placeholder = String::new();
        // Writing to a string cannot fail.
        let _ = write!(placeholder, "{mark}{}", self.values.len());
        placeholder
    }

    fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    fn finish(self) -> Statement<T> {
        Statement { sql: self.sql, values: self.values, table: PhantomData }
    }
}

#[cfg(test)]
mod tests;
