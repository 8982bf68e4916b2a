//! Random organisations, random operations, and what must become of them: the part of the property "no row ever
//! crosses" that is the same on every database.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::{
    Column, Condition, Delete, Direction, Insert, OrganisationTable, ScopeError, Select, Update, Value,
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) id: i64,
    pub(super) item: String,
    pub(super) quantity: i64,
}

impl OrganisationTable for Order {
    const TABLE: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &["id", "item", "quantity"];
}

impl Order {
    pub(super) const ID: Column<Self> = Column::named("id");
    pub(super) const ITEM: Column<Self> = Column::named("item");
    pub(super) const QUANTITY: Column<Self> = Column::named("quantity");
}

impl<'r, R: Row> FromRow<'r, R> for Order
where
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self { id: row.try_get("id")?, item: row.try_get("item")?, quantity: row.try_get("quantity")? })
    }
}

/// Names that differ by case, by spelling of a number, or look like SQL.
pub(super) const ORGANISATIONS: [&str; 8] =
    ["acme", "ACME", "7", "07", "organisation", "' OR 1=1 --", "%", "\"orders\".\"organisation\""];
pub(super) const ITEMS: [&str; 4] = ["tea", "Tea", "%", "') OR ('1'='1"];

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Count(Filter),
    Delete(Filter),
    Find(i64),
    Insert(&'static str),
    List(Filter),
    Update(Filter, i64),
}

