//! What is asked of the database, as data. Only a scope can turn it into SQL, because only a scope knows the
//! organisation that comes first in every statement.

use std::marker::PhantomData;

use super::{Column, Condition, OrganisationTable, Value};

/// Reads rows. Run by a scope.
#[derive(Debug, Clone)]
pub struct Select<T> {
    conditions: Vec<Condition<T>>,
    order: Vec<(Column<T>, Direction)>,
    limit: Option<u32>,
    offset: u32,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

impl<T: OrganisationTable> Select<T> {
    /// Rows that are read at most when no [`limit`](Self::limit) is given. One more is an error and not a shorter
    /// answer, so that nobody takes a part for the whole.
    pub const MAX_ROWS: u32 = 10_000;

    /// Every row of the organisation, in no order.
    #[must_use]
    pub const fn all() -> Self {
        Self { conditions: Vec::new(), order: Vec::new(), limit: None, offset: 0 }
    }

    /// The row with this key.
    #[must_use]
    pub fn by_key(key: impl Into<Value>) -> Self {
        Self::all().and(key_column::<T>().equals(key)).limit(1)
    }

    /// Only rows that satisfy this too.
    #[must_use]
    pub fn and(mut self, condition: Condition<T>) -> Self {
        self.conditions.push(condition);
        self
    }

    /// In this order; a second call orders rows that are equal in the first.
    #[must_use]
    pub fn order_by(mut self, column: Column<T>, direction: Direction) -> Self {
        self.order.push((column, direction));
        self
    }

    /// At most so many rows.
    #[must_use]
    pub const fn limit(mut self, rows: u32) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Leaves out the first rows.
    #[must_use]
    pub const fn offset(mut self, rows: u32) -> Self {
        self.offset = rows;
        self
    }

    /// How many rows are fetched, and whether that many are already too many.
    pub(super) fn bound(&self) -> Bound {
        self.limit.map_or(Bound::Refused(Self::MAX_ROWS.saturating_add(1)), Bound::Cut)
    }

    pub(super) fn conditions(&self) -> &[Condition<T>] {
        &self.conditions
    }

    pub(super) fn order(&self) -> &[(Column<T>, Direction)] {
        &self.order
    }

    pub(super) const fn skipped(&self) -> u32 {
        self.offset
    }
}

/// What happens at the last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// More rows may exist; the caller asked for no more.
    Cut(u32),
    /// Reaching this many is an error.
    Refused(u32),
}

/// Writes one new row, always the organisation's own. Run by a scope.
#[derive(Debug, Clone)]
pub struct Insert<T> {
    values: Vec<(Column<T>, Value)>,
}

impl<T: OrganisationTable> Insert<T> {
    /// A row with the table's defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: Vec::new() }
    }

    /// Gives a column its value; the last of several counts.
    #[must_use]
    pub fn set(mut self, column: Column<T>, value: impl Into<Value>) -> Self {
        assign(&mut self.values, column, value.into());
        self
    }

    pub(super) fn values(&self) -> &[(Column<T>, Value)] {
        &self.values
    }
}

impl<T: OrganisationTable> Default for Insert<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Changes rows. Run by a scope. It has always a condition: to change every row of the organisation is said with
/// `Condition::all_of([])`.
#[derive(Debug, Clone)]
pub struct Update<T> {
    values: Vec<(Column<T>, Value)>,
    condition: Condition<T>,
}

impl<T: OrganisationTable> Update<T> {
    /// The row with this key.
    #[must_use]
    pub fn by_key(key: impl Into<Value>) -> Self {
        Self::matching(key_column::<T>().equals(key))
    }

    /// Rows that satisfy this.
    #[must_use]
    pub const fn matching(condition: Condition<T>) -> Self {
        Self { values: Vec::new(), condition }
    }

    /// Gives a column a new value; the last of several counts.
    #[must_use]
    pub fn set(mut self, column: Column<T>, value: impl Into<Value>) -> Self {
        assign(&mut self.values, column, value.into());
        self
    }

    pub(super) fn values(&self) -> &[(Column<T>, Value)] {
        &self.values
    }

    pub(super) const fn condition(&self) -> &Condition<T> {
        &self.condition
    }
}

/// Removes rows. Run by a scope. It has always a condition, as [`Update`] has.
#[derive(Debug, Clone)]
pub struct Delete<T> {
    condition: Condition<T>,
}

impl<T: OrganisationTable> Delete<T> {
    /// The row with this key.
    #[must_use]
    pub fn by_key(key: impl Into<Value>) -> Self {
        Self::matching(key_column::<T>().equals(key))
    }

    /// Rows that satisfy this.
    #[must_use]
    pub const fn matching(condition: Condition<T>) -> Self {
        Self { condition }
    }

    pub(super) const fn condition(&self) -> &Condition<T> {
        &self.condition
    }
}

/// SQL text with its values: the placeholder `n` stands for the n-th.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement<T> {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    pub(super) table: PhantomData<fn() -> T>,
}

const fn key_column<T: OrganisationTable>() -> Column<T> {
    const { Column::named(T::KEY_COLUMN) }
}

fn assign<T: OrganisationTable>(values: &mut Vec<(Column<T>, Value)>, column: Column<T>, value: Value) {
    if let Some(present) = values.iter_mut().find(|(present, _)| present.name() == column.name()) {
        present.1 = value;
    } else {
        values.push((column, value));
    }
}
