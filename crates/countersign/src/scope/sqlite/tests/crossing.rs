//! Random organisations, random operations: no row ever crosses.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sqlx::{Row, SqlitePool};

use crate::{
    Caller,
    caller::testing::caller,
    scope::{Condition, Delete, Direction, Insert, ScopeError, Select, Update, Value, sqlite::ScopedPool},
};

use super::{ORDERS, Order, database};

/// Names that differ by case, by spelling of a number, or look like SQL.
const ORGANISATIONS: [&str; 8] =
    ["acme", "ACME", "7", "07", "organisation", "' OR 1=1 --", "%", "\"orders\".\"organisation\""];
const ITEMS: [&str; 4] = ["tea", "Tea", "%", "') OR ('1'='1"];

#[derive(Debug, Clone)]
enum Operation {
    Count(Filter),
    Delete(Filter),
    Find(i64),
    Insert(&'static str),
    List(Filter),
    Update(Filter, i64),
}

#[derive(Debug, Clone)]
enum Filter {
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

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => prop::sample::select(&ITEMS[..]).prop_map(Operation::Insert),
        1 => filter().prop_map(Operation::Count),
        1 => filter().prop_map(Operation::Delete),
        2 => (0..20_i64).prop_map(Operation::Find),
        2 => filter().prop_map(Operation::List),
        2 => (filter(), 0..100_i64).prop_map(|(filter, quantity)| Operation::Update(filter, quantity)),
    ]
}

/// What the table must hold: the rows by key, with their organisation.
#[derive(Default)]
struct Model {
    rows: BTreeMap<i64, (String, Order)>,
}

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
}

async fn apply(pool: &ScopedPool, model: &mut Model, who: &Caller, operation: &Operation) {
    let scope = pool.for_caller(who).unwrap();
    let organisation = who.organisation().unwrap().as_str();
    match operation {
        Operation::Count(filter) => {
            let counted = scope.count(Select::all().and(filter.condition())).await.unwrap();
            assert_eq!(counted, model.own(organisation, filter).len() as u64);
        }
        Operation::Delete(filter) => {
            let deleted = scope.delete(Delete::matching(filter.condition())).await.unwrap();
            let before = model.rows.len();
            model.rows.retain(|_, (owner, order)| owner != organisation || !filter.accepts(order));
            assert_eq!(deleted, (before - model.rows.len()) as u64);
        }
        Operation::Find(key) => {
            let found = scope.find::<Order>(*key).await.unwrap();
            assert_eq!(found, model.own(organisation, &Filter::Key(*key)).pop());
        }
        Operation::Insert(item) => match scope.insert(Insert::new().set(Order::ITEM, *item)).await {
            Ok(order) => {
                assert!(model.rows.insert(order.id, (organisation.to_owned(), order)).is_none());
            }
            Err(ScopeError::Conflict { .. }) => {
                // The column ignores case, and so does its unique index: the two spellings share one slot.
                let taken = |(owner, order): &(String, Order)| {
                    owner.eq_ignore_ascii_case(organisation) && order.item == *item
                };
                assert!(model.rows.values().any(taken));
            }
            Err(error) => panic!("{error}"),
        },
        Operation::List(filter) => {
            let select = Select::all().and(filter.condition()).order_by(Order::ID, Direction::Ascending);
            assert_eq!(scope.all(select).await.unwrap(), model.own(organisation, filter));
        }
        Operation::Update(filter, quantity) => {
            let update = Update::matching(filter.condition()).set(Order::QUANTITY, Value::Integer(*quantity));
            let updated = scope.update(update).await.unwrap();
            assert_eq!(updated, model.change(organisation, filter, |order| order.quantity = *quantity));
        }
    }
}

async fn table(pool: &SqlitePool) -> BTreeMap<i64, (String, Order)> {
    let rows = sqlx::query("SELECT * FROM orders").fetch_all(pool).await.unwrap();
    let order = |row: &_| <Order as sqlx::FromRow<_>>::from_row(row).unwrap();
    rows.iter().map(|row| (row.get("id"), (row.get("organisation"), order(row)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_ever_crosses(
        steps in prop::collection::vec((prop::sample::select(&ORGANISATIONS[..]), operation()), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let raw = database(ORDERS).await;
            let pool = ScopedPool::new(raw.clone()).declare::<Order>().await.unwrap();
            let mut model = Model::default();
            for (organisation, operation) in &steps {
                apply(&pool, &mut model, &caller(organisation, &[]), operation).await;
                assert_eq!(table(&raw).await, model.rows, "after {organisation}: {operation:?}");
            }
        });
    }
}