#[derive(Debug, Clone)]
pub(super) enum Filter {
    Every,
    Item(&'static str),
    Key(i64),
    KeyOrItem(i64, &'static str),
    NotItem(&'static str),
}

impl Filter {
    fn condition(&self) -> Condition<Order> {
        match self {
            Self::Every => Condition::all_of([]),
            Self::Item(item) => Order::ITEM.equals(*item),
            Self::Key(key) => Order::ID.equals(*key),
            Self::KeyOrItem(key, item) => {
                Condition::any_of([Order::ID.at_least(*key), Order::ITEM.one_of([*item])])
            }
            Self::NotItem(item) => Order::ITEM.equals(*item).negated(),
        }
    }

    fn accepts(&self, order: &Order) -> bool {
        match self {
            Self::Every => true,
            Self::Item(item) => order.item == *item,
            Self::Key(key) => order.id == *key,
            Self::KeyOrItem(key, item) => order.id >= *key || order.item == *item,
            Self::NotItem(item) => order.item != *item,
        }
    }
}

fn filter() -> impl Strategy<Value = Filter> {
    let item = prop::sample::select(&ITEMS[..]);
    prop_oneof![
        Just(Filter::Every),
        item.clone().prop_map(Filter::Item),
        (0..20_i64).prop_map(Filter::Key),
        (0..20_i64, item.clone()).prop_map(|(key, item)| Filter::KeyOrItem(key, item)),
        item.prop_map(Filter::NotItem),
    ]
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => prop::sample::select(&ITEMS[..]).prop_map(Operation::Insert),
        1 => filter().prop_map(Operation::Count),
        1 => filter().prop_map(Operation::Delete),
        2 => (0..20_i64).prop_map(Operation::Find),
        2 => filter().prop_map(Operation::List),
        2 => (filter(), 0..100_i64).prop_map(|(filter, quantity)| Operation::Update(filter, quantity)),
    ]
}

/// The rows of a table by key, with their organisation.
pub(super) type Rows = BTreeMap<i64, (String, Order)>;

/// What the table must hold.
pub(super) struct Model {
    pub(super) rows: Rows,
    /// Whether two names are one to the unique index of organisation and item.
    pub(super) shares_a_slot: fn(&str, &str) -> bool,
}

/// What runs an operation for one organisation.
pub(super) trait Work {
    async fn all(&mut self, select: Select<Order>) -> Result<Vec<Order>, ScopeError>;
    async fn count(&mut self, select: Select<Order>) -> Result<u64, ScopeError>;
    async fn delete(&mut self, delete: Delete<Order>) -> Result<u64, ScopeError>;
    async fn find(&mut self, key: i64) -> Result<Option<Order>, ScopeError>;
    async fn insert(&mut self, insert: Insert<Order>) -> Result<Order, ScopeError>;
    async fn update(&mut self, update: Update<Order>) -> Result<u64, ScopeError>;
}

macro_rules! work_with {
    ($work:ty) => {
        impl Work for $work {
            async fn all(&mut self, select: Select<Order>) -> Result<Vec<Order>, ScopeError> {
                <$work>::all(self, select).await
            }
            async fn count(&mut self, select: Select<Order>) -> Result<u64, ScopeError> {
                <$work>::count(self, select).await
            }
            async fn delete(&mut self, delete: Delete<Order>) -> Result<u64, ScopeError> {
                <$work>::delete(self, delete).await
            }
            async fn find(&mut self, key: i64) -> Result<Option<Order>, ScopeError> {
                <$work>::find(self, key).await
            }
            async fn insert(&mut self, insert: Insert<Order>) -> Result<Order, ScopeError> {
                <$work>::insert(self, insert).await
            }
            async fn update(&mut self, update: Update<Order>) -> Result<u64, ScopeError> {
                <$work>::update(self, update).await
            }
        }
    };
}
#[cfg(feature = "sqlx-postgres")]
work_with!(super::postgres::ScopedTransaction);
#[cfg(feature = "sqlx-sqlite")]
work_with!(super::sqlite::Scope<'_>);

impl Model {
    fn own(&self, organisation: &str, filter: &Filter) -> Vec<Order> {
        let own = self.rows.values().filter(|(owner, order)| owner == organisation && filter.accepts(order));
        own.map(|(_, order)| order.clone()).collect()
    }

    fn change(&mut self, organisation: &str, filter: &Filter, mut change: impl FnMut(&mut Order)) -> u64 {
        let mut changed = 0;
        for (owner, order) in self.rows.values_mut() {
            if owner == organisation && filter.accepts(order) {
                change(order);
                changed += 1;
            }
        }
        changed
    }

    /// Runs it, and holds what it says against what the rows said before.
    pub(super) async fn apply(&mut self, work: &mut impl Work, organisation: &str, operation: &Operation) {
        match operation {
            Operation::Count(filter) => {
                let counted = work.count(Select::all().and(filter.condition())).await.unwrap();
                assert_eq!(counted, self.own(organisation, filter).len() as u64);
            }
            Operation::Delete(filter) => {
                let deleted = work.delete(Delete::matching(filter.condition())).await.unwrap();
                let before = self.rows.len();
                self.rows.retain(|_, (owner, order)| owner != organisation || !filter.accepts(order));
                assert_eq!(deleted, (before - self.rows.len()) as u64);
            }
            Operation::Find(key) => {
                let found = work.find(*key).await.unwrap();
                assert_eq!(found, self.own(organisation, &Filter::Key(*key)).pop());
            }
            Operation::Insert(item) => match work.insert(Insert::new().set(Order::ITEM, *item)).await {
                Ok(order) => {
                    assert!(self.rows.insert(order.id, (organisation.to_owned(), order)).is_none());
                }
                Err(ScopeError::Conflict { .. }) => {
                    let taken = |(owner, order): &(String, Order)| {
                        (self.shares_a_slot)(owner, organisation) && order.item == *item
                    };
                    assert!(self.rows.values().any(taken));
                }
                Err(error) => panic!("{error}"),
            },
            Operation::List(filter) => {
                let select = Select::all().and(filter.condition()).order_by(Order::ID, Direction::Ascending);
                assert_eq!(work.all(select).await.unwrap(), self.own(organisation, filter));
            }
            Operation::Update(filter, quantity) => {
                let update =
                    Update::matching(filter.condition()).set(Order::QUANTITY, Value::Integer(*quantity));
                let updated = work.update(update).await.unwrap();
                assert_eq!(updated, self.change(organisation, filter, |order| order.quantity = *quantity));
            }
        }
    }
}
