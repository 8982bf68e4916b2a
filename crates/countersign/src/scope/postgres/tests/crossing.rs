//! Random organisations, random operations and random SQL: no row ever crosses.

use std::cell::Cell;

use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use sqlx::{AssertSqlSafe, FromRow, PgPool, Row};

use super::{row_level_security, server::Server};
use crate::{
    caller::testing::caller,
    scope::{
        crossing::{ITEMS, Model, Operation, Order, Rows, operation},
        postgres::{ScopedPool, ScopedTransaction},
    },
};

const ORDERS: &str = "
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation text NOT NULL,
    item text NOT NULL,
    quantity bigint NOT NULL DEFAULT 1,
    UNIQUE (organisation, item)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO service;
";

#[derive(Debug, Clone)]
enum Step {
    /// Through the scope, which writes the filter.
    Typed(Operation),
    /// On the connection, where row-level security alone stands guard. Every row says whose it is.
    Raw(String),
}

/// Few, so that each has rows.
const OF_STEPS: [&str; 3] = ["acme", "ACME", "' OR 1=1 --"];

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn organisation() -> impl Strategy<Value = String> {
    prop::sample::select(&OF_STEPS[..]).prop_map(quoted)
}

fn item() -> impl Strategy<Value = String> {
    prop::sample::select(&ITEMS[..]).prop_map(quoted)
}

/// What a forgotten, a wrong or a hostile filter looks like. The names of the settings are not in it: who may choose
/// those words may choose the organisation.
fn predicate() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        organisation().prop_map(|name| format!("o.organisation = {name}")),
        organisation().prop_map(|name| format!("o.organisation <> {name}")),
        item().prop_map(|item| format!("o.item = {item}")),
        (0..20_i64).prop_map(|id| format!("o.id > {id}")),
        Just("o.organisation LIKE '%'".to_owned()),
        Just("1 / (o.quantity - o.quantity + 1) = 1".to_owned()),
        Just("EXISTS (SELECT FROM orders x WHERE x.organisation <> o.organisation)".to_owned()),
        Just("o.id IN (SELECT max(x.id) FROM orders x GROUP BY x.organisation)".to_owned()),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            inner.prop_map(|a| format!("NOT {a}")),
        ]
    })
}

