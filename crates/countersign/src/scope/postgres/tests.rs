//! Against a real server, which is started for the test and stopped after it.

mod crossing;
mod holes;
mod refused;
mod server;
mod values;

use sqlx::{FromRow, Row, postgres::PgRow};

use self::server::Server;
use super::{ScopedPool, begin_for, row_level_security};
use crate::{
    HasRole, OrganisationId, RoleName,
    caller::testing::caller,
    row_level_security::RowLevelSecurity,
    scope::{
        Column, Condition, CrossOrganisation, Delete, Insert, OrganisationTable, SchemaFault, ScopeError,
        Select, SupportRole, Update,
    },
};

#[derive(Debug, Clone, PartialEq)]
struct Order {
    id: i64,
    item: String,
}

impl OrganisationTable for Order {
    const TABLE: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &["id", "item"];
}

impl Order {
    const ID: Column<Self> = Column::named("id");
    const ITEM: Column<Self> = Column::named("item");
}

impl FromRow<'_, PgRow> for Order {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { id: row.try_get("id")?, item: row.try_get("item")? })
    }
}

struct Support;
impl RoleName for Support {
    const NAME: &'static str = "support";
}
impl SupportRole for Support {}

const ORDERS: &str = "
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation text NOT NULL,
    item text NOT NULL,
    UNIQUE (organisation, item)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO service;
";

/// A database with the table, what the migration says, and what else is given.
async fn declared(server: &Server, more: &str) -> Result<ScopedPool, SchemaFault> {
    let (owner, service) = server.cleared().await;
    for sql in [ORDERS, &row_level_security::<Order>(), more] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&owner).await.unwrap();
    }
    ScopedPool::new(service).declare::<Order>().await
}

/// The same table in partitions by organisation, which the role may not use by themselves.
const PARTITIONED: &str = "
DROP TABLE orders;
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY,
    organisation text NOT NULL,
    item text NOT NULL,
    PRIMARY KEY (organisation, id)
) PARTITION BY LIST (organisation);
CREATE TABLE of_acme PARTITION OF orders FOR VALUES IN ('acme');
CREATE TABLE of_globex PARTITION OF orders FOR VALUES IN ('globex');
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO service;
";

/// [`PARTITIONED`], what the migration says, and what else is given.
fn partitioned(more: &str) -> String {
    format!("{PARTITIONED}{}{more}", row_level_security::<Order>())
}

fn order(item: &str) -> Insert<Order> {
    Insert::new().set(Order::ITEM, item)
}

#[test]
fn a_name_cannot_leave_the_text_it_stands_in() {
    let name = OrganisationId::new("x', true); DROP TABLE orders; --").unwrap();
    assert_eq!(
        begin_for("BEGIN", &name),
        "BEGIN; SET LOCAL countersign.organisation = E'x\\U00000027\\U0000002c\\U00000020true\\U00000029\\U0000003b\
         \\U00000020DROP\\U00000020TABLE\\U00000020orders\\U0000003b\\U00000020\\U0000002d\\U0000002d'; \
         SET LOCAL countersign.across = ''"
    );
}

/// One server for all of it: a start takes seconds.
#[tokio::test]
async fn on_a_real_server() {
    let server = Server::start();
    rows_stay_with_their_organisation(&server).await;
    single_statements_are_units_of_work(&server).await;
    forgetting_the_filter_shows_nothing_foreign(&server).await;
    support_reads_everything_and_writes_nothing(&server).await;
    without_support_an_index_finds_what_a_filter_would(&server).await;
    refused::inert_and_leaking_tables_do_not_start(&server).await;
    refused::what_the_role_may_become_counts(&server).await;
    refused::presets_do_not_start(&server).await;
    refused::what_is_not_declared_is_looked_at(&server).await;
    holes::each_is_real(&server).await;
    holes::a_session_leaves_nothing_to_the_next_unit_of_work(&server).await;
    values::of_every_kind_are_bound(&server).await;
    values::the_printed_migration_makes_a_table_that_starts(&server).await;
    values::the_printed_migration_takes_a_key_without_the_organisation_away(&server).await;
}

/// Names that differ by case, look like numbers, or like SQL.
const ORGANISATIONS: [&str; 5] = ["acme", "ACME", "07", "' OR 1=1 --", "Ünï\u{1f600}"];

async fn rows_stay_with_their_organisation(server: &Server) {
    let pool = declared(server, "").await.unwrap();
    for organisation in ORGANISATIONS {
        let scope = pool.for_caller(&caller(organisation, &[])).unwrap();
        let mut work = scope.begin().await.unwrap();
        assert_eq!(work.count(Select::<Order>::all()).await.unwrap(), 0, "{organisation}");
        let tea = work.insert(order("tea")).await.unwrap();
        work.commit().await.unwrap();

        let mut work = scope.begin().await.unwrap();
        assert!(matches!(work.insert(order("tea")).await, Err(ScopeError::Conflict { .. })));
        drop(work);
        let mut work = scope.begin().await.unwrap();
        let any = Condition::any_of([Order::ITEM.like("%"), Order::ID.at_least(0)]);
        assert_eq!(work.all(Select::all().and(any)).await.unwrap().as_slice(), std::slice::from_ref(&tea));
        assert_eq!(work.find::<Order>(tea.id - 1).await.unwrap(), None, "{organisation}");
        assert_eq!(work.update(Update::<Order>::by_key(tea.id - 1).set(Order::ITEM, "x")).await.unwrap(), 0);
        assert_eq!(work.delete(Delete::<Order>::by_key(tea.id - 1)).await.unwrap(), 0);
        let numbered = work.insert(order("x").set(Order::ID, tea.id)).await;
        assert!(matches!(numbered, Err(ScopeError::KeyAssigned { .. })));
    }
}

