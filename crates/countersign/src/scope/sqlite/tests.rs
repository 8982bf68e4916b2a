mod crossing;
mod faults;

use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};

use crate::{
    HasRole, NoOrganisation, RoleName,
    caller::testing::caller,
    scope::{
        CrossOrganisation, Delete, Insert, Owned, ReasonInvalid, ScopeError, Select, SupportRole, Update,
        crossing::Order,
    },
};

use super::ScopedPool;

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, organisation TEXT COLLATE NOCASE NOT NULL, \
                      item TEXT NOT NULL, quantity INTEGER NOT NULL DEFAULT 1, UNIQUE (organisation, item))";

async fn database(schema: &'static str) -> SqlitePool {
    // Each connection to `:memory:` is a database of its own, so there must be one only.
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql(schema).execute(&pool).await.unwrap();
    pool
}

async fn orders() -> ScopedPool {
    ScopedPool::new(database(ORDERS).await).declare::<Order>().await.unwrap()
}

fn order(item: &str) -> Insert<Order> {
    Insert::new().set(Order::ITEM, item)
}

struct Support;
impl RoleName for Support {
    const NAME: &'static str = "support";
}
impl SupportRole for Support {}

#[tokio::test]
async fn a_foreign_row_and_an_absent_row_are_the_same() {
    let pool = orders().await;
    let acme = pool.for_caller(&caller("acme", &[])).unwrap();
    let globex = pool.for_caller(&caller("globex", &[])).unwrap();
    let tea = acme.insert(order("tea")).await.unwrap();

    assert_eq!(acme.find::<Order>(tea.id).await.unwrap(), Some(tea.clone()));
    for id in [tea.id, tea.id + 1] {
        assert_eq!(globex.find::<Order>(id).await.unwrap(), None);
        assert_eq!(globex.update(Update::by_key(id).set(Order::ITEM, "mine")).await.unwrap(), 0);
        assert_eq!(globex.delete(Delete::<Order>::by_key(id)).await.unwrap(), 0);
    }
    assert_eq!(acme.all(Select::<Order>::all()).await.unwrap(), [tea]);
}

#[tokio::test]
async fn a_unique_value_of_another_organisation_is_no_conflict() {
    let pool = orders().await;
    let acme = pool.for_caller(&caller("acme", &[])).unwrap();
    let globex = pool.for_caller(&caller("globex", &[])).unwrap();
    acme.insert(order("tea")).await.unwrap();
    globex.insert(order("tea")).await.unwrap();
    assert!(matches!(globex.insert(order("tea")).await, Err(ScopeError::Conflict { table: "orders" })));
}

#[tokio::test]
async fn a_key_that_the_database_numbers_is_never_written() {
    let pool = orders().await;
    let acme = pool.for_caller(&caller("acme", &[])).unwrap();
    let tea = acme.insert(order("tea")).await.unwrap();
    let globex = pool.for_caller(&caller("globex", &[])).unwrap();
    let taken = globex.insert(order("tea").set(Order::ID, tea.id)).await;
    let free = globex.insert(order("tea").set(Order::ID, tea.id + 1)).await;
    assert!(matches!(taken, Err(ScopeError::KeyAssigned { .. })));
    assert!(matches!(free, Err(ScopeError::KeyAssigned { .. })));
    let moved = acme.update(Update::by_key(tea.id).set(Order::ID, 9)).await;
    assert!(matches!(moved, Err(ScopeError::KeyAssigned { .. })));
}

#[tokio::test]
async fn a_caller_without_organisation_gets_no_scope() {
    assert_eq!(orders().await.for_caller(&caller("", &["support"])).map(|_| ()), Err(NoOrganisation));
}

#[tokio::test]
async fn a_table_that_was_not_declared_is_not_used() {
    let pool = ScopedPool::new(database(ORDERS).await);
    let acme = pool.for_caller(&caller("acme", &[])).unwrap();
    assert!(matches!(acme.insert(order("tea")).await, Err(ScopeError::Undeclared { table: "orders" })));
    assert!(matches!(acme.all(Select::<Order>::all()).await, Err(ScopeError::Undeclared { .. })));
    assert!(matches!(acme.delete(Delete::<Order>::by_key(1)).await, Err(ScopeError::Undeclared { .. })));
}

#[tokio::test]
async fn an_update_sets_something() {
    let pool = orders().await;
    let acme = pool.for_caller(&caller("acme", &[])).unwrap();
    let nothing = acme.update(Update::<Order>::by_key(1)).await;
    assert!(matches!(nothing, Err(ScopeError::NothingToSet { table: "orders" })));
}

#[tokio::test]
async fn a_unit_of_work_happens_whole_or_not_at_all() {
    let pool = orders().await;
    let acme = pool.for_caller(&caller("acme", &[])).unwrap();
    let mut unit = acme.begin().await.unwrap();
    unit.insert(order("tea")).await.unwrap();
    assert_eq!(unit.count(Select::<Order>::all()).await.unwrap(), 1);
    drop(unit);
    assert_eq!(acme.count(Select::<Order>::all()).await.unwrap(), 0);

    let mut unit = acme.begin().await.unwrap();
    unit.insert(order("tea")).await.unwrap();
    unit.insert(order("coffee")).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(acme.count(Select::<Order>::all()).await.unwrap(), 2);
}

#[tokio::test]
async fn too_many_rows_are_an_error_and_not_a_part() {
    let pool = orders().await;
    let acme = pool.for_caller(&caller("acme", &[])).unwrap();
    let mut unit = acme.begin().await.unwrap();
    for number in 0..=Select::<Order>::MAX_ROWS {
        unit.insert(order(&number.to_string())).await.unwrap();
    }
    assert!(matches!(
        unit.all(Select::<Order>::all()).await,
        Err(ScopeError::TooManyRows { table: "orders" })
    ));
    assert_eq!(unit.all(Select::<Order>::all().limit(3).offset(2)).await.unwrap().len(), 3);
    assert_eq!(unit.count(Select::<Order>::all()).await.unwrap(), 10_001);
}

#[tokio::test]
async fn support_sees_every_organisation_for_a_reason() {
    let pool = orders().await;
    for organisation in ["acme", "globex"] {
        let scope = pool.for_caller(&caller(organisation, &[])).unwrap();
        scope.insert(order("tea")).await.unwrap();
    }
    let support = HasRole::<Support>::check(caller("", &["support"])).unwrap();
    for bad in ["", "  ", "a\nb", &"x".repeat(501)] {
        assert_eq!(CrossOrganisation::open(&support, bad).map(|_| ()), Err(ReasonInvalid), "{bad:?}");
    }
    let leave = CrossOrganisation::open(&support, "ticket 4711").unwrap();
    let seen: Vec<Owned<Order>> = pool.across(&leave).all(Select::all()).await.unwrap();
    assert_eq!(seen.iter().map(|owned| &*owned.organisation).collect::<Vec<_>>(), ["acme", "globex"]);
    let one = pool.across(&leave).find::<Order>(2).await.unwrap();
    assert_eq!(one.map(|owned| owned.organisation), Some("globex".to_owned()));
}