fn raw() -> impl Strategy<Value = String> {
    let with_predicate = prop::sample::select(
        &[
            "SELECT o.organisation FROM orders o WHERE ?",
            "SELECT o.organisation FROM orders o WHERE ? FOR UPDATE",
            "SELECT o.organisation FROM orders o FULL JOIN orders p ON ? WHERE o.id IS NOT NULL",
            "SELECT p.organisation FROM orders o, LATERAL (SELECT * FROM orders q WHERE q.id >= o.id) p WHERE ?",
            "WITH o AS MATERIALIZED (TABLE orders) SELECT organisation FROM o WHERE ? UNION ALL TABLE only_names",
            "SET LOCAL row_security = off; SELECT o.organisation FROM orders o WHERE ?",
            "DECLARE c CURSOR FOR SELECT o.organisation FROM orders o WHERE ?; FETCH ALL FROM c",
            "UPDATE orders o SET quantity = quantity + 1 WHERE ? RETURNING organisation",
            "UPDATE orders o SET item = o.item || o.id WHERE ? RETURNING organisation",
            "UPDATE orders o SET quantity = p.quantity FROM orders p WHERE ? RETURNING p.organisation",
            "DELETE FROM orders o WHERE ? RETURNING organisation",
            "DELETE FROM orders o USING orders p WHERE p.id <> o.id AND ? RETURNING p.organisation",
            "INSERT INTO orders (organisation, item) SELECT o.organisation, o.item || '+' FROM orders o WHERE ? \
             RETURNING organisation",
        ][..],
    );
    let with_name = prop::sample::select(
        &[
            "UPDATE orders SET organisation = ? RETURNING organisation",
            "INSERT INTO orders (organisation, item) VALUES (?, #) RETURNING organisation",
            "INSERT INTO orders (organisation, item) VALUES (?, #) ON CONFLICT (organisation, item) \
             DO UPDATE SET quantity = 0 RETURNING organisation",
            "INSERT INTO orders (organisation, item) VALUES (?, #) ON CONFLICT DO NOTHING RETURNING organisation",
            "INSERT INTO orders (id, organisation, item) OVERRIDING SYSTEM VALUE VALUES (1000, ?, #) \
             ON CONFLICT (id) DO UPDATE SET quantity = 0 RETURNING organisation",
            "MERGE INTO orders o USING (VALUES (?, #)) AS n(name, item) ON o.item = n.item \
             WHEN MATCHED THEN UPDATE SET quantity = -1 \
             WHEN NOT MATCHED THEN INSERT (organisation, item) VALUES (n.name, n.item)",
            "MERGE INTO orders o USING orders n ON o.organisation = ? AND n.item = # WHEN MATCHED THEN DELETE",
        ][..],
    );
    prop_oneof![
        6 => (with_predicate, predicate()).prop_map(|(sql, predicate)| {
            sql.replace("TABLE only_names", "SELECT organisation FROM orders").replace('?', &predicate)
        }),
        3 => (with_name, organisation(), item()).prop_map(|(sql, name, item)| {
            sql.replacen('#', &item, 1).replacen('?', &name, 1)
        }),
        1 => prop::sample::select(
            &[
                "TRUNCATE orders",
                "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY",
                "DROP POLICY countersign_organisation ON orders",
                "CREATE POLICY open ON orders USING (true)",
                "SET SESSION AUTHORIZATION owner; SELECT organisation FROM orders",
                "SET ROLE owner; SELECT organisation FROM orders",
            ][..],
        )
        .prop_map(str::to_owned),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![operation().prop_map(Step::Typed), raw().prop_map(Step::Raw)]
}

async fn table(owner: &PgPool) -> Rows {
    let rows = sqlx::query("SELECT * FROM orders").fetch_all(owner).await.unwrap();
    rows.iter().map(|row| (row.get("id"), (row.get("organisation"), Order::from_row(row).unwrap()))).collect()
}

fn foreign(rows: &Rows, organisation: &str) -> Rows {
    rows.iter().filter(|(_, (owner, _))| owner != organisation).map(|(id, row)| (*id, row.clone())).collect()
}

/// How often random SQL showed, and how often it changed rows: a property of nothing proves nothing.
#[derive(Default)]
struct Seen {
    shown: Cell<usize>,
    changed: Cell<usize>,
}

async fn run_raw(mut work: ScopedTransaction, sql: &str, organisation: &str) -> usize {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(work.connection()).await;
    let Ok(rows) = ran else { return 0 };
    for row in &rows {
        assert_eq!(row.get::<String, _>("organisation"), organisation, "{sql}");
    }
    work.commit().await.unwrap();
    rows.len()
}

async fn run(owner: &PgPool, pool: &ScopedPool, steps: &[(&str, Step)], seen: &Seen) {
    sqlx::raw_sql("TRUNCATE orders RESTART IDENTITY").execute(owner).await.unwrap();
    let mut model = Model { rows: Rows::new(), shares_a_slot: |a, b| a == b };
    for (organisation, step) in steps {
        let mut work = pool.for_caller(&caller(organisation, &[])).unwrap().begin().await.unwrap();
        match step {
            Step::Typed(operation) => {
                model.apply(&mut work, organisation, operation).await;
                work.commit().await.unwrap();
                assert_eq!(table(owner).await, model.rows, "after {organisation}: {operation:?}");
            }
            Step::Raw(sql) => {
                seen.shown.set(seen.shown.get() + run_raw(work, sql, organisation).await);
                let now = table(owner).await;
                let (before, after) = (foreign(&model.rows, organisation), foreign(&now, organisation));
                assert_eq!(after, before, "after {organisation}: {sql}");
                seen.changed.set(seen.changed.get() + usize::from(now != model.rows));
                model.rows = now;
            }
        }
    }
}

#[test]
fn no_row_ever_crosses() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = Server::start();
    let (owner, pool) = runtime.block_on(async {
        let (owner, service) = server.database().await;
        sqlx::raw_sql(AssertSqlSafe(format!("{ORDERS}{}", row_level_security::<Order>())))
            .execute(&owner)
            .await
            .unwrap();
        (owner, ScopedPool::new(service).declare::<Order>().await.unwrap())
    });
    let steps = prop::collection::vec((prop::sample::select(&OF_STEPS[..]), step()), 1..60);
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let seen = Seen::default();
    let found = TestRunner::new(config).run(&steps, |steps| {
        let ran = std::panic::AssertUnwindSafe(|| runtime.block_on(run(&owner, &pool, &steps, &seen)));
        std::panic::catch_unwind(ran).map_err(|_| TestCaseError::fail("see above"))
    });
    if let Err(found) = found {
        panic!("{found}");
    }
    assert!(seen.shown.get() > 100 && seen.changed.get() > 30, "{:?} {:?}", seen.shown, seen.changed);
}