async fn single_statements_are_units_of_work(server: &Server) {
    let pool =
        declared(server, "INSERT INTO orders (organisation, item) VALUES ('globex', 'g')").await.unwrap();
    let scope = pool.for_caller(&caller("acme", &[])).unwrap();
    let tea = scope.insert(order("tea")).await.unwrap();
    let milk = scope.insert(order("milk")).await.unwrap();
    assert!(matches!(scope.insert(order("tea")).await, Err(ScopeError::Conflict { .. })));
    assert_eq!(scope.update(Update::<Order>::by_key(tea.id).set(Order::ITEM, "chai")).await.unwrap(), 1);
    assert_eq!(scope.update(Update::<Order>::by_key(tea.id - 1).set(Order::ITEM, "x")).await.unwrap(), 0);
    let chai = Order { item: "chai".to_owned(), ..tea };
    assert_eq!(scope.find(chai.id).await.unwrap().as_ref(), Some(&chai));
    assert_eq!(
        scope.first(Select::all().and(Order::ITEM.equals("chai"))).await.unwrap().as_ref(),
        Some(&chai)
    );
    assert_eq!(scope.find::<Order>(chai.id - 1).await.unwrap(), None);
    assert_eq!(scope.count(Select::<Order>::all()).await.unwrap(), 2);
    assert_eq!(scope.delete(Delete::<Order>::by_key(milk.id)).await.unwrap(), 1);
    assert_eq!(scope.all(Select::<Order>::all()).await.unwrap(), [chai]);
}

async fn forgetting_the_filter_shows_nothing_foreign(server: &Server) {
    let pool =
        declared(server, "INSERT INTO orders (organisation, item) VALUES ('acme', 'a'), ('globex', 'g')")
            .await;
    let pool = pool.unwrap();
    let scope = pool.for_caller(&caller("acme", &[])).unwrap();
    let mut work = scope.begin().await.unwrap();
    let changed = sqlx::query("UPDATE orders SET item = item || '!' WHERE true OR organisation <> 'acme'");
    assert_eq!(changed.execute(work.connection()).await.unwrap().rows_affected(), 1);
    let items = sqlx::query_scalar::<_, String>("SELECT item FROM orders").fetch_all(work.connection()).await;
    assert_eq!(items.unwrap(), ["a!"]);
    let foreign = sqlx::query("INSERT INTO orders (organisation, item) VALUES ('globex', 'mine')");
    assert!(foreign.execute(work.connection()).await.unwrap_err().to_string().contains("row-level security"));
    drop(work);
    let moved = sqlx::query("UPDATE orders SET organisation = 'globex'");
    let mut work = scope.begin().await.unwrap();
    assert!(moved.execute(work.connection()).await.is_err());
    drop(work);

    // The setting ends with its transaction: the same connection then sees nobody's rows.
    let unscoped: i64 =
        sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&pool.pool).await.unwrap();
    assert_eq!(unscoped, 0);
}

async fn without_support_an_index_finds_what_a_filter_would(server: &Server) {
    let bare = RowLevelSecurity::of("orders").unwrap().without_support().policies();
    for (more, served) in [("SELECT", false), (&*bare, true)] {
        let pool = declared(server, more).await.unwrap();
        let mut work = pool.for_caller(&caller("acme", &[])).unwrap().begin().await.unwrap();
        // Without this a table this small is read whole in any case.
        sqlx::raw_sql("SET LOCAL enable_seqscan = off").execute(work.connection()).await.unwrap();
        let plan: Vec<String> = sqlx::query_scalar("EXPLAIN (COSTS OFF) SELECT * FROM orders")
            .fetch_all(work.connection())
            .await
            .unwrap();
        assert_eq!(plan.iter().any(|line| line.contains("Index Cond: (organisation =")), served, "{plan:?}");
    }
    let one = format!("INSERT INTO orders (organisation, item) VALUES ('acme', 'a'); {bare}");
    let pool = declared(server, &one).await.unwrap();
    let support = HasRole::<Support>::check(caller("helpdesk", &["support"])).unwrap();
    let leave = CrossOrganisation::open(&support, "ticket 4711").unwrap();
    assert!(pool.across(&leave).all(Select::<Order>::all()).await.unwrap().is_empty());
}

async fn support_reads_everything_and_writes_nothing(server: &Server) {
    let pool =
        declared(server, "INSERT INTO orders (organisation, item) VALUES ('acme', 'a'), ('globex', 'g')")
            .await;
    let pool = pool.unwrap();
    let support = HasRole::<Support>::check(caller("helpdesk", &["support"])).unwrap();
    let leave = CrossOrganisation::open(&support, "ticket 4711").unwrap();
    let all = pool.across(&leave).all(Select::<Order>::all()).await.unwrap();
    assert_eq!(all.iter().map(|owned| &*owned.organisation).collect::<Vec<_>>(), ["acme", "globex"]);
    let own = pool.for_caller(support.caller()).unwrap();
    let mut work = own.begin().await.unwrap();
    assert_eq!(work.all(Select::<Order>::all()).await.unwrap(), []);
    sqlx::query("SELECT set_config('countersign.across', 'on', true)")
        .execute(work.connection())
        .await
        .unwrap();
    let removed = sqlx::query("DELETE FROM orders").execute(work.connection()).await.unwrap();
    assert_eq!(removed.rows_affected(), 0);
}
